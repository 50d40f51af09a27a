"""Reports and the funnel for programs: the page's answers, with the page's limits."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI

from pbx.web.access import Role, Scope, Staff
from pbx.web.state import TooLong, WebState
from tests.web.asking import asking, somebody
from tests.web.seeded import seed
from tests.web.test_funnel import told, two_hundred
from tests.web.viewers import STAFF

MONDAY = datetime(2026, 11, 1, 21, tzinfo=UTC)
QUEUE_OF = {"anna": "sales", "boris": "sales", "vera": "support"}
WEEK = "since=2026-11-02&until=2026-11-08"


async def test_a_report_is_told_with_units_and_the_period_before(
    app: FastAPI, state: WebState
) -> None:
    seed(state.write, QUEUE_OF, ("sales", "support"), MONDAY, 7, 20, random.Random(3))
    async with asking(app, somebody(STAFF)) as crm:
        answer = await crm.get(
            f"/reports?{WEEK}&by=queue,hour&measures=offered,asa_s&compare=1&limit=4"
        )
        whole = await crm.get(f"/reports?{WEEK}&measures=offered&queue=sales&queue=support")

    found = answer.json()
    assert answer.status_code == 200
    assert (found["since"], found["until"]) == (
        "2026-11-01T21:00:00+00:00",
        "2026-11-08T21:00:00+00:00",
    )
    assert found["before"]["until"] == found["since"]
    assert found["units"] == {"offered": "count", "asa_s": "s"}
    assert (len(found["rows"]), found["by"]) == (4, ["queue", "hour"])
    assert found["left_out"] > 0
    assert whole.json()["total"]["values"]["offered"] < found["total"]["values"]["offered"]
    assert whole.json()["before"] is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/reports?by=colour", "no slice 'colour'"),
        ("/reports?mesures=offered", "no parameter 'mesures'"),
        ("/reports?by=queue&measures=occupancy", "can't be told by queue"),
        ("/reports?limit=0", "from 1 to 10000"),
        ("/reports?since=2026-11-08&until=2026-11-01", "ends before it begins"),
        ("/funnel?way=up", "way is sales, incoming"),
        ("/funnel?manger=anna", "no parameter 'manger'"),
    ],
)
async def test_a_question_without_sense_is_told_what_would_have_some(
    app: FastAPI, path: str, words: str
) -> None:
    async with asking(app, somebody(STAFF)) as crm:
        answer = await crm.get(path)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]


async def test_scopes_and_departments_hold_for_programs(app: FastAPI, state: WebState) -> None:
    seed(state.write, QUEUE_OF, ("sales", "support"), MONDAY, 7, 20, random.Random(3))
    narrow = somebody(STAFF, scopes=[Scope.CALLS_READ])
    async with asking(app, narrow) as crm:
        codes = [
            (await crm.get(one)).status_code for one in ("/reports", "/funnel", "/funnel/falls")
        ]
    assert codes == [403, 403, 403]
    sales = somebody(STAFF, Role.SUPERVISOR, departments=["sales"])
    async with asking(app, sales) as crm:
        found = (await crm.get(f"/reports?{WEEK}&by=manager")).json()
    assert {row["key"][0] for row in found["rows"]} == {"anna", "boris", "none"}


async def test_200_cold_calls_22_meetings_18_deals(app: FastAPI, state: WebState) -> None:
    told(state, two_hundred())
    async with asking(app, somebody(STAFF)) as crm:
        found = (await crm.get("/funnel?since=2026-11-01&until=2026-11-30&by=manager")).json()
        falls = (await crm.get("/funnel/falls")).json()

    steps = found["total"]["steps"][:3]
    assert [(one["count"], one["to_previous"]) for one in steps] == [
        (200, None),
        (22, pytest.approx(0.11)),
        (18, pytest.approx(0.818, abs=0.001)),
    ]
    assert steps[2]["to_top"] == pytest.approx(0.09)
    assert found["groups"].keys() == {"anna"}
    assert datetime.fromisoformat(falls["until"]) - datetime.fromisoformat(
        falls["since"]
    ) == timedelta(days=7)
    assert {one["verdict"] for one in falls["items"]} <= {"too-few-data", "steady", "fell"}


async def test_what_takes_too_long_is_told(
    app: FastAPI, state: WebState, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(*_: object, **__: object) -> object:
        raise TooLong

    monkeypatch.setattr(state, "slowly", late)
    async with asking(app, somebody(Staff())) as crm:
        answers = [await crm.get(one) for one in ("/reports", "/funnel", "/funnel/falls")]
    assert [one.status_code for one in answers] == [503, 503, 503]
    assert all("shorter period" in one.json()["detail"] for one in answers)
