"""Callbacks in the log: ``pbx callbacks``, and what the next engine is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli import main
from pbx.journal import port as journal
from pbx.journal.database import open_for_reading
from pbx.journal.port import Stamped
from pbx.journal.recall import open_callbacks
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook
from pbx.missed.queries import TaskFilter, list_tasks
from routing import facts
from routing.values import AgentId, CallId, LegId, Outcome
from tests.missed.day import RULE, TELL
from tests.world import DID, SALES

BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)
NUMBERS = ["+79161112233", "+79161112244", "+79161112255"]
HOSTILE = "\x1b[31m[red]Иван"


@pytest.fixture
def database(tmp_path: Path) -> str:
    """The first waits, the second was being called when the engine died, the third talked."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    log = SqlJournal(url, spool=tmp_path / "s.jsonl", followers=[MissedBook(RULE, TELL)])
    log.start()
    entries: list[journal.Entry] = []
    for n, number in enumerate(NUMBERS, start=1):
        asked = CallId(f"c{n}")
        entries += [
            journal.CallStarted(asked, DID, number, number, "", "", "ru"),
            journal.CallEnded(asked, Outcome.OVERFLOW, False, 9.0, 0.0, "16", ""),
            journal.CallbackOpened(
                f"b{n}", asked, number, SALES, DID, HOSTILE, "ru", (("german", 2),), 5, BEGAN, False
            ),
        ]
    called, talked = CallId("callback-b2.x"), CallId("callback-b3.x")
    entries += [
        journal.CallbackPut("b1", BEGAN + timedelta(hours=3), "client busy"),
        journal.CallbackDialled("b2", called, 2),
        journal.CallStarted(talked, DID, NUMBERS[2], NUMBERS[2], "", "", "ru", callback_of="b3"),
        journal.CallbackDialled("b3", talked, 1),
        facts.LegJoined(LegId("l1"), talked, AgentId("anna")),
        journal.CallbackClosed("b3", "talked"),
        journal.CallEnded(talked, Outcome.ANSWERED, False, 4.0, 5.0, "16", ""),
    ]
    for n, entry in enumerate(entries):
        log.write(Stamped(BEGAN + timedelta(seconds=n), entry))
    log.close(10.0)
    return url


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_open_callbacks_are_listed_and_the_others_on_wish(database: str) -> None:
    listed = run("callbacks", "--db", database)
    assert NUMBERS[0] in listed
    assert "is being called" in listed
    assert NUMBERS[2] not in listed
    assert "\x1b[31m" not in listed
    found = json.loads(run("callbacks", "--db", database, "--all", "--json"))
    assert [one["result"] for one in found] == [None, None, "talked"]
    assert run("callbacks", "--db", database, "--csv").count("\n") == 3


def test_the_next_engine_is_told_of_what_is_open_and_of_the_attempt_under_way(
    database: str,
) -> None:
    waits, called = open_callbacks(open_for_reading(database))

    assert waits.opened.needs == (("german", 2),)
    assert (waits.opened.since, waits.opened.priority) == (BEGAN, 5)
    assert (waits.next_at, waits.dialled_call) == (BEGAN + timedelta(hours=3), "")
    assert (called.attempts, called.dialled_call, called.talked) == (2, "callback-b2.x", False)


def test_a_callback_closes_the_missed_call_as_a_managers_and_opens_none(database: str) -> None:
    tasks = list_tasks(open_for_reading(database), TaskFilter(open_only=False))

    assert [(one.number, one.closed_how, one.calls) for one in tasks] == [
        (NUMBERS[0], None, 1),
        (NUMBERS[1], None, 1),
        (NUMBERS[2], "manager", 1),
    ]
    assert "3 calls: 3 overflow" in run("calls", "--db", database)
