"""What targets have not been told yet: rows, written together with what they tell of.

House rules: a message is made once, when it happens, for each target that wants its kind.  Those
about one subject are sent to a target in the order of writing, each when the one before it has
arrived or was given up.  What is done stays for a while, so that it can be sent again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import orjson
import structlog
from sqlalchemy import Connection, Engine, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pbx.journal.database import told_as_ours
from pbx.journal.tables import outbox, webhook_attempts
from pbx.webhooks.kinds import Event, EventKind, Subscriptions

_log = structlog.get_logger(__name__)

MAX_MESSAGES = 100_000
"""Messages that wait, of all targets; a new one above is dropped, the oldest are kept."""
MAX_BODY = 64 * 1024
"""Bytes of a message; a longer one is dropped."""
KEPT_FOR = timedelta(days=7)
"""How long messages that are done, and the log of attempts, are kept."""
RETRY_FIRST = timedelta(seconds=5)
RETRY_MOST = timedelta(hours=1)
"""Pauses between attempts: doubled from the first up to this, half of it by chance."""
GIVE_UP_AFTER = timedelta(days=3)
"""A message that waits for so long is dead: who did not listen asks for a replay."""
GIVE_UP_REFUSED_AFTER = timedelta(hours=6)
"""The same where the receiver answers and refuses the message itself."""
ANY = ""
"""In place of a target: whoever wants this kind; written by who does not know the targets."""


class Result(StrEnum):
    """What came of a message."""

    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is due.  ``since``: when it was written, or last asked for again."""

    event_id: str
    kind: str
    since: datetime
    body: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending of ``message``.  ``status``: what the receiver answered, None for nothing.

    ``problem``: "" when it arrived.  ``refused``: the receiver does not take this message.
    """

    message: Message
    target: str
    at: datetime
    took_s: float
    status: int | None = None
    problem: str = ""
    refused: bool = False


def enqueue(
    connection: Connection,
    events: Iterable[Event],
    subscriptions: Subscriptions | None,
    now: datetime,
) -> None:
    """Leave events to be sent; ``subscriptions`` None: to whom is decided by who sends.

    An event that was left before (the same kind, subject, time and key) is not left again.
    """
    rows: list[dict[str, object]] = []
    for event in events:
        wanting = (
            (ANY,)
            if subscriptions is None
            else tuple(name for name, kinds in subscriptions.items() if event.kind in kinds)
        )
        if not wanting:
            continue
        content = body(event)
        if len(content.encode()) > MAX_BODY:
            _log.error("webhook_too_large", kind=event.kind.value, subject=event.subject)
            continue
        for target in wanting:
            rows.append(
                {
                    "event_id": _event_id(event, target),
                    "target": target,
                    "kind": event.kind.value,
                    "subject": event.subject,
                    "at": event.at,
                    "since": now,
                    "body": content,
                    "attempts": 0,
                    "next_at": now,
                }
            )
    _write(connection, rows)


def _write(connection: Connection, rows: list[dict[str, object]]) -> None:
    if not rows:
        return
    room = max(0, MAX_MESSAGES - _count_waiting(connection))
    if len(rows) > room:
        _log.error("webhook_outbox_full", dropped=len(rows) - room)
        del rows[room:]
    begun = time.time_ns()
    for number, row in enumerate(rows):
        # Sorts by the order of writing.
        row["ordinal"] = f"{begun:016x}{number:06x}"
    if rows:
        make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(make(outbox).on_conflict_do_nothing(), rows)


def _event_id(event: Event, target: str) -> str:
    parts = "\n".join((target, event.kind, event.subject, event.at.isoformat(), event.key))
    return f"msg_{hashlib.sha256(parts.encode()).hexdigest()[:28]}"


def body(event: Event) -> str:
    """An event as JSON."""
    content = {"type": event.kind.value, "timestamp": event.at, "data": event.data}
    return orjson.dumps(content).decode()


def due(engine: Engine, target: str, now: datetime, most: int) -> list[Message]:
    """The next messages for ``target``, oldest first, each about another subject.

    Raises JournalError.
    """
    earlier = outbox.alias()
    here = outbox.c
    query = (
        select(here.event_id, here.kind, here.since, here.body, here.attempts)
        .where(
            here.done_at.is_(None),
            here.target == target,
            here.next_at <= now,
            ~exists().where(
                earlier.c.done_at.is_(None),
                earlier.c.target == here.target,
                earlier.c.subject == here.subject,
                earlier.c.ordinal < here.ordinal,
            ),
        )
        .order_by(here.ordinal)
        .limit(most)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return [Message(*row) for row in connection.execute(query)]


def note(engine: Engine, attempts: Sequence[Attempt], pauses: Sequence[float]) -> list[Result]:
    """Keep what came of these attempts; gives what became of those messages that are done.

    ``pauses``: for each attempt a number from 0 to 1, the part of its pause left to chance.
    Raises JournalError.
    """
    done: list[Result] = []
    with told_as_ours(engine), engine.begin() as connection:
        for attempt, chance in zip(attempts, pauses, strict=True):
            result, values = _after(attempt, chance)
            if result is not None:
                done.append(result)
            where = outbox.c.event_id == attempt.message.event_id
            connection.execute(update(outbox).where(where).values(**values))
            connection.execute(
                webhook_attempts.insert().values(
                    attempt_id=f"{time.time_ns():016x}{attempt.message.event_id}",
                    event_id=attempt.message.event_id,
                    target=attempt.target,
                    at=attempt.at,
                    took_s=attempt.took_s,
                    status=attempt.status,
                    problem=attempt.problem,
                )
            )
    return done


def _after(attempt: Attempt, chance: float) -> tuple[Result | None, dict[str, object]]:
    message = attempt.message
    values: dict[str, object] = {"attempts": message.attempts + 1}
    limit = GIVE_UP_REFUSED_AFTER if attempt.refused else GIVE_UP_AFTER
    if not attempt.problem:
        result = Result.DELIVERED
    elif attempt.at - message.since > limit:
        result = Result.DEAD
    else:
        pause = min(RETRY_FIRST * 2 ** min(message.attempts, 20), RETRY_MOST)
        return None, values | {"next_at": attempt.at + pause * (0.5 + chance / 2)}
    return result, values | {"done_at": attempt.at, "result": result.value}


def settle(engine: Engine, subscriptions: Subscriptions, now: datetime) -> int:
    """Give messages for whoever wants them to those targets, and up those whose target is gone.

    Gives the number given up.  Raises JournalError.
    """
    known = (*subscriptions, ANY)
    with told_as_ours(engine), engine.connect() as connection:
        strays = connection.execute(
            select(func.count())
            .select_from(outbox)
            .where(outbox.c.done_at.is_(None), outbox.c.target.not_in(sorted(subscriptions)))
        ).scalar_one()
    if not strays:
        return 0
    with told_as_ours(engine), engine.begin() as connection:
        open_for_all = select(outbox).where(outbox.c.done_at.is_(None), outbox.c.target == ANY)
        rows = []
        for row in connection.execute(open_for_all.order_by(outbox.c.ordinal)).mappings():
            wanting = [one for one, kinds in subscriptions.items() if row["kind"] in kinds]
            parts = "\n".join((row["event_id"], ""))
            for target in wanting:
                digest = hashlib.sha256((parts + target).encode()).hexdigest()[:28]
                rows.append(dict(row) | {"target": target, "event_id": f"msg_{digest}"})
        connection.execute(delete(outbox).where(outbox.c.done_at.is_(None), outbox.c.target == ANY))
        _write(connection, rows)
        gone = connection.execute(
            update(outbox)
            .where(outbox.c.done_at.is_(None), outbox.c.target.not_in(known))
            .values(done_at=now, result=Result.DEAD.value)
        )
        return int(gone.rowcount)


def prune(engine: Engine, now: datetime) -> None:
    """Forget what is done for long.  Raises JournalError."""
    before = now - KEPT_FOR
    with told_as_ours(engine), engine.begin() as connection:
        connection.execute(delete(outbox).where(outbox.c.done_at < before))
        connection.execute(delete(webhook_attempts).where(webhook_attempts.c.at < before))


def waiting(engine: Engine) -> dict[str, tuple[int, datetime]]:
    """For each target the messages that have not arrived, and since when the oldest waits.

    Raises JournalError.
    """
    query = (
        select(outbox.c.target, func.count(), func.min(outbox.c.since))
        .where(outbox.c.done_at.is_(None))
        .group_by(outbox.c.target)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return {target: (count, since) for target, count, since in connection.execute(query)}


def _count_waiting(connection: Connection) -> int:
    query = select(func.count()).select_from(outbox).where(outbox.c.done_at.is_(None))
    return connection.execute(query).scalar_one()


def wants(subscriptions: Subscriptions) -> frozenset[EventKind]:
    """Everything that some target is told."""
    return frozenset().union(*subscriptions.values())
