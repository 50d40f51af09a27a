"""A request that is sent again does its work once."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import FastAPI

from pbx.switch.port import Ring
from pbx.web import once
from pbx.web.once import KEPT_S, Once, OtherRequest
from pbx.web.state import WebState
from tests.web.asking import asking, somebody
from tests.web.house import house


class Work:
    """Counts how often it is done; an answer below zero means that nothing was."""

    def __init__(self) -> None:
        self.now = 0.0
        self.times = 0
        self.once: Once[int] = Once(lambda: self.now, lambda answer: answer >= 0)

    async def ask(self, key: str, who: str = "crm", asked: object = "a", answer: int = 1) -> int:
        async def work() -> int:
            self.times += 1
            await asyncio.sleep(0)
            if answer == 0:
                raise RuntimeError("nobody there")
            return answer * self.times

        return await self.once.do(who, key, asked, work)


async def test_the_same_key_is_done_once_even_at_once() -> None:
    work = Work()

    assert await asyncio.gather(*(work.ask("k") for _ in range(5))) == [1] * 5
    assert await work.ask("k") == 1
    assert await work.ask("k", who="other") == 2, "another's key is another"
    with pytest.raises(OtherRequest):
        await work.ask("k", asked="b")
    work.now = KEPT_S + 1
    assert await work.ask("k") == 3, "not for ever"


async def test_what_was_not_done_may_be_tried_again() -> None:
    work = Work()

    assert await work.ask("k", answer=-1) == -1
    with pytest.raises(RuntimeError):
        await work.ask("k", answer=0)
    assert await work.ask("k", asked="b") == 3


async def test_who_does_not_wait_has_it_done_all_the_same() -> None:
    work = Work()
    first = asyncio.create_task(work.ask("k"))
    await asyncio.sleep(0)
    first.cancel()

    assert await work.ask("k") == 1


async def test_keys_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "MOST", 3)
    work = Work()
    for key in "abcdef":
        await work.ask(key)

    assert work.times == 6
    assert await work.ask("f") == 6
    assert await work.ask("a") == 7, "the oldest were forgotten"


async def test_a_click_that_is_sent_again_rings_once(app: FastAPI, state: WebState) -> None:
    click = {"manager": "petrova", "number": "+79161230000"}
    key = {"Idempotency-Key": "c-1"}
    async with house(state) as running, asking(app, somebody(state.staff)) as crm:
        first = await crm.post("/click", json=click, headers=key)
        again = await crm.post("/click", json=click, headers=key)
        other = await crm.post("/click", json={**click, "number": "+79161230001"}, headers=key)

        assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
        assert (other.status_code, other.json()["title"]) == (422, "Unprocessable Entity")
        assert len([one for one in running.switch.sent if isinstance(one, Ring)]) == 1
        assert (await crm.post("/click", json=click)).status_code == 409, "without a key it is new"
