"""The page of the funnel: right numbers, the weak link by name, for those who may see them."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pbx.errors import FunnelError
from pbx.funnel.asked import AskedFunnel
from pbx.funnel.book import key_of, note
from pbx.funnel.report import SLICES, funnel_report
from pbx.funnel.stages import CALL_TITLES, StageEvent
from pbx.journal.tables import audit
from pbx.plan.schema_funnel import USUAL_STAGES
from pbx.reports.asked import PERIODS
from pbx.web.access import Principal, Role
from pbx.web.pages.funnel import query_of
from pbx.web.state import WebState
from tests.web.viewers import STAFF, let_in, somebody

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
WHOLE = "since=2026-11-01&until=2026-11-30"
DAY = timedelta(days=1)


def event(stage: str, who: int, day: float, agent: str = "anna") -> StageEvent:
    at, subject = SINCE + timedelta(days=day), f"+7916{who:07}"
    key = key_of(stage, subject, at, agent)
    return StageEvent(key, stage, subject, at, number=subject, agent=agent, source="site")


def two_hundred() -> list[StageEvent]:
    """200 cold calls, 22 meetings, 18 deals."""
    return [
        *(event("cold-call", n, 1) for n in range(200)),
        *(event("meeting", n, 5) for n in range(22)),
        *(event("need", n, 8) for n in range(18)),
    ]


def told(state: WebState, events: Sequence[StageEvent]) -> None:
    note(state.write, events, SINCE)


def cells(page: httpx.Response) -> list[list[str]]:
    """The funnel's table, as texts."""
    found = re.search(r'<table class="funnel.*?<tbody>(.*?)</tbody>', page.text, re.DOTALL)
    assert found is not None, page.text
    rows = re.findall(r"<tr.*?</tr>", found[1], re.DOTALL)
    return [
        [
            re.sub(r"<[^>]+>", "", one).replace("\u00a0", " ").strip()
            for one in re.findall(r"<t[dh].*?</t[dh]>", row, re.DOTALL)
        ]
        for row in rows
    ]


@pytest.mark.parametrize("reading", ["events", "cohort"])
async def test_200_cold_calls_22_meetings_18_deals(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient, reading: str
) -> None:
    let_in(app, somebody(Role.ADMIN))
    told(state, two_hundred())
    page = await browser.get(f"/funnel?{WHOLE}&reading={reading}", follow_redirects=True)

    assert page.status_code == 200
    rows = [[row[0], row[1], row[3], row[4], row[-1]] for row in cells(page)]
    assert rows[:4] == [
        ["Холодный звонок", "200", "—", "—", "—"],
        ["Встреча", "22", "11,0 %", "11,0 %", "4,0 дн."],
        ["Потребность выяснена", "18", "81,8 %", "9,0 %", "3,0 дн."],
        ["Счёт слабое звено", "0", "0,0 %", "0,0 %", "—"],
    ]
    assert "Слабое звено: Счёт" in page.text


async def test_who_may_still_come_is_open_and_not_lost(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient
) -> None:
    let_in(app, somebody(Role.ADMIN))
    lately = (state.now() - SINCE) / DAY - 1
    told(state, [event("cold-call", n, lately) for n in range(20)])
    told(state, [event("meeting", n, lately + 0.5) for n in range(5)])
    since = (state.now() - 3 * DAY).date().isoformat()
    page = await browser.get(f"/funnel?since={since}&reading=cohort")

    top, meeting, need = cells(page)[:3]
    assert (top[1], meeting[1], meeting[5], need[5]) == ("20", "5", "15", "5")
    assert 'class="shadow"' in page.text
    assert "Когорта: те, кто вошёл в воронку" in page.text


EVIL = ("=cmd|' /C calc'!A0", "+1", "@SUM(A1)", "-2+3", "\t=1")


async def test_exports_hold_the_table_and_no_formula(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient
) -> None:
    let_in(app, somebody(Role.ADMIN))
    told(state, [replace(event("cold-call", n, 1), source=one) for n, one in enumerate(EVIL)])
    told(state, [replace(event("meeting", 0, 2), source="site")])
    asked = f"{WHOLE}&by=source"
    page = await browser.get(f"/funnel?{asked}", follow_redirects=True)
    links = re.findall(r'href="(/funnel/export[^"]*)"', page.text)
    as_text, sheet = [await browser.get(one.replace("&amp;", "&")) for one in links]
    by_api = await browser.get(f"/api/v1/funnel/export.csv?{asked}")
    sheet_by_api = await browser.get(f"/api/v1/funnel/export.xlsx?{asked}")

    rows = list(csv.reader(io.StringIO(as_text.content.decode("utf-8-sig"))))
    assert by_api.content == as_text.content
    assert rows[0] == [
        *("source", "stage", "count", "to_previous", "to_top", "open", "decided", "median_s")
    ]
    assert len(rows) == 1 + (len(EVIL) + 2) * len(USUAL_STAGES)
    assert rows[-len(USUAL_STAGES)] == ["total", "cold-call", "5", "", "", "0", "", ""]
    assert rows[1 - len(USUAL_STAGES)][:5] == ["total", "meeting", "1", "0.2", "0.2"]
    labels = {row[0] for row in rows[1:]}
    assert len([one for one in labels if one.startswith("'")]) == len(EVIL)
    assert not [one for one in labels if re.match(r"\s*[=+\-@]", one)]
    assert 'filename="funnel_2026-11-01_2026-12-01.csv"' in as_text.headers["content-disposition"]
    of_page = ("Источник", "Холодный звонок", "Время от предыдущего, с", "=cmd")
    of_api = ("source", "cold-call", "median_s", "=cmd")
    for one, expected in ((sheet, of_page), (sheet_by_api, of_api)):
        with zipfile.ZipFile(io.BytesIO(one.content)) as book:
            assert "<f>" not in book.read("xl/worksheets/sheet1.xml").decode()
            words = book.read("xl/sharedStrings.xml").decode()
        assert [word for word in expected if word not in words] == []
    with state.read.connect() as connection:
        notes = list(connection.execute(select(audit).order_by(audit.c.audit_id)))
    assert [(one.action, one.details["format"]) for one in notes] == [
        ("exported", "csv"),
        ("exported", "xlsx"),
        ("exported", "csv"),
        ("exported", "xlsx"),
    ]
    assert "by=source" in notes[0].subject


async def test_an_export_of_nonsense_is_refused_and_nothing_is_on_record(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient
) -> None:
    let_in(app, somebody(Role.ADMIN))
    backwards = "since=2026-11-30&until=2026-11-01"
    for path in ("/funnel/export.csv", "/funnel/export.xlsx", "/reports/export.csv"):
        assert (await browser.get(f"{path}?{backwards}")).status_code == 400
    assert (await browser.get(f"/api/v1/funnel/export.csv?{backwards}")).status_code == 422
    assert (await browser.get("/api/v1/funnel/export.csv?bye=source")).status_code == 422
    with state.read.connect() as connection:
        assert not list(connection.execute(select(audit)))


async def test_a_manager_takes_away_their_own_funnel_only(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient
) -> None:
    told(state, [event("cold-call", 1, 1, "anna"), event("cold-call", 2, 1, "boris")])
    let_in(app, somebody(Role.MANAGER, "sales", agent_id="anna"))
    found = await browser.get(f"/funnel/export.csv?{WHOLE}&by=manager")
    assert {row.split(",")[0] for row in found.text.splitlines()[1:]} == {"anna", "total"}


async def test_few_and_none_are_told_plainly(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient
) -> None:
    let_in(app, somebody(Role.ADMIN))
    assert "Событий нет" in (await browser.get(f"/funnel?{WHOLE}")).text
    told(state, [event("cold-call", n, 1) for n in range(9)])
    page = await browser.get(f"/funnel?{WHOLE}")
    assert "Слабое звено не названо" in page.text
    assert "Мало данных" in page.text


async def test_a_stage_that_nobody_passed_has_no_band(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient
) -> None:
    let_in(app, somebody(Role.ADMIN))
    told(state, [event("cold-call", n, 1) for n in range(9)] + [event("invoice", 1, 2)])
    page = (await browser.get(f"/funnel?{WHOLE}")).text
    assert page.count('class="band"') == 2
    assert 'points=""' not in page


async def test_what_has_fallen_is_told_to_those_whom_it_concerns(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient
) -> None:
    events = []
    today = (state.now() - SINCE) / DAY
    for agent, base, lately in (("anna", 0, 0.02), ("boris", 10_000, 0.4), ("vera", 20_000, 0.4)):
        for n in range(900):
            day = today - 77 + n * 77 / 900
            events.append(event("cold-call", base + n, day, agent))
            share = lately if day > today - 22 else 0.4
            if (n * 37) % 100 < 100 * share:
                events.append(event("meeting", base + n, day + 1, agent))
    events = [one for one in events if one.at < state.now()]
    for begin in range(0, len(events), 300):
        note(state.write, events[begin : begin + 300], state.now())

    let_in(app, somebody(Role.ADMIN))
    page = await browser.get(f"/funnel?{WHOLE}")
    assert re.search(r"Встреча</strong> <span[^>]*>Менеджер: anna<", page.text)
    let_in(app, somebody(Role.MANAGER, agent_id="boris"))
    assert "Менеджер: anna" not in (await browser.get(f"/funnel?{WHOLE}")).text
    let_in(app, somebody(Role.SUPERVISOR, "sales"))
    supervisor = (await browser.get(f"/funnel?{WHOLE}")).text
    assert "Менеджер: anna" in supervisor
    assert "вся компания<" not in supervisor
    assert "Только ваши отделы" in supervisor


VIEWERS = st.one_of(
    st.just(somebody(Role.ADMIN)),
    st.sampled_from(sorted(STAFF.departments)).map(
        lambda one: somebody(Role.MANAGER, agent_id=one)
    ),
    st.just(somebody(Role.MANAGER)),
    st.sets(st.sampled_from(("sales", "support", "nowhere", "*"))).map(
        lambda some: somebody(Role.SUPERVISOR, *some)
    ),
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    VIEWERS,
    st.lists(st.sampled_from(("anna", "boris", "vera", "olga", "")), max_size=12),
    st.sampled_from(("events", "cohort")),
    st.dictionaries(
        st.sampled_from(("manager", "department")),
        st.sampled_from(("anna", "vera", "none", "sales")),
        max_size=1,
    ),
)
def test_nobody_counts_what_is_not_theirs(
    state: WebState, who: Principal, agents: list[str], reading: str, where: dict[str, str]
) -> None:
    # Each example has a month of its own in the same log.
    test_nobody_counts_what_is_not_theirs.turn += 1  # type: ignore[attr-defined]
    turn = test_nobody_counts_what_is_not_theirs.turn  # type: ignore[attr-defined]
    day = -40 * turn
    told(state, [event("cold-call", turn * 100 + n, day, one) for n, one in enumerate(agents)])
    since = (SINCE + (day - 1) * DAY).date().isoformat()
    until = (SINCE + (day + 1) * DAY).date().isoformat()
    asked = AskedFunnel.read(
        [("since", since), ("until", until), ("reading", reading), *where.items()]
    )
    found = funnel_report(state.read, state.columns, query_of(asked, state, who), state.now())

    allowed = [
        one
        for one in agents
        if who.sees_everything() or (one and (one == who.agent_id or who.sees_agent(one)))
    ]
    if "manager" in where:
        allowed = [one for one in allowed if (one or "none") == where["manager"]]
    if "department" not in where:
        assert found.total.steps[0].count == len(allowed)
    else:
        assert found.total.steps[0].count <= len(allowed)


test_nobody_counts_what_is_not_theirs.turn = 0  # type: ignore[attr-defined]


async def test_a_manager_has_their_own_funnel_and_labels(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient
) -> None:
    told(state, [event("cold-call", n, 1, ("anna", "boris")[n % 2]) for n in range(30)])
    let_in(app, somebody(Role.MANAGER, agent_id="anna"))
    page = await browser.get(f"/funnel?{WHOLE}&by=manager&manager=boris&manager=anna")

    assert cells(page)[0][1] == "15"
    assert "Только ваша воронка" in page.text
    labels = (await browser.get(f"/funnel/labels?{WHOLE}&slice=manager")).json()
    assert [(one["label"], one["calls"]) for one in labels] == [("anna", "15")]


ASKED = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(SLICES), st.text(min_size=1, max_size=9)),
        st.tuples(st.just("by"), st.sampled_from(SLICES)),
        st.tuples(st.just("way"), st.sampled_from(("sales", "incoming"))),
        st.tuples(st.just("reading"), st.sampled_from(("events", "cohort"))),
        st.tuples(st.just("period"), st.sampled_from(sorted(PERIODS))),
        st.tuples(st.just("since"), st.just("2026-11-02")),
    ),
    max_size=6,
).map(AskedFunnel.read)


@given(ASKED)
def test_what_is_read_and_written_again_is_the_same(asked: AskedFunnel) -> None:
    assert AskedFunnel.read(asked.pairs()) == asked


@settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from((*SLICES, "by", "way", "reading", "since", "period")),
            st.text(max_size=20),
        ),
        max_size=4,
    )
)
async def test_no_address_breaks_the_page(
    app: FastAPI, browser: httpx.AsyncClient, pairs: list[tuple[str, str]]
) -> None:
    let_in(app, somebody(Role.ADMIN))
    text = urlencode([(key, value.encode("utf-8", "replace")) for key, value in pairs])
    answer = await browser.get(f"/funnel?{text}", follow_redirects=True)
    assert answer.status_code in (200, 400)


def test_a_funnel_that_there_is_not_is_refused() -> None:
    for pairs in ([("way", "up")], [("reading", "both")], [("by", "queue")], [("since", "x")]):
        with pytest.raises(FunnelError):
            AskedFunnel.read(pairs)


def test_every_usual_stage_has_words() -> None:
    from pbx.web.texts import texts

    known = texts("ru").all
    assert [
        one for one in (*CALL_TITLES, *USUAL_STAGES) if f"funnel.stage.{one}" not in known
    ] == []
