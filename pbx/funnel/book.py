"""The funnel's events in the log's database.

House rules: an event that is written stays as it is, for ever.  A key that comes again with the
same content is known and changes nothing; with another content it is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, select

from pbx.errors import FunnelError
from pbx.funnel.stages import CallStage, StageEvent
from pbx.journal.change import text
from pbx.journal.database import told_as_ours
from pbx.journal.tables import call_facts, calls, stage_events
from pbx.reports.facts import Caller, milliseconds
from pbx.webhooks.kinds import Event, EventKind
from pbx.webhooks.outbox import enqueue
from routing.values import Outcome

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
    # A file that was imported is no news to anybody.
    told = [_news(event) for event in new if event.via != IMPORTED]
    enqueue(connection, told, None, now)
    return Noted(len(new), len(events) - len(new))


def key_of(stage: str, subject: str, at: datetime, agent: str) -> str:
    """A key for an event that came without one."""
    parts = "\n".join((stage, subject, str(milliseconds(at)), agent))
    return f"auto-{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


def stage_events_of(connection: Connection, stages: Sequence[str]) -> list[StageEvent]:
    """Events of these stages (without calls' own) in the order of time."""
    query = select(stage_events).where(stage_events.c.stage.in_(stages))
    query = query.order_by(stage_events.c.at, stage_events.c.event_id)
    return [_event(row) for row in connection.execute(query).mappings()]


def call_events(
    connection: Connection, talk: timedelta, since: datetime
) -> tuple[list[StageEvent], set[str]]:
    """The stages that incoming calls passed by themselves, for calls that began then or later; and
    the subjects that had called before."""
    fact = call_facts.c
    query = select(
        fact.call_id,
        calls.c.number,
        calls.c.started_at,
        fact.ended_ms,
        fact.began_ms,
        fact.reached,
        fact.outcome,
        fact.wait_ms,
        fact.talk_ms,
        fact.agent,
        fact.source,
        fact.caller,
    ).join_from(call_facts, calls, calls.c.call_id == fact.call_id)
    query = query.where(fact.began_ms >= milliseconds(since))
    least_ms = talk // timedelta(milliseconds=1)
    found: list[StageEvent] = []
    seen: set[str] = set()
    old: set[str] = set()
    for row in connection.execute(query.order_by(fact.began_ms, fact.call_id)):
        if row.number not in seen:
            seen.add(row.number)
            if row.caller == Caller.RETURNING:
                old.add(row.number)
        joined = max(0, row.ended_ms - row.began_ms - row.talk_ms)
        waiting = max(0, joined - row.wait_ms)
        passed = [(CallStage.CALLED, 0)]
        if row.reached:
            passed.append((CallStage.PAST_MENU, waiting))
        if row.reached and row.outcome == Outcome.ANSWERED:
            passed.append((CallStage.REACHED, joined))
            if row.talk_ms > least_ms:
                passed.append((CallStage.TALKED, joined + least_ms))
        for stage, after_ms in passed:
            found.append(
                StageEvent(
                    key=f"{row.call_id}/{stage}",
                    stage=stage.value,
                    subject=row.number or f"call:{row.call_id}",
                    at=row.started_at + timedelta(milliseconds=after_ms),
                    number=row.number,
                    agent=row.agent,
                    source=row.source,
                    call_id=row.call_id,
                    via="engine",
                )
            )
    return found, old


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


def _news(event: StageEvent) -> Event:
    return Event(EventKind.STAGE_REACHED, event.subject, event.at, asdict(event), event.key)


def _id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
