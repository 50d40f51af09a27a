"""Stages told by programs: once, whole, row by row; by token or by signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI

from pbx.settings import WebSettings
from pbx.web.access import Role, Scope
from pbx.web.state import WebState
from pbx.webhooks.webhook import signed
from tests.web.application import application
from tests.web.asking import API, asking, somebody
from tests.web.conftest import HOST
from tests.web.people import quick

SECRET = b"k" * 24
IVAN = "+79161234567"


def event(n: int = 1, **more: Any) -> dict[str, Any]:
    at = (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=n)).isoformat()
    return {"id": f"e{n}", "stage": "meeting", "at": at, "number": IVAN, **more}


async def tell(client: httpx.AsyncClient, *events: dict[str, Any]) -> httpx.Response:
    return await client.post("/funnel/events", json={"events": list(events)})


async def test_an_event_told_again_is_known_and_told_otherwise_refused(
    app: FastAPI, state: WebState
) -> None:
    async with asking(app, somebody(state.staff)) as crm:
        first = await tell(crm, event(number="8 916 123-45-67", deal="17", source="site"))
        assert (first.status_code, first.json()) == (200, {"new": 1, "known": 0})
        again = await tell(crm, event(deal="17", source="site"), event(2))
        assert again.json() == {"new": 1, "known": 1}

        other = await tell(crm, event(3), event(deal="17", source="radio"))
        assert (other.status_code, other.json()["errors"]) == (
            409,
            [
                {
                    "where": ["body", "events", "1", "id"],
                    "what": "is known with other content; events never change",
                }
            ],
        )
        (newest, known) = (await crm.get("/funnel/events")).json()["items"]
        assert newest["id"] == "e2", "nothing of the refused request was taken"
        assert known == {
            "id": "e1",
            "stage": "meeting",
            "at": "2026-11-01T01:00:00Z",
            "number": IVAN,
            "deal": "17",
            "manager": "",
            "source": "site",
            "call_id": "",
            "via": "crm",
        }


async def test_without_a_time_it_is_now_and_told_again_still_the_same(
    app: FastAPI, state: WebState
) -> None:
    async with asking(app, somebody(state.staff)) as crm:
        told = {"id": "x", "stage": "qualified", "number": IVAN}
        assert (await tell(crm, told)).json() == {"new": 1, "known": 0}
        assert (await tell(crm, told)).json() == {"new": 0, "known": 1}
        assert (await tell(crm, told, told)).json() == {"new": 0, "known": 2}


async def test_every_mistake_is_told_with_its_place_and_nothing_taken(
    app: FastAPI, state: WebState
) -> None:
    future = (state.now() + timedelta(hours=1)).isoformat()
    async with asking(app, somebody(state.staff)) as crm:
        answer = await tell(
            crm,
            event(1),
            event(2, stage="metting", manager="nobody"),
            event(3, number="no number"),
            {"id": "e4", "stage": "meeting", "call_id": "no call"},
            event(5, at=future),
            event(6, id=" "),
        )
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert [(one["where"][2:], one["what"][:20]) for one in answer.json()["errors"]] == [
            (["1", "stage"], "no stage 'metting'; "),
            (["1", "manager"], "the plan has no mana"),
            (["2", "number"], "'no number' is no te"),
            (["3", "number"], "neither a number, no"),
            (["4", "at"], "is in the future"),
            (["5", "id"], "is needed, of printa"),
        ]
        shape = await tell(crm, event(1), {"stage": "meeting", "at": "yesterday", "x": 1})
        assert [one["where"] for one in shape.json()["errors"]] == [
            ["body", "events", "1", "id"],
            ["body", "events", "1", "at"],
            ["body", "events", "1", "x"],
        ]
        naive = await tell(crm, event(1, at="2026-11-01T00:00:00"))
        assert naive.status_code == 422
        assert (await tell(crm)).status_code == 422
        assert (await tell(crm, *(event(n) for n in range(1001)))).status_code == 422
        assert (await crm.get("/funnel/events")).json() == {"items": [], "next": None}


async def test_a_thousand_at_once_come_back_in_pages(app: FastAPI, state: WebState) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC).isoformat()
    events = [event(n, at=at if n % 3 else event(n % 7)["at"]) for n in range(1000)]
    async with asking(app, somebody(state.staff)) as crm:
        assert (await tell(crm, *events)).json() == {"new": 1000, "known": 0}
        seen: list[dict[str, Any]] = []
        after = ""
        for _ in range(20):
            page = (await crm.get("/funnel/events", params={"limit": 90, "after": after})).json()
            seen += page["items"]
            after = page["next"]
            if after is None:
                break
        places = [(one["at"], one["id"]) for one in seen]
        assert len(seen) == 1000
        assert places == sorted(places, reverse=True)
        assert {one["id"] for one in seen} == {one["id"] for one in events}
        for wrong in ("x", "W10=", "WzEsMl0="):
            refused = await crm.get("/funnel/events", params={"after": wrong})
            assert (refused.status_code, refused.json()["errors"][0]["where"]) == (
                422,
                ["query", "after"],
            )


async def test_filters_narrow_the_list(app: FastAPI, state: WebState) -> None:
    async with asking(app, somebody(state.staff)) as crm:
        await tell(crm, event(1, deal="17"), event(2, stage="invoice"), event(3, number="+7495123"))
        await tell(crm, event(1, deal="17"), event(2, stage="invoice", manager="ivanov"))

        async def ids(**params: str) -> list[str]:
            page = (await crm.get("/funnel/events", params=params)).json()
            return [one["id"] for one in page["items"]]

        assert await ids() == ["e2", "e1"]
        assert await ids(stage="invoice") == ["e2"]
        assert await ids(deal="17") == ["e1"]
        assert await ids(manager="ivanov") == ["e2"]
        assert await ids(number="8 (916) 123 45 67", since=event(2)["at"]) == ["e2"]
        assert await ids(until=event(2)["at"]) == ["e1"]
        assert await ids(number="\x00", call_id="\x00' or 1") == []


async def test_a_manager_tells_and_sees_their_own_only(app: FastAPI, state: WebState) -> None:
    ivanov, other = sorted(map(str, state.plan.routing.agents))[:2]
    own = somebody(state.staff, Role.MANAGER, agent_id=ivanov)
    async with asking(app, own) as manager:
        assert (await tell(manager, event(1))).json() == {"new": 1, "known": 0}
        foreign = await tell(manager, event(2), event(3, manager=other))
        assert foreign.json()["errors"][0]["where"] == ["body", "events", "1", "manager"]
    async with asking(app, somebody(state.staff)) as crm:
        await tell(crm, event(3, manager=other), event(4))
        everything = (await crm.get("/funnel/events")).json()["items"]
        assert [one["manager"] for one in everything] == ["", other, ivanov]
    async with asking(app, own) as manager:
        (seen,) = (await manager.get("/funnel/events")).json()["items"]
        assert seen["manager"] == ivanov
        assert (await manager.get("/funnel/events?manager=" + other)).json()["items"] == []
    department = state.staff.departments[other]
    boss = somebody(state.staff, Role.SUPERVISOR, departments={department})
    async with asking(app, boss) as supervisor:
        refused = await tell(supervisor, event(9))
        assert refused.status_code == 422, "nobody's is not theirs"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_scopes_are_asked(app: FastAPI, state: WebState, method: str) -> None:
    scopes = set(Scope) - {Scope.FUNNEL_READ if method == "GET" else Scope.FUNNEL_WRITE}
    async with asking(app, somebody(state.staff, scopes=scopes)) as crm:
        answer = await crm.request(method, "/funnel/events", json={"events": [event()]})
        assert answer.status_code == 403


@pytest.fixture
def settings(settings: WebSettings) -> WebSettings:
    return replace(settings, crm_secret=SECRET)


async def post_signed(
    browser: httpx.AsyncClient, state: WebState, body: bytes, **other: Any
) -> httpx.Response:
    now = int(state.now().timestamp())
    headers = signed(other.get("secret", SECRET), "msg_1", now + other.get("ago", 0), body)
    sent = other.get("sent", body)
    return await browser.post(f"{API}/hooks/funnel", content=sent, headers=headers)


async def test_the_crm_tells_by_a_signed_message(
    browser: httpx.AsyncClient, state: WebState, app: FastAPI
) -> None:
    body = orjson.dumps({"events": [event(manager="ivanov")]})

    told = await post_signed(browser, state, body)
    replayed = await post_signed(browser, state, body, ago=-250)

    assert (told.status_code, told.json()) == (200, {"new": 1, "known": 0})
    assert replayed.json() == {"new": 0, "known": 1}
    for other in (
        {"secret": b"x" * 24},
        {"sent": body + b" "},
        {"ago": -301},
        {"ago": 301},
    ):
        refused = await post_signed(browser, state, body, **other)
        assert refused.status_code == 401, other
    for headers in ({}, {"webhook-id": "a", "webhook-timestamp": "9" * 99}):
        plain = await browser.post(f"{API}/hooks/funnel", content=body, headers=headers)
        assert plain.status_code == 401
    wrong = await post_signed(browser, state, b'{"events": [{"id": "x"}]}')
    assert wrong.json()["errors"][0]["where"] == ["body", "events", "0", "stage"]
    assert (await post_signed(browser, state, b"{")).status_code == 422


async def test_without_a_secret_there_is_no_such_address(settings: WebSettings) -> None:
    state = WebState(replace(settings, crm_secret=None), passwords=quick())
    async with state.running():
        transport = httpx.ASGITransport(application(state))
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as browser:
            answer = await post_signed(browser, state, b'{"events": []}')
    assert answer.status_code == 404


async def test_the_crm_tells_no_oftener_than_a_token_may(settings: WebSettings) -> None:
    state = WebState(replace(settings, api_per_minute=1), passwords=quick())
    async with state.running():
        transport = httpx.ASGITransport(application(state))
        async with httpx.AsyncClient(transport=transport, base_url=HOST) as browser:
            body = orjson.dumps({"events": [event()]})
            told = await post_signed(browser, state, body)
            once_more = await post_signed(browser, state, body)
    assert told.status_code == 200
    assert once_more.status_code == 429
    assert int(once_more.headers["retry-after"]) >= 1


async def test_signatures_of_nobody_are_soon_not_even_read(
    browser: httpx.AsyncClient, state: WebState
) -> None:
    body = orjson.dumps({"events": [event()]})
    for _ in range(21):
        assert (await post_signed(browser, state, body, secret=b"x" * 24)).status_code == 401
    slowed = await post_signed(browser, state, b"x" * 1000, secret=b"x" * 24)
    assert slowed.status_code == 429
    assert slowed.json()["detail"] == "too much from this address was of nobody whom we know"
