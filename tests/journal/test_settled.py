"""What was done about a missed call ends the engine's own callback for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pbx.journal import port as journal
from pbx.journal.database import open_for_reading, open_for_writing
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook, close_by_hand
from pbx.missed.queries import TaskFilter, list_tasks
from pbx.missed.settled import settled_callbacks
from routing.values import CallId, Outcome
from tests.missed.day import IVAN, MARIA, RULE, Day
from tests.world import DID, SALES


class Log:
    """A log, told a day."""

    def __init__(self, url: str, folder: Path) -> None:
        book = MissedBook(RULE, {})
        self._log = SqlJournal(url, spool=folder / "spool.jsonl", followers=[book])
        self._log.start()
        self.read: Engine = open_for_reading(url)
        self._write = open_for_writing(url)
        self.day = Day()

    def missed(self, number: str = IVAN, *, asked_for: str = "") -> str:
        """Missed, and down for a callback: automatic, or at the number that was asked for."""
        day = self.day
        call_id = day.begins(number)
        day.pause(seconds=30)
        callback_id = f"back-{call_id}"
        to = asked_for or number
        opened = journal.CallbackOpened(
            *(callback_id, CallId(call_id), to, SALES, DID, "", "ru", ()),
            priority=0,
            since=day.now,
            missed=not asked_for,
        )
        day.told(opened)
        day.ends(call_id, Outcome.OVERFLOW if asked_for else Outcome.ABANDONED_WAITING)
        day.pause(seconds=1)
        return callback_id

    def close(self, reason: str = "by mail") -> None:
        """The open task, by hand."""
        self.keep()
        (task,) = list_tasks(self.read, TaskFilter())
        self.day.pause(seconds=5)
        close_by_hand(self._write, task.task_id, at=self.day.now, by="me", reason=reason)
        self.day.pause(seconds=5)

    def keep(self) -> None:
        """Write what the day told."""
        for entry in self.day.entries:
            self._log.write(entry)
        self.day.entries.clear()
        assert self._log.flush(10.0)

    def settled(self) -> dict[str, str]:
        self.keep()
        return dict(settled_callbacks(self.read))

    def end(self) -> None:
        self._log.close(10.0)
        self.read.dispose()
        self._write.dispose()


@pytest.fixture
def log(url: str, tmp_path: Path) -> Iterator[Log]:
    made = Log(url, tmp_path)
    yield made
    made.end()


def test_a_missed_call_that_nobody_has_closed_is_called_back(log: Log) -> None:
    log.missed()
    log.missed(MARIA, asked_for="+79160000000")

    assert log.settled() == {}


@pytest.mark.parametrize("asked_for", ["", IVAN, "+79160000000"])
def test_a_person_who_closes_the_missed_call_withdraws_its_callback(
    log: Log, asked_for: str
) -> None:
    callback_id = log.missed(asked_for=asked_for)
    log.close()

    assert log.settled() == {callback_id: "withdrawn"}


def test_who_is_missed_again_after_that_is_called_back(log: Log) -> None:
    first = log.missed()
    log.close()
    log.missed()

    assert log.settled() == {first: "withdrawn"}


@pytest.mark.parametrize("talk", [Day.talks, Day.calls_back])
def test_a_talk_ends_the_callback(log: Log, talk: Callable[[Day, str], None]) -> None:
    callback_id = log.missed()
    log.missed(MARIA)
    log.day.pause(minutes=1)
    talk(log.day, IVAN)

    assert log.settled() == {callback_id: "got_through"}


def test_spam_is_not_called_back_until_somebody_has_talked_with_it(log: Log) -> None:
    first = log.missed()
    log.close("spam")
    second = log.missed()
    assert log.settled() == {first: "withdrawn", second: "withdrawn"}
    log.day.talks(IVAN)
    log.day.pause(minutes=1)
    third = log.missed()

    assert third not in log.settled()


def test_a_callback_whose_call_the_log_does_not_know_to_its_end_stays(log: Log) -> None:
    """The talk after the spam may be what the log is behind with."""
    log.missed()
    log.close("spam")
    opened = journal.CallbackOpened(
        *("early", CallId("not-ended"), IVAN, SALES, DID, "", "ru", ()),
        priority=0,
        since=log.day.now + timedelta(seconds=1),
        missed=True,
    )
    log.day.told(opened)

    assert "early" not in log.settled()
