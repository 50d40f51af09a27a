"""What a webhook has not been told yet: rows, written together with what they tell of.

A message is made once, when it happens; each attempt sends the very same bytes.  Messages about
one task are sent in their order, each when the one before it has arrived or was given up.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import orjson
import structlog
from sqlalchemy import Connection, Engine, delete, exists, func, insert, select, update

from pbx.journal.database import told_as_ours
from pbx.journal.tables import outbox
from pbx.missed.rules import Task

_log = structlog.get_logger(__name__)

MAX_MESSAGES = 10_000
"""Messages that wait; a new one above is dropped, the oldest are kept."""
AT_ONCE = 20
"""Messages that are sent in one round."""
RETRY_FIRST = timedelta(seconds=5)
RETRY_MOST = timedelta(hours=1)
"""Pauses between attempts: doubled from the first up to this."""
GIVE_UP_AFTER = timedelta(days=3)
"""A message this old is dropped: who did not listen for so long asks the log."""


class Told(StrEnum):
    """What a message is about."""

    OPENED = "missed.opened"
    CLOSED = "missed.closed"
    WITHDRAWN = "missed.withdrawn"
    """It had been opened by mistake: the call went on after all."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is due."""

    event_id: str
    at: datetime
    body: str
    attempts: int


def enqueue(connection: Connection, told: Sequence[tuple[Told, Task]], now: datetime) -> None:
    """Leave messages to be sent."""
    if not told:
        return
    waiting = connection.execute(select(func.count()).select_from(outbox)).scalar_one()
    room = max(0, MAX_MESSAGES - waiting)
    if len(told) > room:
        _log.error("webhook_outbox_full", dropped=len(told) - room)
    begun = time.time_ns()
    for number, (kind, task) in enumerate(told[:room]):
        connection.execute(
            insert(outbox).values(
                # Sorts by time: messages about one task are sent in this order.
                event_id=f"msg_{begun:016x}{number:04x}{secrets.token_hex(4)}",
                task_id=task.task_id,
                at=now,
                body=body(kind, task, now),
                attempts=0,
                next_at=now,
            )
        )


def body(kind: Told, task: Task, now: datetime) -> str:
    """A message as JSON."""
    classed = task.classed(now)
    data = {**asdict(task), "owner": task.owner, "class": classed.value if classed else None}
    return orjson.dumps({"type": kind.value, "timestamp": now, "data": data}).decode()


def due(engine: Engine, now: datetime) -> list[Message]:
    """The next messages to be sent, oldest first.  Raises JournalError."""
    earlier = outbox.alias()
    query = (
        select(outbox.c.event_id, outbox.c.at, outbox.c.body, outbox.c.attempts)
        .where(
            outbox.c.next_at <= now,
            ~exists().where(
                earlier.c.task_id == outbox.c.task_id, earlier.c.event_id < outbox.c.event_id
            ),
        )
        .order_by(outbox.c.event_id)
        .limit(AT_ONCE)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return [Message(*row) for row in connection.execute(query)]


def sent(engine: Engine, message: Message) -> None:
    """It has arrived, or is given up.  Raises JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        connection.execute(delete(outbox).where(outbox.c.event_id == message.event_id))


def failed(engine: Engine, message: Message, now: datetime) -> bool:
    """Try it again later; False when it is given up.  Raises JournalError."""
    if now - message.at > GIVE_UP_AFTER:
        sent(engine, message)
        return False
    pause = min(RETRY_FIRST * 2 ** min(message.attempts, 20), RETRY_MOST)
    values = {"attempts": message.attempts + 1, "next_at": now + pause}
    with told_as_ours(engine), engine.begin() as connection:
        where = outbox.c.event_id == message.event_id
        connection.execute(update(outbox).where(where).values(**values))
    return True


def waiting(engine: Engine) -> int:
    """Messages that have not arrived.  Raises JournalError."""
    with told_as_ours(engine), engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(outbox)).scalar_one()


def forget_all(engine: Engine) -> None:
    """Nobody is to be told.  Raises JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        connection.execute(delete(outbox))
