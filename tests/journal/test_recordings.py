"""The log of recordings, on SQLite and on a real PostgreSQL alike."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pbx.journal import port as journal
from pbx.journal.database import open_for_reading, open_for_writing
from pbx.journal.port import Entry, Stamped
from pbx.journal.queries import CallFilter, call_story
from pbx.journal.writer import SqlJournal
from pbx.plan.model import KEEP_S, Recording
from pbx.recordings.listing import list_recordings, prune, to_prune
from pbx.recordings.names import file_of
from pbx.recordings.retention import keep_no_longer
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from routing.values import CallId, LegId
from tests.world import DID, SALES, START, Story, agent, plan, play, sales

BEGAN = datetime.fromtimestamp(START, UTC)
DAY = timedelta(days=1)
FOUND = "2026-11-17/2026-11-17-before-l7.wav"


@pytest.fixture
def log(url: str, tmp_path: Path) -> Iterator[SqlJournal]:
    opened = SqlJournal(url, spool=tmp_path / "spool.jsonl")
    opened.start()
    yield opened
    opened.close(10.0)


@pytest.fixture
def asked(log: SqlJournal, url: str) -> Iterator[Engine]:
    engine = open_for_reading(url)
    yield engine
    engine.dispose()


def morning() -> Story:
    """Two callers: a talk with Anna, and one that goes on with Boris."""
    anna, boris = agent("anna"), agent("boris")
    rule = Recording(share=100, notice=(), keep_s=30 * DAY.total_seconds())
    company = plan([anna, boris], [sales(anna, boris, strategy="linear")])
    company = replace(company, queue_records={SALES: rule})
    phones = {
        "PJSIP/anna": (
            PhoneAct(Reaction.ANSWER, 2.0, 30.0),
            PhoneAct(Reaction.ANSWER, 2.0, 5.0, transfer_to="102"),
        ),
        "PJSIP/boris": (PhoneAct(Reaction.ANSWER, 2.0, 10.0),),
    }
    callers = [
        CallerScript("", 0.0, DID, "89161234567"),
        CallerScript("", 60.0, DID, "89167654321"),
    ]
    return play(company, callers, phones)


def keep(log: SqlJournal, entries: list[Stamped]) -> None:
    for entry in entries:
        log.write(entry)
    assert log.flush(10.0)


def at(entry: Entry, when: datetime = BEGAN) -> Stamped:
    return Stamped(when, entry)


def test_a_call_knows_its_recordings(log: SqlJournal, asked: Engine) -> None:
    keep(log, morning().entries)

    story = call_story(asked, "sim-2")
    assert story is not None
    assert [round(one.length_s or 0) for one in story.recordings] == [5, 10]
    talks = {leg.leg_id: leg.agent for leg in story.call.legs}
    assert [talks[one.leg_id] for one in story.recordings] == ["anna", "boris"]


def test_filters_are_those_of_calls(log: SqlJournal, asked: Engine) -> None:
    keep(log, morning().entries)

    def legs(**wanted: object) -> list[str | None]:
        rows = list_recordings(asked, CallFilter(**wanted))  # type: ignore[arg-type]
        return [one.agent for one in rows]

    assert legs() == ["anna", "anna", "boris"]
    assert legs(number="8 916 123-45-67") == ["anna"]
    assert legs(agent="boris") == ["boris"]
    assert legs(queue="sales", limit=1) == ["boris"]
    assert legs(since=BEGAN + timedelta(seconds=30)) == ["anna", "boris"]
    assert legs(did="74950000000") == []


def test_a_failure_is_forgotten_when_the_file_is_made_after_all(
    log: SqlJournal, asked: Engine
) -> None:
    leg, call = LegId("before-l7"), CallId("c")
    keep(log, [at(journal.RecordingStarted(call, leg, FOUND, BEGAN + DAY))])
    keep(log, [at(journal.RecordingFailed(leg, FOUND, "no space\0left"))])
    (failed,) = list_recordings(asked, CallFilter())
    assert (failed.length_s, failed.problem) == (None, "no spaceleft")

    keep(log, [at(journal.RecordingKept(leg, FOUND, 12.5))])

    (kept,) = list_recordings(asked, CallFilter())
    assert (kept.length_s, kept.problem, kept.keep_until) == (12.5, None, BEGAN + DAY)


def test_a_file_of_which_nobody_noted_the_beginning_is_in_the_log_and_not_kept_for_ever(
    log: SqlJournal, asked: Engine
) -> None:
    keep(log, [at(journal.RecordingKept(LegId("before-l7"), FOUND, 60.0))])

    (found,) = list_recordings(asked, CallFilter())
    assert (found.path, found.length_s) == (FOUND, 60.0)
    assert found.keep_until == BEGAN - timedelta(seconds=60) + timedelta(seconds=KEEP_S)


def test_what_was_kept_long_enough_is_removed_and_nothing_else(
    log: SqlJournal, asked: Engine, url: str, tmp_path: Path
) -> None:
    keep(log, morning().entries)
    hostile = "../" * 9 + str(tmp_path / "precious")
    (tmp_path / "precious").write_text("not a recording")
    old = CallId("old")
    for number, path in enumerate(("2026-01-01/2026-01-01-x-l1.wav", FOUND, hostile)):
        started = journal.RecordingStarted(old, LegId(f"old-{number}"), path, BEGAN + DAY)
        keep(log, [at(started), at(journal.RecordingKept(LegId(f"old-{number}"), path, 3600.0))])
    folder = tmp_path / "recordings"
    paths = [one.path for one in list_recordings(asked, CallFilter())]
    for path in paths:
        if path not in (FOUND, hostile):
            file_of(folder, path).parent.mkdir(parents=True, exist_ok=True)
            file_of(folder, path).write_text("sound")
    writing = open_for_writing(url)

    now = BEGAN + 2 * DAY
    assert len(to_prune(asked, now).paths) == 3
    assert prune(writing, folder, BEGAN).paths == ()
    done = prune(writing, folder, now)
    writing.dispose()

    assert set(done.paths) == {"2026-01-01/2026-01-01-x-l1.wav", FOUND}
    assert done.length_s == 7200.0
    assert [path for path, _ in done.failed] == [hostile]
    assert (tmp_path / "precious").exists()
    left = [one.path for one in list_recordings(asked, CallFilter()) if one.removed_at is None]
    assert [path for path in left if path != hostile] == [
        path for path in paths if path not in (*done.paths, hostile)
    ]
    assert all(file_of(folder, path).exists() for path in left if path != hostile)
    assert to_prune(asked, now).paths == (hostile,)


async def test_the_engine_removes_them_and_waits_for_a_disk_that_is_not_there(
    log: SqlJournal, asked: Engine, url: str, tmp_path: Path
) -> None:
    path = "2026-01-01/2026-01-01-x-l1.wav"
    leg = LegId("x-l1")
    keep(log, [at(journal.RecordingStarted(CallId("old"), leg, path, BEGAN))])
    keep(log, [at(journal.RecordingKept(leg, path, 3600.0))])
    folder, writing = tmp_path / "recordings", open_for_writing(url)
    keeping = asyncio.create_task(
        keep_no_longer(writing, folder, lambda: BEGAN + DAY, first_s=0.0, every_s=0.01)
    )
    await asyncio.sleep(0.1)
    assert to_prune(asked, BEGAN + DAY).paths == (path,)
    file_of(folder, path).parent.mkdir(parents=True)
    file_of(folder, path).write_text("sound")
    async with asyncio.timeout(10):
        while to_prune(asked, BEGAN + DAY).paths:  # noqa: ASYNC110 (a thread's work in a database)
            await asyncio.sleep(0.01)
    assert not file_of(folder, path).exists()
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    writing.dispose()
