"""What a start costs: its memory does not follow the length of the log."""

from __future__ import annotations

import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from pbx.journal import tables
from pbx.journal.backlog import Limits
from pbx.journal.database import open_for_reading
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook
from pbx.missed.owners import owner_rule
from pbx.reports.book import FactBook
from pbx.taking_over import take_over, taken_over
from pbx.webhooks.book import EventBook
from pbx.webhooks.kinds import EventKind
from tests.journal.busy import PEOPLE, fill
from tests.journal.databases import locked
from tests.world import START, agent, plan, sales

ANNA = agent("anna")
COMPANY = plan([ANNA], [sales(ANNA, strategy="longest-idle", returning_s=600.0)])
NOW = datetime.fromtimestamp(START, UTC)


def peak(folder: Path, calls: int, start: Callable[[SqlJournal], object], *, crashed: bool) -> int:
    """The most memory that ``start`` has at once on a log of so many calls, bytes."""
    folder.mkdir()
    log = SqlJournal(f"sqlite:///{folder / 'log.db'}", spool=folder / "spool.jsonl")
    log.start()
    try:
        fill(log.engine, calls, NOW, crashed=crashed)
        start(log)  # what is kept once for all, queries made ready for instance
        if crashed:
            with log.engine.begin() as connection:
                for kept in (tables.call_facts, tables.missed, tables.outbox):
                    connection.execute(kept.delete())
        tracemalloc.start()
        try:
            start(log)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    finally:
        log.close(10.0)


def test_its_memory_does_not_follow_the_log(tmp_path: Path) -> None:
    def start(log: SqlJournal) -> None:
        known = take_over(log, COMPANY, NOW)
        assert len(known.memory.last_talks) == PEOPLE
        assert known.rates is not None

    short, long = (
        peak(tmp_path / str(calls), calls, start, crashed=False) for calls in (1_000, 3_000)
    )
    assert long < 1.3 * short


def test_of_too_many_numbers_those_of_the_latest_talks_are_recalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SqlJournal(f"sqlite:///{tmp_path / 'log.db'}", spool=tmp_path / "spool.jsonl")
    log.start()
    try:
        fill(log.engine, 3 * PEOPLE, NOW)
        monkeypatch.setattr("pbx.journal.recall.RECALLED", 20)
        memory = take_over(log, COMPANY, NOW).memory
    finally:
        log.close(10.0)

    # All calls of these people are in one half hour; the last of them ends it.
    known = [n for n in range(PEOPLE) if f"+7916{n:07}" in memory.last_talks]
    assert known == list(range(PEOPLE - 20, PEOPLE))
    # The day's figures of the managers are whole all the same.
    assert memory.records[ANNA.agent_id].calls == 3 * PEOPLE


@pytest.mark.parametrize(("what", "together"), [("facts", 400), ("missed", 200), ("webhooks", 400)])
def test_nor_does_what_is_done_for_calls_of_crashes(
    tmp_path: Path, what: str, together: int
) -> None:
    told = {"crm": frozenset({EventKind.CALL_ENDED})}

    def start(log: SqlJournal) -> None:
        if what == "facts":
            FactBook().catch_up(log.engine, NOW)
            kept = tables.call_facts
        elif what == "missed":
            MissedBook(owner_rule(COMPANY.routing), {}).catch_up(log.engine, NOW)
            kept = tables.missed
        else:
            EventBook(told).catch_up(log.engine, NOW)
            kept = tables.outbox
        with log.engine.connect() as connection:
            of_log = connection.execute(select(func.count()).select_from(tables.calls)).scalar()
            assert connection.execute(select(func.count()).select_from(kept)).scalar() == of_log

    short, long = (
        peak(tmp_path / str(calls), calls, start, crashed=True)
        for calls in (together, 3 * together)
    )
    assert long < 1.3 * short


def test_facts_that_are_there_are_not_made_again(tmp_path: Path) -> None:
    log = SqlJournal(f"sqlite:///{tmp_path / 'log.db'}", spool=tmp_path / "spool.jsonl")
    log.start()
    try:
        fill(log.engine, 10, NOW, crashed=True)
        book = FactBook()
        book.catch_up(log.engine, NOW)
        asked: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pbx.reports.book.refresh", lambda connection, ids: asked.extend(ids))
            book.catch_up(log.engine, NOW)
        assert asked == []
    finally:
        log.close(10.0)


def test_a_row_that_can_not_be_read_keeps_nobody_from_starting(tmp_path: Path) -> None:
    log = SqlJournal(f"sqlite:///{tmp_path / 'log.db'}", spool=tmp_path / "spool.jsonl")
    log.start()
    try:
        fill(log.engine, 10, NOW)
        with log.engine.begin() as connection:
            connection.execute(update(tables.agent_states).values(state="dancing"))
        known = taken_over(log, COMPANY, NOW)
        assert known is not None
        assert known.rates is None
    finally:
        log.close(10.0)


def test_a_log_that_is_locked_just_now_is_told_apart(tmp_path: Path) -> None:
    log = SqlJournal(
        f"sqlite:///{tmp_path / 'log.db'}",
        spool=tmp_path / "spool.jsonl",
        limits=Limits(busy_timeout_s=0.05),
    )
    log.start()
    try:
        with locked(tmp_path / "log.db"):
            assert taken_over(log, COMPANY, NOW) is None
    finally:
        log.close(10.0)


@pytest.mark.parametrize("statement", [2, 30, 90])
def test_a_kill_while_the_tables_are_made_is_made_good_by_the_next_start(
    tmp_path: Path, statement: int
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    program = (
        "import os, signal, sys\n"
        "from sqlalchemy import event\n"
        "from pbx.journal.database import migrate, open_for_writing\n"
        "engine, left = open_for_writing(sys.argv[1]), [int(sys.argv[2])]\n"
        "@event.listens_for(engine, 'after_cursor_execute')\n"
        "def count(*_):\n"
        "    left[0] -= 1\n"
        "    if not left[0]:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "migrate(engine)\n"
    )
    killed = subprocess.run((sys.executable, "-c", program, url, str(statement)), check=False)
    assert killed.returncode == -signal.SIGKILL
    log = SqlJournal(url, spool=tmp_path / "spool.jsonl")
    log.start()
    log.close(10.0)
    open_for_reading(url).dispose()
