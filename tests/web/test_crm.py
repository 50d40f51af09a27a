"""The example CRM beside the page: what it believes, what it tells once, what it asks."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from pbx.funnel.events import EventFilter, list_events
from pbx.switch.port import Ring
from pbx.web.access import Scope, signed_in
from pbx.web.state import WebState
from pbx.webhooks.webhook import signed
from tests.web.asking import somebody
from tests.web.beside import IVAN, SECRET, Beside, free_port
from tests.web.house import house, served


@pytest.fixture
async def crm(app: FastAPI, state: WebState, tmp_path: Path) -> AsyncIterator[Beside]:
    """With a token for what it does, and no more."""
    scopes = {Scope.CLICK_WRITE, Scope.FUNNEL_WRITE}
    app.dependency_overrides[signed_in] = lambda: somebody(state.staff, scopes=scopes)
    port = free_port()
    async with served(app, port), Beside(tmp_path, port) as beside:
        yield beside


async def test_a_caller_has_a_card_and_the_manager_who_talked_first(crm: Beside) -> None:
    await crm.hears("call.started", name="<b>Иван")
    assert "&lt;b&gt;Иван is calling" in await crm.page()
    answered = await crm.hears("call.answered", agent="petrova")
    await crm.hears("call.ended", outcome="answered")
    await crm.hears("call.started", number="")
    page = await crm.page()
    assert "called: answered" in page
    assert 'name=manager value="petrova"' in page

    await crm.post(f"/contacts/{IVAN}", name="Иван Ильич", manager="ivanov")
    again = {"type": "call.answered", "data": {"number": IVAN, "agent": "x"}}
    await crm.sent(answered, again)
    page = await crm.page()
    assert "Иван Ильич called: answered" in page, "a message that comes twice changes nothing"
    assert (await crm.post("/contacts/+7000/call"))[0] == 404
    foreign = {"sec-fetch-site": "cross-site"}
    assert (await crm.post(f"/contacts/{IVAN}/call", headers=foreign))[0] == 403


async def test_it_believes_only_what_is_signed(crm: Beside) -> None:
    body = json.dumps({"type": "call.started", "data": {"number": IVAN}}).encode()
    old = signed(SECRET, "m", int(time.time()) - 400, body)
    forged = signed(b"x" * 24, "m", int(time.time()), body)
    for headers in (old, forged, {}, {"webhook-timestamp": "x"}):
        for path in ("/hook", "/lookup"):
            async with crm.http.post(path, data=body, headers=headers) as answer:
                assert answer.status == 401
    assert IVAN not in await crm.page()


async def test_who_calls_is_answered_from_what_it_knows(crm: Beside) -> None:
    async def who(number: str) -> tuple[int, str]:
        body = json.dumps({"type": "call.lookup", "data": {"number": number}}).encode()
        headers = signed(SECRET, "lookup_1", int(time.time()), body)
        async with crm.http.post("/lookup", data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    assert await who(IVAN) == (204, "")
    await crm.hears("call.started", name="")
    await crm.post(f"/contacts/{IVAN}", name="Иван Ильич", manager="petrova")
    status, answer = await who(IVAN)
    assert (status, json.loads(answer)) == (200, {"manager": "petrova", "name": "Иван Ильич"})


async def events(state: WebState, number: int) -> list[tuple[str, str, str, str]]:
    """Once there are so many."""
    async with asyncio.timeout(10):
        while len(found := list_events(state.read, EventFilter())) < number:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return sorted((one.stage, one.number, one.agent, one.call_id) for one in found)


async def test_a_stage_arrives_once_whatever_was_down(
    app: FastAPI, state: WebState, tmp_path: Path
) -> None:
    app.dependency_overrides[signed_in] = lambda: somebody(state.staff)
    port = free_port()
    async with Beside(tmp_path, port) as crm:
        await crm.hears("call.answered", agent="petrova")
        for stage in ("qualified", "qualified", "meeting"):
            assert (await crm.post(f"/contacts/{IVAN}/stage", stage=stage))[0] == 200
        assert (await crm.post(f"/contacts/{IVAN}/stage", stage="x"))[0] == 400
    async with served(app, port), Beside(tmp_path, port) as crm:  # both have begun anew
        expected = [("meeting", IVAN, "petrova", "c1"), ("qualified", IVAN, "petrova", "c1")]
        assert await events(state, 2) == expected
        crm.crm.db.execute("update told set answer = ''")  # as if no answer had come
        crm.crm.db.commit()
        crm.crm.news.set()
        async with asyncio.timeout(10):
            while crm.crm.db.execute("select 1 from told where answer = ''").fetchone():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await events(state, 2) == expected


async def test_a_click_rings_the_manager_and_says_what_came_of_it(
    crm: Beside, state: WebState
) -> None:
    await crm.hears("call.answered", agent="petrova")
    assert "503" in (await crm.post(f"/contacts/{IVAN}/call"))[1], "no engine"
    async with house(state) as running:
        assert "ringing: who picks up" in (await crm.post(f"/contacts/{IVAN}/call"))[1]
        (ring,) = [one for one in running.switch.sent if isinstance(one, Ring)]
        assert (ring.address, ring.caller_number) == ("PJSIP/petrova", IVAN)
        assert "is rung already" in (await crm.post(f"/contacts/{IVAN}/call"))[1]


def test_it_is_small_enough_to_be_read() -> None:
    text = Path("examples/crm/crm.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 250
