"""The tasks in the database, kept with the log: see rules.py for what they are.

House rules: what is written is what ``tasks_of`` says of the log, for a number at a time and from
the beginning of the task that is touched; so doing it again changes nothing.  One process at a
time does it: SQLite's write lock sees to that, on PostgreSQL a lock of ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from pbx.errors import JournalError
from pbx.journal import port as journal
from pbx.journal.database import told_as_ours
from pbx.journal.port import Stamped
from pbx.journal.stale import mark_stale
from pbx.journal.tables import calls, missed
from pbx.missed import history
from pbx.missed.rules import HandClosing, How, OwnerRule, Reopening, Task, is_spam, tasks_of
from pbx.switch.port import UNSEEN
from pbx.webhooks.kinds import Event, EventKind, Subscriptions
from pbx.webhooks.outbox import enqueue
from routing import facts
from routing.values import Outcome

AT_ONCE = 200
"""Numbers that a start or a rebuild looks at together."""
CRASHED_WITHIN = timedelta(days=7)
"""How far back a start looks for calls whose end a crash has hidden."""
_LOCK = 0x6D6973736564
"""PostgreSQL's advisory lock while tasks are written: "missed" in ASCII."""


class MissedBook:
    """Follows the log (pbx.journal.follower).

    ``rule``: whose a task becomes; may be replaced.  ``subscriptions``: who is told what opens and
    closes.
    """

    wants: tuple[type, ...] = (
        journal.CallEnded,
        journal.OutsideLegFinished,
        journal.OwnTalkStarted,
        facts.LegJoined,
    )

    def __init__(self, rule: OwnerRule, subscriptions: Subscriptions) -> None:
        self.rule = rule
        self._subscriptions = subscriptions

    def follow(self, connection: Connection, entries: Sequence[Stamped]) -> None:
        """Open, merge and close what these entries bring about."""
        over: set[str] = set()
        talking: set[str] = set()
        called: set[str] = set()
        for stamped in entries:
            match stamped.entry:
                case journal.CallEnded(call_id, outcome) if outcome is not Outcome.ANSWERED:
                    over.add(call_id)
                case facts.LegJoined(_, call_id) | journal.OutsideLegFinished(call_id):
                    talking.add(call_id)
                case journal.OwnTalkStarted(_, number):
                    called.add(number)
        if not (over or talking or called):
            return
        lock(connection)
        known = history.numbers_of(connection, over | talking)
        since: dict[str, datetime | None] = {}
        for one in sorted(over & known.keys()):
            number, ended_at = known[one]
            if ended_at is not None:
                before = since.get(number)
                since[number] = ended_at if before is None else min(before, ended_at)
        called |= {known[one][0] for one in talking & known.keys()}
        for number, opened_at in _open(connection, called):
            before = since.get(number)
            since[number] = opened_at if before is None else min(before, opened_at)
        # What happens now is told as of now: the newest entry's time.
        self._settle(connection, since, max(stamped.at for stamped in entries))

    def catch_up(self, engine: Engine, now: datetime) -> None:
        """Take up calls that a crash left open and that are over.

        To be called when the callers who are still there have been found.  Raises JournalError.
        """
        query = (
            select(calls.c.number, func.min(calls.c.ended_at).label("since"))
            .where(
                calls.c.cause.endswith(UNSEEN),
                calls.c.ended_at >= now - CRASHED_WITHIN,
                *history.MISSED,
            )
            .group_by(calls.c.number)
            .order_by(calls.c.number)
            .limit(AT_ONCE)
        )
        after = ""
        while True:
            with told_as_ours(engine), engine.begin() as connection:
                lock(connection)
                rows = connection.execute(query.where(calls.c.number > after)).all()
                self._settle(connection, {row.number: row.since for row in rows}, now)
            if len(rows) < AT_ONCE:
                return
            after = rows[-1].number

    def reopen(self, engine: Engine, task_id: str, *, at: datetime, by: str) -> Task:
        """Open a number's last task again, whatever closed it: talks of before close it no more.

        Raises JournalError where it can't be.
        """
        with told_as_ours(engine), engine.begin() as connection:
            lock(connection)
            row = _row(connection, task_id)
            if row.closed_at is None:
                raise JournalError(f"missed call {task_id!r} is open")
            number, later = row.number, missed.c.opened_at > row.opened_at
            query = select(missed.c.task_id).where(missed.c.number == number, later)
            if newer := connection.execute(query.limit(1)).scalar():
                raise JournalError(f"{number} has called again since: see missed call {newer!r}")
            opened = dict.fromkeys(("closed_at", "closed_how", "closed_by", "reason"))
            values = {**opened, "reopened_at": at, "reopened_by": by}
            connection.execute(update(missed).where(missed.c.task_id == task_id).values(**values))
            mark_stale(connection, [task_id])
            task = Task(**{**row._mapping, **values})
            enqueue(connection, [_event(EventKind.MISSED_REOPENED, task, at)], None, at)
            # Calls that it had kept from opening a task (spam) are its own now.
            self._settle(connection, {number: task.opened_at}, at)
            return Task(**_row(connection, task_id)._mapping)

    def rebuild(
        self, engine: Engine, now: datetime, told: Callable[[float], None] = lambda _: None
    ) -> int:
        """All tasks anew from the whole log; what a person closed or reopened stays so.

        ``told``: hears the share that is done.  Tells no webhook.  Gives the number of tasks.
        Raises JournalError.
        """
        with told_as_ours(engine), engine.begin() as connection:
            lock(connection)
            numbers = sorted(
                {
                    *connection.execute(select(calls.c.number).where(*history.MISSED)).scalars(),
                    *connection.execute(select(missed.c.number)).scalars(),
                }
            )
            count = 0
            for begin in range(0, len(numbers), AT_ONCE):
                some = numbers[begin : begin + AT_ONCE]
                count += self._settle(connection, dict.fromkeys(some), now, quiet=True)
                told((begin + len(some)) / len(numbers))
            return count

    def _settle(
        self,
        connection: Connection,
        since: Mapping[str, datetime | None],
        now: datetime,
        *,
        quiet: bool = False,
    ) -> int:
        """Write what the log says of these numbers since then (None: ever); gives the tasks."""
        if not since:
            return 0
        kept = _kept(connection, since)
        begins = {number: _begin(since[number], kept.get(number, [])) for number in since}
        if begins != since:
            kept = _kept(connection, begins)
        spam_at = {
            number: _spam_before(begin, kept.get(number, [])) for number, begin in begins.items()
        }
        numbers = sorted(since)
        first = _earliest(begins.values())
        talks_from = None if first is None else first - self.rule.longest
        if talks_from is not None:
            talks_from = min((talks_from, *(at for at in spam_at.values() if at is not None)))
        missed_calls = history.missed_calls(connection, numbers, first)
        talks = history.talks(connection, numbers, talks_from)
        count = 0
        for number in numbers:
            begin = begins[number]
            old = [one for one in kept.get(number, []) if begin is None or one.opened_at >= begin]
            new = tasks_of(
                number,
                [
                    one
                    for one in missed_calls.get(number, ())
                    if begin is None or one.ended_at >= begin
                ],
                talks.get(number, ()),
                {one.last_call: _by_hand(one) for one in old if one.closed_how == How.HAND},
                self.rule,
                reopenings={
                    one.task_id: Reopening(one.reopened_at, one.reopened_by or "")
                    for one in old
                    if one.reopened_at is not None
                },
                spam_at=spam_at[number],
            )
            count += len(new)
            told = _replace(connection, old, new)
            if not quiet:
                events = [_event(kind, task, now) for kind, task in told]
                enqueue(connection, events, self._subscriptions, now)
        return count


def close_by_hand(engine: Engine, task_id: str, *, at: datetime, by: str, reason: str) -> Task:
    """Close a task that is open.  Raises JournalError where there is none."""
    with told_as_ours(engine), engine.begin() as connection:
        lock(connection)
        row = _row(connection, task_id)
        if row.closed_at is not None:
            raise JournalError(f"missed call {task_id!r} is closed already")
        values = {"closed_at": at, "closed_how": How.HAND.value, "closed_by": by, "reason": reason}
        connection.execute(update(missed).where(missed.c.task_id == task_id).values(**values))
        mark_stale(connection, [task_id])
        task = Task(**{**row._mapping, **values})
        # Whether a webhook wants it is the engine's business: without one it drops what is here.
        enqueue(connection, [_event(EventKind.MISSED_CLOSED, task, at)], None, at)
    return task


def _row(connection: Connection, task_id: str) -> Row[Any]:
    """Raises JournalError."""
    row = connection.execute(select(missed).where(missed.c.task_id == task_id)).first()
    if row is None:
        raise JournalError(f"no missed call {task_id!r} (pbx missed lists them)")
    return row


def _event(kind: EventKind, task: Task, now: datetime) -> Event:
    classed = task.classed(now)
    data = {**asdict(task), "owner": task.owner, "class": classed.value if classed else None}
    # A task may be withdrawn and opened again within an instant: each is told.
    return Event(kind, task.task_id, now, data, secrets.token_hex(8))


def lock(connection: Connection) -> None:
    """Until the transaction's end nobody else writes tasks."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def _open(connection: Connection, numbers: set[str]) -> list[tuple[str, datetime]]:
    """Of these numbers those with an open task, and since when."""
    if not numbers:
        return []
    query = select(missed.c.number, missed.c.opened_at).where(
        missed.c.number.in_(sorted(numbers)), missed.c.closed_at.is_(None)
    )
    return [(row.number, row.opened_at) for row in connection.execute(query)]


def _kept(connection: Connection, since: Mapping[str, datetime | None]) -> dict[str, list[Task]]:
    """Tasks that can matter, by number, oldest first: later ones, and all closed by hand."""
    first = _earliest(since.values())
    query = select(missed).where(missed.c.number.in_(sorted(since)))
    if first is not None:
        matters: list[ColumnElement[bool]] = [
            missed.c.closed_at.is_(None),
            missed.c.closed_at >= first,
            missed.c.closed_how == How.HAND.value,
        ]
        query = query.where(or_(*matters))
    found: dict[str, list[Task]] = {}
    for row in connection.execute(query.order_by(missed.c.opened_at, missed.c.task_id)):
        found.setdefault(row.number, []).append(Task(**row._mapping))
    return found


def _begin(since: datetime | None, kept: Sequence[Task]) -> datetime | None:
    """The beginning of the task that goes on at ``since``, else ``since``."""
    if since is None:
        return None
    return min((since, *(one.opened_at for one in kept if not _over_before(one, since))))


def _over_before(task: Task, at: datetime) -> bool:
    return task.closed_at is not None and task.closed_at < at


def _spam_before(begin: datetime | None, kept: Sequence[Task]) -> datetime | None:
    """When the number was last called spam in a task that began before ``begin``."""
    if begin is None:
        return None
    before = [
        one
        for one in kept
        if one.opened_at < begin and one.closed_how == How.HAND and is_spam(one.reason)
    ]
    return before[-1].closed_at if before else None


def _by_hand(task: Task) -> HandClosing:
    assert task.closed_at is not None
    return HandClosing(task.closed_at, task.closed_by or "", task.reason or "")


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    """The first of these; None when one of them is None (ever)."""
    found: list[datetime] = []
    for at in times:
        if at is None:
            return None
        found.append(at)
    return min(found)


def _replace(
    connection: Connection, old: Sequence[Task], new: Sequence[Task]
) -> list[tuple[EventKind, Task]]:
    """Put ``new`` in the place of ``old``; gives what a webhook would be told."""
    told: list[tuple[EventKind, Task]] = []
    before = {task.task_id: task for task in old}
    after = {task.task_id for task in new}
    mark_stale(connection, [task.task_id for task in {*old} ^ {*new}])
    for task in old:
        if task.task_id not in after:
            connection.execute(delete(missed).where(missed.c.task_id == task.task_id))
            if task.closed_at is None:
                told.append((EventKind.MISSED_WITHDRAWN, task))
    for task in new:  # an open one is the last: the one before it is closed by then
        was = before.get(task.task_id)
        if was == task:
            continue
        values = asdict(task)
        if was is None:
            connection.execute(insert(missed).values(**values))
            told.append((EventKind.MISSED_OPENED, task))
        else:
            where = missed.c.task_id == task.task_id
            connection.execute(update(missed).where(where).values(**values))
        if task.closed_at is not None and (was is None or was.closed_at is None):
            told.append((EventKind.MISSED_CLOSED, task))
    return told
