"""What the API asks of the log and writes to it, on SQLite and on a real PostgreSQL alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pbx.funnel.book import Noted
from pbx.funnel.events import EventFilter, list_events
from pbx.funnel.telling import EventsRefused, Told, record
from pbx.journal import port as journal
from pbx.journal.agent_day import AgentDay, agent_days
from pbx.journal.database import open_for_writing
from pbx.journal.recall import open_pauses
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook
from pbx.missed.queries import TaskFilter, TaskSight, list_tasks
from pbx.plan.load import load
from routing.values import AgentId
from tests.missed.day import BEGAN, IVAN, MARIA, RULE, TELL, Day

PLAN = load(Path("config"))
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def log(url: str, tmp_path: Path) -> Iterator[SqlJournal]:
    log = SqlJournal(url, spool=tmp_path / "s.jsonl", followers=[MissedBook(RULE, TELL)])
    log.start()
    yield log
    log.close(10.0)


@pytest.fixture
def engine(log: SqlJournal, url: str) -> Iterator[Engine]:
    engine = open_for_writing(url)
    yield engine
    engine.dispose()


def keep(log: SqlJournal, day: Day) -> None:
    for entry in day.entries:
        log.write(entry)
    assert log.flush(10.0)


def test_an_event_told_at_once_by_many_is_written_once(engine: Engine) -> None:
    events = [Told(f"e{n}", "meeting", AT, IVAN) for n in range(50)]

    async def everybody() -> list[Noted]:
        asked = (asyncio.to_thread(record, engine, events, PLAN, AT, via="crm") for _ in range(4))
        return await asyncio.gather(*asked)

    found = asyncio.run(everybody())

    assert sorted(one.new for one in found) == [0, 0, 0, 50]
    listed = list_events(engine, EventFilter(number=IVAN, limit=100))
    assert [one.key for one in listed] == sorted((f"e{n}" for n in range(50)), reverse=True)
    page = list_events(engine, EventFilter(before=(AT, "e30"), limit=2))
    assert [one.key for one in page] == ["e3", "e29"]
    with pytest.raises(EventsRefused, match="known with other content"):
        record(engine, [Told("e1", "invoice", AT, IVAN)], PLAN, AT, via="crm")


def test_an_event_of_a_call_is_its_callers(log: SqlJournal, engine: Engine) -> None:
    day = Day()
    call_id = day.begins(IVAN)
    withheld = day.begins("")
    keep(log, day)
    told = [Told("a", "qualified", AT, call_id=call_id, manager="ivanov")]

    assert record(engine, told, PLAN, AT, via="manager") == Noted(1, 0)
    (event,) = list_events(engine, EventFilter(call_id=call_id))
    assert (event.subject, event.number, event.via) == (IVAN, IVAN, "manager")
    assert list_events(engine, EventFilter(agents={"petrova"})) == []
    with pytest.raises(EventsRefused, match="nor a call that showed a number"):
        record(engine, [Told("b", "qualified", AT, call_id=withheld)], PLAN, AT, via="manager")


def test_missed_calls_are_shown_in_pages_to_those_whose_they_are(
    log: SqlJournal, engine: Engine
) -> None:
    day = Day()
    day.talks(MARIA)
    tasks = [day.missed(MARIA), day.missed(IVAN), day.missed("+79160000000", queue="support")]
    keep(log, day)

    def ids(**wanted: object) -> list[str]:
        return [one.task_id for one in list_tasks(engine, TaskFilter(**wanted))]  # type: ignore[arg-type]

    assert ids(newest_first=True) == tasks[::-1]
    newest = list_tasks(engine, TaskFilter(newest_first=True, limit=1))[0]
    assert ids(newest_first=True, before=(newest.opened_at, newest.task_id)) == tasks[1::-1]
    anna, sales = frozenset({"anna"}), frozenset({"sales"})
    assert ids(sight=TaskSight(anna, frozenset())) == tasks[:1]
    assert ids(sight=TaskSight(frozenset(), sales)) == tasks[:2]
    assert ids(sight=TaskSight(frozenset(), sales, shared_only=True)) == tasks[1:2]
    assert ids(sight=TaskSight(frozenset(), frozenset())) == []
    assert ids(number=IVAN, open_only=False) == tasks[1:2]
    assert ids(open_only=False, closed_only=True) == []


def test_a_managers_day_and_pauses(log: SqlJournal, engine: Engine) -> None:
    day = Day()
    day.talks(IVAN)
    day.talks(MARIA)
    anna = AgentId("anna")
    day.told(journal.PauseStarted("p1", anna, "lunch", "x"), journal.PauseEnded("p1", anna, "x"))
    day.told(journal.PauseStarted("p2", anna, "обед", "мария (web)"))
    keep(log, day)

    assert agent_days(engine, ["anna", "boris"], BEGAN) == {"anna": AgentDay(2, 120.0, 0, 0)}
    assert agent_days(engine, ["anna"], BEGAN + timedelta(hours=1)) == {}
    (pause,) = open_pauses(engine)
    assert (pause.agent_id, pause.reason, pause.by) == ("anna", "обед", "мария (web)")
