"""Makes events of the log's entries, in the log's own transaction (pbx.journal.follower).

House rules: what an event tells is what the log says at that moment.  The same entry makes the
same event, so that following it again leaves nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, RowMapping, select

from pbx.journal import port as journal
from pbx.journal.database import told_as_ours
from pbx.journal.port import Stamped
from pbx.journal.tables import calls, legs, recordings
from pbx.switch.port import UNSEEN
from pbx.webhooks.kinds import Event, EventKind, Subscriptions
from pbx.webhooks.outbox import enqueue
from routing import facts

CRASHED_WITHIN = timedelta(days=2)
"""How far back a start looks for calls whose end a crash has hidden; shorter than what is done is
kept, or they would be told twice."""
_GIVEN_TO = {"toqueue": "queue", "dialagent": "manager", "callout": "call"}
"""Steps of the walk (ivr/walk.py) by which the menu gives the caller away; the word before whom."""
_AT_ONCE = 400


class EventBook:
    """Follows the log.  ``subscriptions``: who is told what."""

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions

    @property
    def wants(self) -> tuple[type, ...]:
        """Nothing where nobody is told."""
        if not self._subscriptions:
            return ()
        return (
            journal.CallStarted,
            journal.MenuStep,
            facts.LegRang,
            facts.LegJoined,
            journal.CallEnded,
            journal.CallbackAsked,
            journal.RecordingKept,
            journal.MessageLeft,
        )

    def follow(self, connection: Connection, entries: Sequence[Stamped]) -> None:
        """Leave what these entries tell in the outbox."""
        known = _Known.of(connection, entries)
        events = [one for stamped in entries for one in self._events(stamped, known)]
        if events:
            now = max(stamped.at for stamped in entries)
            enqueue(connection, events, self._subscriptions, now)

    def catch_up(self, engine: Engine, now: datetime) -> None:
        """Tell the end of calls that a crash has left open, and that are over.

        To be called when the callers who are still there have been found.  Raises JournalError.
        """
        if not self._subscriptions:
            return
        query = (
            select(calls)
            .where(calls.c.cause.endswith(UNSEEN), calls.c.ended_at >= now - CRASHED_WITHIN)
            .order_by(calls.c.call_id)
            .limit(_AT_ONCE)
        )
        after = ""
        while True:
            with told_as_ours(engine), engine.begin() as connection:
                some = query.where(calls.c.call_id > after)
                found = connection.execute(some).mappings().all()
                events = [_ended(row, row["ended_at"]) for row in found]
                enqueue(connection, events, self._subscriptions, now)
            if len(found) < _AT_ONCE:
                return
            after = found[-1]["call_id"]

    def _events(self, stamped: Stamped, known: _Known) -> Iterator[Event]:
        at = stamped.at
        match stamped.entry:
            case journal.RecordingKept(leg_id, path, length_s):
                call_id = known.calls_of_recordings.get(leg_id)
                data = {**known.call(call_id), "leg_id": leg_id, "path": path, "length_s": length_s}
                yield Event(EventKind.RECORDING_READY, call_id or leg_id, at, data, leg_id)
            case journal.CallEnded(call_id) if row := known.calls.get(call_id):
                yield _ended(row, at)
            case entry if made := _within_call(entry, known):
                kind, data, key = made
                call_id = str(data["call_id"])
                yield Event(kind, call_id, at, data, key)


_Made = tuple[EventKind, dict[str, object], str]


def _within_call(entry: journal.Entry, known: _Known) -> _Made | None:
    call_id = getattr(entry, "call_id", "")
    if call_id not in known.calls:
        return None  # a callback in the line: no call of a client's
    call = known.call(call_id)
    match entry:
        case journal.CallStarted():
            return EventKind.CALL_STARTED, call, ""
        case journal.MenuStep(_, node, kind, _, detail) if kind in _GIVEN_TO:
            word, _, to = detail.partition(" ")
            if word != _GIVEN_TO[kind] or " → " in detail:
                return None
            given = {"node": node, "queue": None, "agent": None, "outside": None}
            given[{"manager": "agent", "call": "outside"}.get(word, word)] = to
            return EventKind.MENU_PASSED, call | given, node
        case facts.LegRang(leg_id) if agent := known.agents.get(leg_id):
            return EventKind.CALL_RINGING, {**call, "leg_id": leg_id, "agent": agent}, leg_id
        case facts.LegJoined(leg_id, _, agent_id):
            return EventKind.CALL_ANSWERED, {**call, "leg_id": leg_id, "agent": agent_id}, leg_id
        case journal.CallbackAsked(_, number, queue_id):
            asked = {"callback_number": number, "queue": queue_id}
            return EventKind.CALLBACK_ASKED, call | asked, ""
        case journal.MessageLeft(_, box, path, length_s):
            message = {"box": box, "path": path, "length_s": length_s}
            return EventKind.VOICEMAIL_LEFT, call | message, path
        case _:
            return None


def _ended(row: RowMapping, at: datetime) -> Event:
    names = ("started_at", "outcome", "short", "wait_s", "talk_s", "queue", "agent", "menu_path")
    data = {**_call(row), **{name: row[name] for name in (*names, "last_node", "reconstructed")}}
    return Event(EventKind.CALL_ENDED, row["call_id"], at, data)


def _call(row: RowMapping) -> dict[str, object]:
    names = ("call_id", "did", "number", "name", "source", "language", "callback_of")
    return {name: row[name] for name in names}


@dataclass(frozen=True, slots=True)
class _Known:
    """What the log says of the calls and legs that these entries are about."""

    calls: Mapping[str, RowMapping]
    agents: Mapping[str, str]
    """By leg."""
    calls_of_recordings: Mapping[str, str]
    """By leg."""

    def call(self, call_id: str | None) -> dict[str, object]:
        """Of the call what each of its events tells; ``call_id`` null where it is not known."""
        row = self.calls.get(call_id or "")
        return {"call_id": call_id} if row is None else _call(row)

    @classmethod
    def of(cls, connection: Connection, entries: Sequence[Stamped]) -> _Known:
        """What these entries need."""
        call_ids: set[str] = set()
        rang: set[str] = set()
        recorded: set[str] = set()
        for stamped in entries:
            match stamped.entry:
                case facts.LegRang(leg_id, call_id):
                    rang.add(leg_id)
                    call_ids.add(call_id)
                case journal.RecordingKept(leg_id):
                    recorded.add(leg_id)
                case journal.MenuStep(call_id, _, kind):
                    if kind in _GIVEN_TO:
                        call_ids.add(call_id)
                case entry:
                    call_ids.add(getattr(entry, "call_id", ""))
        of_recordings: dict[str, str] = {}
        for some in _parts(recorded):
            query = select(recordings.c.leg_id, recordings.c.call_id).where(
                recordings.c.leg_id.in_(some), recordings.c.call_id.is_not(None)
            )
            of_recordings |= {row.leg_id: row.call_id for row in connection.execute(query)}
        call_ids |= set(of_recordings.values())
        found: dict[str, RowMapping] = {}
        for some in _parts(call_ids):
            rows = connection.execute(select(calls).where(calls.c.call_id.in_(some)))
            found |= {row["call_id"]: row for row in rows.mappings()}
        agents: dict[str, str] = {}
        for some in _parts(rang):
            of_legs = select(legs.c.leg_id, legs.c.agent).where(legs.c.leg_id.in_(some))
            agents |= {row.leg_id: row.agent for row in connection.execute(of_legs) if row.agent}
        return cls(found, agents, of_recordings)


def _parts(ids: set[str]) -> Iterator[list[str]]:
    ordered = sorted(ids)
    for begin in range(0, len(ordered), _AT_ONCE):
        yield ordered[begin : begin + _AT_ONCE]
