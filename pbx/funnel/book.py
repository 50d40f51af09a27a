"""The funnel's events in the log's database.

House rules: an event that is written stays as it is, for ever.  A key that comes again with the
same content is known and changes nothing; with another content it is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from pbx.errors import FunnelError
from pbx.funnel.stages import StageEvent
from pbx.journal.change import text
from pbx.journal.database import told_as_ours
from pbx.journal.tables import stage_events
from pbx.reports.book import DAY_MS, Kind, new_version
from pbx.reports.contacts import know_passed
from pbx.reports.facts import milliseconds
from pbx.webhooks.kinds import Event, EventKind
from pbx.webhooks.outbox import enqueue

IMPORTED = "csv"
"""``via`` of events from a file."""
_AT_ONCE = 400
_LONGEST = 200
"""Of any text in an event, characters."""


@dataclass(frozen=True, slots=True)
class Noted:
    """``new``: written now.  ``known``: had been written before."""

    new: int
    known: int


class KeyTaken(FunnelError):
    """The key is another event's.  ``why``: without the key."""

    def __init__(self, key: str, why: str) -> None:
        self.key = key
        self.why = why
        super().__init__(f"key {key!r} {why}")


def note(engine: Engine, events: Sequence[StageEvent], now: datetime) -> Noted:
    """Write events, all or none.  Raises KeyTaken where a key is known with another content,
    FunnelError, JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        return note_in(connection, events, now)


def note_in(connection: Connection, events: Sequence[StageEvent], now: datetime) -> Noted:
    """The same in a transaction that is under way."""
    wanted: dict[str, StageEvent] = {}
    for event in map(_fit, events):
        if wanted.setdefault(event.key, event) != event:
            raise KeyTaken(event.key, "comes twice, with different content")
    known = written(connection, sorted(wanted))
    for key, event in known.items():
        # Who told it is not what happened.
        if replace(wanted[key], via=event.via) != event:
            raise KeyTaken(key, "is known with other content; events never change")
    new = [event for key, event in wanted.items() if key not in known]
    rows = [_values(event) | {"event_id": _id(event.key), "noted_at": now} for event in new]
    if rows:
        connection.execute(stage_events.insert(), rows)
        given = know_passed(connection, [str(row["event_id"]) for row in rows])
        days = {milliseconds(event.at) // DAY_MS for event in new}
        new_version(connection, Kind.STAGES, days | _days_of(connection, given))
    # A file that was imported is no news to anybody.
    told = [_news(event) for event in new if event.via != IMPORTED]
    enqueue(connection, told, None, now)
    return Noted(len(new), len(events) - len(new))


def key_of(stage: str, subject: str, at: datetime, agent: str) -> str:
    """A key for an event that came without one."""
    parts = "\n".join((stage, subject, str(milliseconds(at)), agent))
    return f"auto-{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


def _fit(event: StageEvent) -> StageEvent:
    """Its texts made fit for any database.  Raises FunnelError for what makes no sense."""
    if event.at.tzinfo is None:
        raise FunnelError("an event's time needs a time zone")
    if not event.key or not event.subject or not event.stage:
        raise FunnelError("an event needs a key, a stage, and a number or a deal")
    values = {name: text(value)[:_LONGEST] for name, value in _texts(event)}
    # The log keeps microseconds; what is told twice must compare equal.
    return StageEvent(at=event.at, **values)


def _texts(event: StageEvent) -> Iterable[tuple[str, str]]:
    names = ("key", "stage", "subject", "number", "agent", "source", "call_id", "via")
    return ((name, getattr(event, name)) for name in names)


def _values(event: StageEvent) -> dict[str, object]:
    return {**dict(_texts(event)), "at": event.at}


def _event(row: object) -> StageEvent:
    found = dict(row)  # type: ignore[call-overload]
    del found["event_id"], found["noted_at"]
    return StageEvent(**found)


def written(connection: Connection, keys: Sequence[str]) -> dict[str, StageEvent]:
    """Of these keys those that are written, and their events."""
    found: dict[str, StageEvent] = {}
    for begin in range(0, len(keys), _AT_ONCE):
        some = keys[begin : begin + _AT_ONCE]
        query = select(stage_events).where(stage_events.c.key.in_(some))
        for row in connection.execute(query).mappings():
            found[row["key"]] = _event(row)
    return found


def _days_of(connection: Connection, subjects: Sequence[str]) -> set[int]:
    """On which days something was told of them."""
    found: set[int] = set()
    for begin in range(0, len(subjects), _AT_ONCE):
        theirs = stage_events.c.subject.in_(subjects[begin : begin + _AT_ONCE])
        times = connection.execute(select(stage_events.c.at).where(theirs)).scalars()
        found |= {milliseconds(at) // DAY_MS for at in times}
    return found


def _news(event: StageEvent) -> Event:
    return Event(EventKind.STAGE_REACHED, event.subject, event.at, asdict(event), event.key)


def _id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
