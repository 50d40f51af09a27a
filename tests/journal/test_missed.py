"""Missed calls beside the log, on SQLite and on a real PostgreSQL alike."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Connection, Engine, text

from pbx.errors import JournalError
from pbx.journal import port as journal
from pbx.journal.backlog import Limits
from pbx.journal.database import open_for_reading, open_for_writing
from pbx.journal.port import Stamped
from pbx.journal.queries import CallFilter, list_calls
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook, close_by_hand
from pbx.missed.queries import NOBODY, TaskFilter, list_tasks, open_by_queue
from pbx.missed.rules import TaskClass
from pbx.webhooks import outbox
from routing.values import (
    Outcome,
)
from tests.missed.day import BEGAN, IVAN, MARIA, RULE, TELL, Day
from tests.world import DID

EVER = TaskFilter(open_only=False)


Open = Callable[..., SqlJournal]


@pytest.fixture
def open_log(url: str, tmp_path: Path) -> Iterator[Open]:
    logs: list[SqlJournal] = []

    def opened(*, tell: bool = True, **limits: float) -> SqlJournal:
        log = SqlJournal(
            url,
            spool=tmp_path / "spool.jsonl",
            limits=Limits(**limits),  # type: ignore[arg-type]
            followers=[MissedBook(RULE, TELL if tell else {})],
        )
        log.start()
        logs.append(log)
        return log

    yield opened
    for log in logs:
        log.close(10.0)
        assert log.unfollowed == 0


@pytest.fixture
def asked(url: str, open_log: Open) -> Iterator[Engine]:
    open_log().flush(10.0)
    engine = open_for_reading(url)
    yield engine
    engine.dispose()


def keep(log: SqlJournal, entries: Sequence[Stamped]) -> None:
    for entry in entries:
        log.write(entry)
    assert log.flush(10.0)


def messages(engine: Engine) -> list[tuple[str, str]]:
    """(type, task) of what a webhook is to be told, in order."""
    with engine.connect() as connection:
        rows = connection.execute(text("select body from outbox order by ordinal")).scalars()
        told = [orjson.loads(one) for one in rows]
    return [(one["type"], one["data"]["task_id"]) for one in told]


def test_a_missed_call_is_open_until_the_client_talks(open_log: Open, asked: Engine) -> None:
    day, log = Day(), open_log()
    first = day.missed(IVAN, name="Иван")
    day.pause(minutes=10)
    again = day.missed(IVAN, Outcome.VOICEMAIL)
    keep(log, day.entries)

    (task,) = list_tasks(asked, TaskFilter())
    assert (task.task_id, task.calls, task.last_call) == (first, 2, again)
    assert (task.number, task.name, task.did, task.queue) == (IVAN, "Иван", DID, "sales")
    assert (task.owner, task.outcome) == ("sales", "voicemail")
    assert task.first_at == BEGAN
    assert task.opened_at == BEGAN + timedelta(seconds=30)
    assert open_by_queue(asked) == {"sales": (1, task.opened_at)}

    told = len(day.entries)
    day.talks(IVAN)
    keep(log, day.entries[told:])

    assert list_tasks(asked, TaskFilter()) == []
    (task,) = list_tasks(asked, EVER)
    assert (task.classed(day.now), task.closed_by) == (TaskClass.GOT_THROUGH, "anna")
    assert messages(asked) == [("missed.opened", first), ("missed.closed", first)]


def test_a_manager_who_calls_and_talks_closes_it(open_log: Open, asked: Engine) -> None:
    day = Day()
    day.missed(IVAN)
    day.missed(MARIA)
    day.pause(minutes=15)
    day.calls_back(IVAN)
    day.pause(hours=3)
    day.calls_back(MARIA, "boris")
    keep(open_log(), day.entries)

    tasks = list_tasks(asked, EVER)
    assert [(one.number, one.closed_by, one.classed(day.now)) for one in tasks] == [
        (IVAN, "anna", TaskClass.WITHIN_20_MIN),
        (MARIA, "boris", TaskClass.WITHIN_DAY),
    ]


def test_the_manager_who_talked_last_owns_the_next_missed_call(
    open_log: Open, asked: Engine
) -> None:
    day = Day()
    day.talks(IVAN)
    day.pause(days=29)
    day.missed(IVAN)
    day.calls_back(MARIA)
    day.missed(MARIA, queue="support")
    day.missed("+79160000000", Outcome.ABANDONED_IN_MENU, queue=None)
    keep(open_log(), day.entries)

    def of(owner: str) -> list[str]:
        return [one.number for one in list_tasks(asked, TaskFilter(owner=owner))]

    assert of("anna") == [IVAN, MARIA]
    assert of("sales") == []
    assert of(NOBODY) == ["+79160000000"]


def test_who_can_or_shall_not_be_called_back_opens_no_task(open_log: Open, asked: Engine) -> None:
    day = Day()
    day.missed("")
    for number, kind, detail in (
        ("+79160000001", "unknown_number", "not in the plan"),
        ("+79160000002", "hangup", "rejected"),
        (IVAN, "hangup", "played"),
    ):
        call_id = day.begins(number, queue=None)
        day.told(journal.MenuStep(call_id, "x", kind, None, detail))
        day.ends(call_id, Outcome.REJECTED)
    keep(open_log(), day.entries)

    assert [one.number for one in list_tasks(asked, EVER)] == [IVAN], "told 'we are closed'"


def test_closed_by_hand_stays_closed_and_the_next_call_opens_another(
    open_log: Open, asked: Engine, url: str
) -> None:
    day, log = Day(), open_log()
    first = day.missed(IVAN)
    keep(log, day.entries)
    write = open_for_writing(url)
    close_by_hand(write, first, at=day.now, by="ops", reason="answered by mail")
    with pytest.raises(JournalError, match="closed already"):
        close_by_hand(write, first, at=day.now, by="ops", reason="again")
    with pytest.raises(JournalError, match="no missed call"):
        close_by_hand(write, "nobody", at=day.now, by="ops", reason="?")
    told = len(day.entries)
    day.pause(minutes=1)
    second = day.missed(IVAN)
    keep(log, day.entries[told:])

    before = list_tasks(asked, EVER)
    assert [(one.task_id, one.closed_how) for one in before] == [(first, "hand"), (second, None)]
    assert MissedBook(RULE, TELL).rebuild(write, day.now) == 2
    assert list_tasks(asked, EVER) == before
    write.dispose()


def test_a_number_called_spam_opens_no_task_until_somebody_talks_with_it(
    open_log: Open, asked: Engine, url: str
) -> None:
    day, log = Day(), open_log()
    first = day.missed(IVAN)
    keep(log, day.entries)
    write = open_for_writing(url)
    close_by_hand(write, first, at=day.now, by="ops", reason="spam")
    told = len(day.entries)
    for _ in range(3):
        day.pause(days=40)
        day.missed(IVAN)
    keep(log, day.entries[told:])
    assert [one.task_id for one in list_tasks(asked, EVER)] == [first]

    told = len(day.entries)
    day.talks(IVAN)
    day.pause(days=40)
    last = day.missed(IVAN)
    keep(log, day.entries[told:])
    before = list_tasks(asked, EVER)
    assert [one.task_id for one in before] == [first, last]
    MissedBook(RULE, TELL).rebuild(write, day.now)
    assert list_tasks(asked, EVER) == before
    write.dispose()


def eventful(seed: int) -> Day:
    """Some days of three callers, one of them withheld."""
    day, rng = Day(), random.Random(seed)
    for _ in range(60):
        number = rng.choice([IVAN, MARIA, ""])
        match rng.randrange(4):
            case 0 if number:
                day.calls_back(number)
            case 1:
                day.talks(number)
            case _:
                day.missed(number)
        day.pause(minutes=rng.choice([1, 30, 600]))
    return day


def test_one_that_is_opened_again_stays_open_until_the_next_talk(
    open_log: Open, asked: Engine, url: str
) -> None:
    day, log = Day(), open_log()
    ivan, maria = day.missed(IVAN), day.missed(MARIA)
    day.calls_back(IVAN)
    keep(log, day.entries)
    write, book = open_for_writing(url), MissedBook(RULE, TELL)
    close_by_hand(write, maria, at=day.now, by="ops", reason="spam")
    day.pause(minutes=1)
    told = len(day.entries)
    day.missed(MARIA)
    keep(log, day.entries[told:])
    assert list_tasks(asked, TaskFilter()) == []

    for task in (ivan, maria):
        assert book.reopen(write, task, at=day.now, by="мария (web)").closed_at is None
        with pytest.raises(JournalError, match="is open"):
            book.reopen(write, task, at=day.now, by="x")
    with pytest.raises(JournalError, match="no missed call"):
        book.reopen(write, "x", at=day.now, by="x")

    def still_open() -> None:
        tasks = list_tasks(asked, TaskFilter())
        assert [(one.task_id, one.calls, one.reopened_by) for one in tasks] == [
            (ivan, 1, "мария (web)"),
            (maria, 2, "мария (web)"),
        ], "what spam had kept away is hers now"

    still_open()
    keep(log, day.entries)  # a crash: written again, and looked at again
    still_open()
    assert book.rebuild(write, day.now) == 2
    still_open()

    told = len(day.entries)
    day.pause(minutes=5)
    again = day.missed(IVAN)
    keep(log, day.entries[told:])
    assert list_tasks(asked, TaskFilter())[0].last_call == again
    told = len(day.entries)
    day.calls_back(IVAN)
    keep(log, day.entries[told:])
    assert [one.task_id for one in list_tasks(asked, TaskFilter())] == [maria]
    assert [kind for kind, task in messages(asked) if task == ivan] == [
        "missed.opened",
        "missed.closed",
        "missed.reopened",
        "missed.closed",
    ]

    later = len(day.entries)
    day.pause(minutes=5)
    newer = day.missed(IVAN)
    keep(log, day.entries[later:])
    with pytest.raises(JournalError, match=newer):
        book.reopen(write, ivan, at=day.now, by="x")
    write.dispose()


@pytest.mark.parametrize("seed", range(3))
def test_tasks_are_the_same_however_the_log_was_written(
    open_log: Open, asked: Engine, url: str, seed: int
) -> None:
    day = eventful(seed)
    log = open_log(batch=1 + 30 * seed, linger_s=0.0)
    keep(log, day.entries)
    tasks = list_tasks(asked, EVER)
    told = messages(asked)
    assert len(tasks) > 5
    assert len(told) == sum(1 + (one.closed_at is not None) for one in tasks)
    assert sum(one.closed_at is None for one in tasks) <= 2

    # A crash leaves entries in the spool that were written already: they are written again.
    keep(log, day.entries[len(day.entries) // 2 :])
    keep(log, day.entries)
    assert list_tasks(asked, EVER) == tasks
    assert messages(asked) == told, "nothing is told twice"

    write = open_for_writing(url)
    with write.begin() as connection:
        connection.execute(text("delete from missed"))
    assert MissedBook(RULE, TELL).rebuild(write, day.now) == len(tasks)
    assert list_tasks(asked, EVER) == tasks
    assert messages(asked) == told, "a rebuild is no news"
    write.dispose()


def test_a_crash_hides_no_missed_call_and_makes_none_up(
    open_log: Open, asked: Engine, url: str
) -> None:
    day, log = Day(), open_log()
    day.begins(IVAN)
    still_there = day.begins(MARIA)
    keep(log, day.entries)
    day.pause(minutes=1)
    assert log.close_open_calls(day.now) == 2
    told = len(day.entries)
    day.begins(MARIA, again=still_there)
    keep(log, day.entries[told:])
    write = open_for_writing(url)
    MissedBook(RULE, TELL).catch_up(write, day.now)

    (task,) = list_tasks(asked, EVER)
    assert (task.number, task.outcome) == (IVAN, "failed")

    told = len(day.entries)
    day.joined(still_there)
    keep(log, day.entries[told:])
    assert [one.number for one in list_tasks(asked, EVER)] == [IVAN]
    write.dispose()


def test_a_task_for_a_call_that_goes_on_after_all_is_withdrawn(
    open_log: Open, asked: Engine, url: str
) -> None:
    day, log = Day(), open_log()
    call_id = day.begins(IVAN)
    keep(log, day.entries)
    day.pause(minutes=1)
    log.close_open_calls(day.now)
    write = open_for_writing(url)
    MissedBook(RULE, TELL).catch_up(write, day.now)
    assert len(list_tasks(asked, TaskFilter())) == 1
    told = len(day.entries)
    day.begins(IVAN, again=call_id)
    day.joined(call_id)
    keep(log, day.entries[told:])

    assert list_tasks(asked, EVER) == []
    assert [kind for kind, _ in messages(asked)] == ["missed.opened", "missed.withdrawn"]
    write.dispose()


def test_the_outbox_is_bounded_and_keeps_the_oldest(
    open_log: Open, asked: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_MESSAGES", 2)
    day = Day()
    tasks = [day.missed(f"+7916000000{n}") for n in range(4)]
    keep(open_log(), day.entries)

    assert [task for _, task in messages(asked)] == tasks[:2]
    assert len(list_tasks(asked, TaskFilter())) == 4


def test_without_a_webhook_nothing_is_kept_for_one(open_log: Open, asked: Engine) -> None:
    day = Day()
    day.missed(IVAN)
    keep(open_log(tell=False), day.entries)

    assert messages(asked) == []


class Broken:
    """A follower with a mistake in it: it writes what can't be, and stops."""

    wants: tuple[type, ...] = (journal.CallEnded,)

    def follow(self, connection: Connection, entries: Sequence[Stamped]) -> None:
        connection.execute(text("delete from calls"))
        connection.execute(text("insert into irregulars (irregular_id) values ('x')"))


@pytest.mark.slow
def test_a_follower_that_fails_costs_the_log_nothing(url: str, tmp_path: Path) -> None:
    log = SqlJournal(url, spool=tmp_path / "s.jsonl", followers=[Broken()])
    log.start()
    day = Day()
    day.missed(IVAN)
    keep(log, day.entries)
    log.close(10.0)

    engine = open_for_reading(url)
    assert [one.outcome for one in list_calls(engine, CallFilter())] == ["abandoned_waiting"]
    assert (log.unfollowed, log.stats().dropped) == (1, 0)
    engine.dispose()


def test_tasks_are_told_whole(open_log: Open, asked: Engine) -> None:
    day = Day()
    day.talks(IVAN)
    call_id = day.missed(IVAN, Outcome.VOICEMAIL)
    keep(open_log(), day.entries)

    with asked.connect() as connection:
        told = orjson.loads(connection.execute(text("select body from outbox")).scalar_one())
    assert told["type"] == "missed.opened"
    assert told["timestamp"].startswith("2026-11-23T09:01:")
    assert (told["data"]["number"], told["data"]["task_id"]) == (IVAN, call_id)
    assert (told["data"]["owner"], told["data"]["class"]) == ("anna", None)
