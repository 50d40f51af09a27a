"""Questions about what was told, and telling it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, func, select, update

from pbx.errors import WebhookError
from pbx.journal.database import told_as_ours
from pbx.journal.tables import outbox, webhook_attempts
from pbx.webhooks.outbox import ANY, Result


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A target's messages that are still kept."""

    target: str
    waiting: int
    oldest: datetime | None
    delivered: int
    dead: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """An attempt.  ``status``: what the receiver answered.  ``result``: of the message, None while
    it waits.  ``problem``: "" when it arrived."""

    event_id: str
    target: str
    kind: str
    subject: str
    at: datetime
    took_s: float
    status: int | None
    problem: str
    result: str | None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which attempts; None and "" ask for nothing.  ``subject``: of messages about this call or
    number.  ``dead``: of messages that were given up."""

    event_id: str = ""
    target: str = ""
    since: datetime | None = None
    failed: bool = False
    dead: bool = False
    most: int = 200
    subject: str = ""


def targets(engine: Engine) -> list[TargetRow]:
    """All targets of messages that are kept, by name.  Raises JournalError."""
    here = outbox.c
    query = (
        select(
            here.target,
            func.count().filter(here.done_at.is_(None)),
            func.min(here.since).filter(here.done_at.is_(None)),
            func.count().filter(here.result == Result.DELIVERED.value),
            func.count().filter(here.result == Result.DEAD.value),
        )
        .group_by(here.target)
        .order_by(here.target)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return [TargetRow(*row) for row in connection.execute(query)]


def deliveries(engine: Engine, wanted: DeliveryFilter) -> list[Delivery]:
    """Attempts, the newest first.  Raises JournalError."""
    tried, here = webhook_attempts.c, outbox.c
    query = (
        select(
            tried.event_id,
            tried.target,
            here.kind,
            here.subject,
            tried.at,
            tried.took_s,
            tried.status,
            tried.problem,
            here.result,
        )
        .join_from(webhook_attempts, outbox, here.event_id == tried.event_id)
        .order_by(tried.at.desc(), tried.attempt_id.desc())
        .limit(wanted.most)
    )
    if wanted.event_id:
        query = query.where(tried.event_id == wanted.event_id)
    if wanted.subject:
        query = query.where(here.subject == wanted.subject)
    if wanted.target:
        query = query.where(tried.target == wanted.target)
    if wanted.since is not None:
        query = query.where(tried.at >= wanted.since)
    if wanted.failed:
        query = query.where(tried.problem != "")
    if wanted.dead:
        query = query.where(here.result == Result.DEAD.value)
    with told_as_ours(engine), engine.connect() as connection:
        return [Delivery(*row) for row in connection.execute(query)]


def replay(engine: Engine, event_ids: Sequence[str], now: datetime) -> int:
    """Send these messages again, with the ids they had; gives how many.

    Raises WebhookError where one is not known or still waits, JournalError.
    """
    with told_as_ours(engine), engine.begin() as connection:
        for event_id in event_ids:
            found = connection.execute(
                select(outbox.c.done_at).where(outbox.c.event_id == event_id)
            ).first()
            if found is None:
                raise WebhookError(f"no message {event_id!r} (pbx webhooks deliveries lists them)")
            if found.done_at is None:
                raise WebhookError(f"message {event_id!r} waits to be sent already")
            values = _again(now)
            connection.execute(update(outbox).where(outbox.c.event_id == event_id).values(**values))
    return len(event_ids)


def replay_since(
    engine: Engine, since: datetime, now: datetime, *, target: str, dead_only: bool
) -> int:
    """Send what happened since then again; ``target`` "" for all.  Raises JournalError."""
    which: list[ColumnElement[bool]] = [
        outbox.c.done_at.is_not(None),
        outbox.c.at >= since,
        outbox.c.target != ANY,
    ]
    if target:
        which.append(outbox.c.target == target)
    if dead_only:
        which.append(outbox.c.result == Result.DEAD.value)
    with told_as_ours(engine), engine.begin() as connection:
        changed = connection.execute(update(outbox).where(*which).values(**_again(now)))
        return int(changed.rowcount)


def _again(now: datetime) -> dict[str, object]:
    return {"done_at": None, "result": None, "since": now, "next_at": now, "attempts": 0}
