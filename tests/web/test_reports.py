"""The page of reports: right numbers, by link, for those who may see them."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pbx.errors import ReportError
from pbx.journal.tables import audit, call_facts
from pbx.reports.asked import PERIODS, Asked, AskedPeriod
from pbx.reports.columns import ColumnStore
from pbx.reports.measures import MEASURES
from pbx.reports.report import report
from pbx.reports.slices import SLICES, WEEKDAYS
from pbx.web import state as web_state
from pbx.web.access import Role
from pbx.web.report_data import limits, step_of, steps
from pbx.web.report_view import address
from pbx.web.state import TooLong, WebState
from tests.web.seeded import seed
from tests.web.viewers import STAFF, let_in, somebody

MONDAY = datetime(2026, 11, 1, 21, tzinfo=UTC)
"""Midnight of Monday, 2 November, in Moscow: the shipped plan's time zone."""
QUEUE_OF = {"anna": "sales", "boris": "sales", "vera": "support", "olga": "support"}
WHOLE = "since=2026-11-02&until=2026-11-08"
MOSCOW = ZoneInfo("Europe/Moscow")


@pytest.fixture
def facts(state: WebState) -> list[Any]:
    """A week of calls."""
    seed(state.write, QUEUE_OF, ("sales", "support"), MONDAY, 7, 40, random.Random(3))
    with state.read.connect() as connection:
        return list(connection.execute(select(call_facts)))


@pytest.fixture
def admin(app: FastAPI) -> None:
    let_in(app, somebody(Role.ADMIN))


def plots(page: httpx.Response) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="plots">(.*?)</script>', page.text)
    assert found is not None, page.text[-2000:]
    read = json.loads(found[1])
    assert isinstance(read, dict)
    return read


@pytest.mark.usefixtures("admin")
async def test_the_page_tells_what_the_log_has(
    browser: httpx.AsyncClient, facts: list[Any]
) -> None:
    page = await browser.get(f"/reports?{WHOLE}&by=queue")
    by_queue = {"sales": 0, "support": 0, "": 0}
    for one in facts:
        by_queue[one.queue] += 1

    assert page.status_code == 200
    drawn = plots(page)
    assert {bar["value"] for bar in drawn["bars"]["bars"]} == set(by_queue.values())
    assert sum(point["value"] for point in drawn["course"]["points"]) == len(facts)
    cells = [cell for line in drawn["week"]["lines"] for cell in line["cells"] if cell]
    assert sum(cell["value"] for cell in cells) == len(facts)
    assert f"<dd>{len(facts)}</dd>" in page.text
    answered = sum(one.outcome == "answered" for one in facts)
    assert re.search(rf"<tfoot>.*>{len(facts)}<.*>{answered}<", page.text, re.DOTALL)


@pytest.mark.usefixtures("admin", "facts")
async def test_a_click_adds_a_filter_and_a_chip_takes_it_away(browser: httpx.AsyncClient) -> None:
    page = await browser.get(f"/reports?{WHOLE}&by=queue")
    (bar,) = (one for one in plots(page)["bars"]["bars"] if one["label"] == "Support")
    filtered = await browser.get(bar["href"])

    assert filtered.status_code == 200
    assert sum(one["value"] for one in plots(filtered)["course"]["points"]) == bar["value"]
    (chip,) = re.findall(r'<a class="filter" href="([^"]+)"', filtered.text)
    assert plots(await browser.get(chip.replace("&amp;", "&"))) == plots(page)


@pytest.mark.usefixtures("admin", "facts")
async def test_an_address_is_a_link_whoever_wrote_it(browser: httpx.AsyncClient) -> None:
    first = await browser.get("/reports")
    form = await browser.get(
        "/reports?period=today&since=2026-11-02&until=2026-11-03&by=queue&by=&by=hour"
        "&measures=offered&measures=asa_s&within=20&sort=nonsense&utm_source=x"
    )

    assert (first.status_code, first.headers["location"]) == (
        303,
        "/reports?period=week&by=queue&compare=1",
    )
    assert form.headers["location"] == (
        "/reports?since=2026-11-02&until=2026-11-03&by=queue%2Chour&measures=offered%2Casa_s"
    )
    assert (await browser.get(form.headers["location"])).status_code == 200


LABELS = st.text(min_size=1, max_size=12)
ASKED = st.builds(
    Asked.read,
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(sorted(SLICES)), LABELS),
            st.tuples(st.just("by"), st.sampled_from(sorted(SLICES))),
            st.tuples(st.just("measures"), st.sampled_from(sorted(MEASURES))),
            st.tuples(st.just("period"), st.sampled_from(sorted(PERIODS))),
            st.tuples(st.just("since"), st.just("2026-11-02")),
            st.tuples(st.just("until"), st.just("2026-11-02T10:30")),
            st.tuples(st.sampled_from(("sort", "plot")), st.sampled_from(("-offered", "asa_s"))),
            st.tuples(st.sampled_from(("compare", "within")), st.sampled_from(("1", "5", "0.5"))),
        ),
        max_size=7,
    ).filter(lambda pairs: sum(name == "by" for name, _ in pairs) <= 3),
)


@given(ASKED)
def test_what_is_read_and_written_again_is_the_same(asked: Asked) -> None:
    assert Asked.read(asked.pairs()) == asked


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from((*SLICES, "by", "measures", "since", "until", "within", "period")),
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
    answer = await browser.get(f"/reports?{text}", follow_redirects=True)
    assert answer.status_code in (200, 400)


# Who sees what ---------------------------------------------------------------------------


@pytest.mark.usefixtures("facts")
async def test_a_manager_has_no_reports(app: FastAPI, browser: httpx.AsyncClient) -> None:
    let_in(app, somebody(Role.MANAGER, agent_id="anna"))
    paths = ("/reports", "/reports/labels?slice=manager", "/reports/export.csv")

    assert [(await browser.get(path)).status_code for path in paths] == [403, 403, 403]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sets(st.sampled_from(("sales", "support", "nowhere"))),
    st.dictionaries(
        st.sampled_from(("manager", "department", "queue", "outcome")),
        st.lists(
            st.sampled_from(("anna", "vera", "none", "sales", "support", "answered")),
            min_size=1,
            max_size=2,
        ).map(tuple),
        max_size=2,
    ),
)
def test_a_supervisor_sees_their_departments_whatever_is_asked(
    state: WebState,
    facts: list[Any],
    departments: set[str],
    where: dict[str, tuple[str, ...]],
) -> None:
    who = somebody(Role.SUPERVISOR, *departments)
    asked = replace(
        Asked.read([("since", "2026-11-02"), ("until", "2026-11-08")]),
        by=("manager",),
        where=where,
        measures=("offered", "rung"),
    )
    query = asked.query(state.now(), MOSCOW, STAFF.departments, limits(who))
    store = ColumnStore.beside(state.settings.state_dir, state.settings.database)
    found = report(state.read, store, query, state.now())

    mine = {one for one, their in STAFF.departments.items() if their in departments}
    queues = {one for one, serving in STAFF.queues.items() if serving & departments}
    right = [
        one
        for one in facts
        if (one.agent in mine or (not one.agent and one.queue in queues))
        and all(label_of(one, name) in labels for name, labels in where.items())
    ]
    assert found.total.values["offered"] == len(right)
    assert {row.key[0] for row in found.rows} <= {*mine, "none"}


def label_of(one: Any, name: str) -> str:
    if name == "department":
        return STAFF.departments.get(one.agent) or "none"
    found = one.agent if name == "manager" else getattr(one, name)
    return str(found or "none")


async def test_a_supervisors_page_says_whose_it_is(
    app: FastAPI, browser: httpx.AsyncClient, facts: list[Any]
) -> None:
    let_in(app, somebody(Role.SUPERVISOR, "support"))
    page = await browser.get(f"/reports?{WHOLE}&by=manager&department=sales")
    assert "Только ваши отделы" in page.text
    assert "Звонков нет" in page.text

    labels = (await browser.get(f"/reports/labels?{WHOLE}&slice=manager")).json()
    assert {one["label"] for one in labels} == {"vera", "без менеджера"}
    text = (await browser.get(f"/reports/export.csv?{WHOLE}&by=manager")).text
    assert "vera" in text
    assert "anna" not in text


async def test_where_lost_calls_are_no_persons_the_page_says_so(
    app: FastAPI, browser: httpx.AsyncClient, facts: list[Any]
) -> None:
    async def said(query: str) -> str:
        page = (await browser.get(f"/reports?{WHOLE}&{query}")).text
        found = re.search(r'<p class="small muted" id="nobodys">(.*?)</p>', page)
        return found[1] if found else ""

    let_in(app, somebody(Role.ADMIN))
    assert "в строках «без менеджера»" in await said("by=manager")
    assert "в строках «без менеджера»" in await said("by=queue,department&department=none")
    assert "Потерянных здесь нет" in await said("by=queue&department=sales")
    assert await said("by=queue") == ""
    let_in(app, somebody(Role.SUPERVISOR, "support"))
    assert "потерянные в меню" in await said("by=queue")


# Exports ---------------------------------------------------------------------------------

EVIL = ("=cmd|' /C calc'!A0", "+1", "@SUM(A1)", "-2+3", "\t=1")


@pytest.mark.usefixtures("admin")
async def test_exports_are_computed_by_no_spreadsheet(
    state: WebState, browser: httpx.AsyncClient, facts: list[Any]
) -> None:
    with state.write.begin() as connection:
        for place, evil in enumerate(EVIL):
            which = call_facts.c.call_id == facts[place].call_id
            connection.execute(call_facts.update().where(which).values(source=evil))
    address_ = f"{WHOLE}&by=source&measures=offered,asa_s&compare=1"
    as_text = await browser.get(f"/reports/export.csv?{address_}")
    sheet = await browser.get(f"/reports/export.xlsx?{address_}")

    rows = list(csv.reader(io.StringIO(as_text.content.decode("utf-8-sig"))))
    assert rows[0] == ["source", "offered", "asa_s", "offered_before", "asa_s_before"]
    assert rows[-1][:2] == ["total", str(len(facts))]
    labels = [row[0] for row in rows[1:]]
    assert len([one for one in labels if one.startswith("'")]) == len(EVIL)
    assert not [one for one in labels if re.match(r"\s*[=+\-@]", one)]
    assert "attachment" in as_text.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(sheet.content)) as book:
        assert "<f>" not in book.read("xl/worksheets/sheet1.xml").decode()
        words = book.read("xl/sharedStrings.xml").decode()
    assert "Источник" in words
    assert "Среднее ожидание (период до)" in words
    with state.read.connect() as connection:
        notes = list(connection.execute(select(audit).order_by(audit.c.audit_id)))
    assert [one.action for one in notes] == ["exported", "exported"]
    assert "by=source" in notes[0].subject


# What can't be told is said ---------------------------------------------------------------


@pytest.mark.usefixtures("admin")
async def test_nothing_and_too_few_are_told_plainly(
    state: WebState, browser: httpx.AsyncClient
) -> None:
    empty = await browser.get(f"/reports?{WHOLE}")
    assert "Звонков нет" in empty.text
    assert 'id="plots"' not in empty.text
    week_before = MONDAY - timedelta(days=7)
    seed(state.write, QUEUE_OF, ("sales",), week_before, 8, 3, random.Random(1))
    few = await browser.get(f"/reports?{WHOLE}&compare=1")
    assert "всего 3 звонка" in few.text
    assert "мало данных" in few.text


@pytest.mark.usefixtures("admin", "facts")
async def test_another_language_shows_the_same_report(browser: httpx.AsyncClient) -> None:
    page = await browser.get(f"/reports?{WHOLE}&by=queue")
    assert f'name="back" value="/reports?{WHOLE}&amp;by=queue"'.replace("&until", "&amp;until") in (
        page.text
    )


@pytest.mark.usefixtures("admin", "facts")
async def test_a_measure_that_the_slices_do_not_know_is_left_out_and_named(
    browser: httpx.AsyncClient,
) -> None:
    page = await browser.get(f"/reports?{WHOLE}&by=queue&measures=offered%2Coccupancy")
    assert "Не показано: Занятость" in page.text
    alone = await browser.get(f"/reports?{WHOLE}&by=queue&measures=occupancy")
    assert alone.status_code == 200
    told = await browser.get(f"/reports?{WHOLE}&by=manager%2Chour&measures=occupancy")
    assert "Не показано" not in told.text


@pytest.mark.usefixtures("admin")
async def test_a_period_that_ends_before_it_begins_is_told(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/reports?since=2026-11-08&until=2026-11-02")
    assert page.status_code == 400
    assert "заканчивается раньше" in page.text
    assert (await browser.get("/reports?by=nothing")).status_code == 400


async def test_what_takes_too_long_is_given_up_and_keeps_its_place(
    state: WebState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_state, "SLOW_S", 0.05)
    for _ in range(web_state.SLOW_AT_ONCE):
        with pytest.raises(TooLong):
            await state.slowly(time.sleep, 0.4)
    with pytest.raises(TooLong):  # no place
        await state.slowly(lambda: 1)
    monkeypatch.setattr(web_state, "SLOW_S", 10.0)
    assert await state.slowly(lambda: 1) == 1


@pytest.mark.usefixtures("admin")
async def test_the_page_says_that_it_took_too_long(
    browser: httpx.AsyncClient, state: WebState, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def late(work: Callable[..., object], *_: object) -> object:
        raise TooLong

    monkeypatch.setattr(state, "slowly", late)
    page = await browser.get(f"/reports?{WHOLE}")
    assert page.status_code == 503
    assert "больше 20 секунд" in page.text


# Periods ---------------------------------------------------------------------------------

ZONES = ("Europe/Berlin", "Europe/Moscow", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia")
MOMENTS = st.integers(1_735_689_600, 1_830_297_600).map(lambda s: datetime.fromtimestamp(s, UTC))
"""Three years."""


@given(
    st.sampled_from(sorted(PERIODS)),
    MOMENTS,
    st.sampled_from(ZONES),
)
def test_half_a_period_is_compared_with_half_of_the_one_before(
    name: str, now: datetime, zone_name: str
) -> None:
    zone = ZoneInfo(zone_name)
    found = PERIODS[name](now, zone)
    period, before = found.period, found.before

    assert before.since < before.until <= period.since <= period.until <= now
    begin, end = period.since.astimezone(zone), period.until.astimezone(zone)
    assert (begin.hour, begin.minute, begin.second) == (0, 0, 0)
    first, last = before.since.astimezone(zone), before.until.astimezone(zone)
    if name == "today":
        assert begin.date() == end.date() == now.astimezone(zone).date()
        assert (begin.date() - first.date()).days == 1
    if name in ("week", "last-week"):
        assert (begin.weekday(), (begin.date() - first.date()).days) == (0, 7)
    if name in ("month", "last-month"):
        assert begin.day == first.day == 1
        assert (begin.date() - timedelta(days=1)).month == first.month
    if name in ("today", "week") and last.fold == 0 and offset(last) == offset(end):
        assert last.time() == end.time()
    if name in ("last-month", "last-week", "yesterday"):
        assert (end.hour, end.minute) == (0, 0)
        assert before.until == period.since


def offset(at: datetime) -> timedelta:
    found = at.utcoffset()
    assert found is not None
    return found


@given(
    MOMENTS,
    st.integers(1, 800),
    st.sampled_from(ZONES),
)
def test_the_course_of_time_has_no_holes(moment: datetime, hours: int, zone_name: str) -> None:
    zone = ZoneInfo(zone_name)
    since = moment.replace(minute=0, second=0)
    asked = AskedPeriod("", since.isoformat(), (since + timedelta(hours=hours)).isoformat())
    period = asked.span(since, zone).period
    by = step_of(period)
    found = steps(period.since, period.until, zone, by)

    keys = {one.key for one in found}
    at = period.since
    while at < period.until:
        local = at.astimezone(zone)
        wanted = (local.date().isoformat(), f"{local:%H}")
        assert wanted[: len(by)] in keys
        at += timedelta(minutes=30)
    assert len(keys) == len(found)
    assert all(Asked.read([("since", one.since), ("until", one.until)]) for one in found)


def test_an_address_has_an_end() -> None:
    for pairs in (
        [("manager", "x" * 301)],
        [("manager", str(n)) for n in range(201)],
        [("hour", "9" * 5000)],
        [("since", "9999-12-31"), ("until", "9999-12-31")],
        [("since", "0001-01-01")],
        [("by", ",".join(list(SLICES)[:4]))],
        [("within", "nan")],
    ):
        with pytest.raises(ReportError):
            Asked.read(pairs)


def test_weekdays_and_outcomes_have_words() -> None:
    from pbx.web.texts import texts

    known = texts("ru").all
    assert [one for one in WEEKDAYS if f"reports.weekday.{one}" not in known] == []
    for name in MEASURES:
        assert {f"reports.measure.{name}.name", f"reports.measure.{name}.means"} <= known.keys()
    for name in SLICES:
        assert {f"reports.slice.{name}", f"reports.none.{name}"} <= known.keys()
    assert address(Asked()) == "/reports?period=week"
