"""Entries to rows: what an entry of the journal adds to the tables and what it changes in them.

Runs in the writer's thread only.  What a later entry needs of an earlier one (which interval of
an agent is open, a call's way so far) is kept here, bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pbx.journal import callback_rows, leg_rows, port, recording_rows, tables
from pbx.journal.change import Change, Changed, Value, added, text
from pbx.journal.path import MenuPath
from pbx.journal.port import Stamped
from routing import facts
from routing.values import AgentId, CallId, Outcome, QueueId

MAX_CALLS = 100_000
"""Calls remembered until their end; more are never alive, so the oldest are of lost ends."""


@dataclass(slots=True)
class _LiveCall:
    path: MenuPath
    waits: dict[QueueId, str] = field(default_factory=dict)
    """The open wait's row, by queue."""


class RowMaker:
    """Makes rows of entries, one after another in the order in which they happened."""

    def __init__(self) -> None:
        self._calls: dict[CallId, _LiveCall] = {}
        self._intervals: dict[AgentId, tuple[str, datetime]] = {}

    def rows(self, entry_id: str, stamped: Stamped) -> list[Change]:
        """What ``stamped`` means to the tables.  ``entry_id``: unique, and sorts by time."""
        at, entry = stamped.at, stamped.entry
        match entry:
            case port.CallStarted():
                return self._call_started(entry, at)
            case port.CallEnded():
                return self._call_ended(entry, at)
            case port.MenuStep():
                return self._step(entry, entry_id, at)
            case port.LookedUp():
                return _looked_up(entry, entry_id, at)
            case facts.WaitStarted():
                return self._wait_started(entry, entry_id, at)
            case facts.WaitEnded():
                return self._wait_ended(entry, at)
            case facts.OfferMade():
                return self._offer_made(entry, entry_id, at)
            case facts.OfferEnded(offer_id, _, result):
                ended = {"ended_at": at, "result": result}
                return [Changed(tables.offers, "offer_id", offer_id, ended)]
            case facts.LegStarted():
                return [leg_rows.device_started(entry, at)]
            case facts.LegRang():
                return [leg_rows.device_rang(entry, at)]
            case facts.LegJoined(_, call_id, agent_id):
                agent = Changed(tables.calls, "call_id", call_id, {"agent": agent_id})
                return [*leg_rows.device_joined(entry, at), agent]
            case facts.LegFinished():
                return leg_rows.device_finished(entry, at)
            case facts.AgentChanged():
                return self._agent_changed(entry, entry_id, at)
            case port.OutsideLegStarted():
                return self._outside_started(entry, at)
            case port.OutsideLegFinished():
                return leg_rows.outside_finished(entry, at)
            case port.OutsideRefused():
                return leg_rows.outside_refused(entry, at)
            case port.Transferred():
                return [leg_rows.transferred(entry, entry_id, at)]
            case port.CallbackAsked(call_id, number, queue_id):
                return [
                    added(
                        tables.callbacks,
                        callback_id=entry_id,
                        call_id=call_id,
                        at=at,
                        number=number,
                        queue=queue_id,
                    )
                ]
            case (
                port.CallbackOpened()
                | port.CallbackDialled()
                | port.CallbackPut()
                | port.CallbackClosed()
            ):
                return callback_rows.rows(entry, at)
            case port.EstimateProved(call_id, queue_id, said_s, waited_s):
                return [
                    added(
                        tables.steps,
                        step_id=entry_id,
                        call_id=call_id,
                        at=at,
                        node=queue_id,
                        kind="estimate",
                        digits=None,
                        detail=f"{said_s:.0f} s were announced, it took {waited_s:.0f} s",
                    )
                ]
            case port.MessageLeft():
                return self._message_left(entry, entry_id, at)
            case port.RecordingStarted():
                return [recording_rows.started(entry, at)]
            case port.RecordingHeld():
                return [recording_rows.held(entry, entry_id, at)]
            case port.RecordingKept():
                return recording_rows.kept(entry, at)
            case port.RecordingFailed():
                return [recording_rows.failed(entry)]
            case port.OwnTalkStarted(agent_id, number):
                own = {"talk_id": entry_id, "at": at, "agent": agent_id, "number": number}
                return [added(tables.own_talks, **own)]
            case port.StageDialled():
                return []  # pbx/funnel/dialled.py writes what follows from it
            case port.PauseStarted(pause_id, agent_id, reason, by):
                return [
                    added(
                        tables.pauses,
                        pause_id=pause_id,
                        agent=agent_id,
                        reason=reason,
                        began_at=at,
                        began_by=by,
                        ended_at=None,
                        ended_by=None,
                    )
                ]
            case port.PauseEnded(pause_id, _, by):
                ended = {"ended_at": at, "ended_by": text(by)}
                return [Changed(tables.pauses, "pause_id", pause_id, ended)]
            case facts.Irregular(what):
                return [added(tables.irregulars, irregular_id=entry_id, at=at, what=what)]

    # Calls -------------------------------------------------------------------------------

    def _call_started(self, entry: port.CallStarted, at: datetime) -> list[Change]:
        self._calls[entry.call_id] = _LiveCall(MenuPath(cut=entry.reconstructed))
        while len(self._calls) > MAX_CALLS:
            del self._calls[next(iter(self._calls))]
        changes: list[Change] = [
            added(
                tables.calls,
                **_BLANK_CALL,
                call_id=entry.call_id,
                started_at=at,
                did=entry.did,
                number=entry.number,
                number_raw=entry.number_raw,
                name=entry.name,
                source=entry.source,
                language=entry.language,
                reconstructed=entry.reconstructed,
                callback_of=entry.callback_of or None,
            ),
            *leg_rows.inbound_started(entry, at),
        ]
        if entry.reconstructed:
            # It may have been closed as lost when the engine started, and goes on after all.
            open_again = {"ended_at": None, "outcome": None, "cause": None, "reconstructed": True}
            changes.append(Changed(tables.calls, "call_id", entry.call_id, open_again))
        return changes

    def _call_ended(self, entry: port.CallEnded, at: datetime) -> list[Change]:
        call = self._calls.pop(entry.call_id, None)
        values: dict[str, Value] = {
            "ended_at": at,
            "outcome": entry.outcome.value,
            "short": entry.short,
            "wait_s": entry.wait_s,
            "talk_s": entry.talk_s,
            "cause": text(entry.cause),
            "last_node": text(entry.last_node),
        }
        changes: list[Change] = []
        if call is None:
            # Its beginning was lost; the end is kept all the same.
            blank = added(
                tables.calls, **_BLANK_CALL, call_id=entry.call_id, started_at=at, **_UNKNOWN_CALLER
            )
            changes.append(blank)
        elif entry.outcome is Outcome.ABANDONED_IN_MENU:
            call.path.lost_at(entry.last_node)
            values["menu_path"] = text(str(call.path))
        changes.append(Changed(tables.calls, "call_id", entry.call_id, values))
        changes.append(leg_rows.inbound_ended(entry, at))
        return changes

    def _step(self, entry: port.MenuStep, entry_id: str, at: datetime) -> list[Change]:
        step = added(
            tables.steps,
            step_id=entry_id,
            call_id=entry.call_id,
            at=at,
            node=entry.node_id,
            kind=entry.kind,
            digits=entry.digits,
            detail=entry.detail,
        )
        call = self._calls.get(entry.call_id)
        if call is None:
            return [step]
        before = str(call.path)
        call.path.step(entry.node_id, entry.kind, entry.digits, entry.detail)
        return [step, *self._path_changed(entry.call_id, call, before)]

    def _reached(self, call_id: CallId, destination: str) -> list[Change]:
        call = self._calls.get(call_id)
        if call is None:
            return []
        before = str(call.path)
        call.path.reached(destination)
        return self._path_changed(call_id, call, before)

    def _path_changed(self, call_id: CallId, call: _LiveCall, before: str) -> list[Change]:
        path = str(call.path)
        if path == before:
            return []
        return [Changed(tables.calls, "call_id", call_id, {"menu_path": text(path)})]

    # Waits and offers --------------------------------------------------------------------

    def _wait_started(self, entry: facts.WaitStarted, entry_id: str, at: datetime) -> list[Change]:
        if call := self._calls.get(entry.call_id):
            call.waits[entry.queue_id] = entry_id
        return [
            added(
                tables.waits,
                wait_id=entry_id,
                call_id=entry.call_id,
                queue=entry.queue_id,
                position=entry.position,
                priority=entry.priority,
                started_at=at,
                ended_at=None,
                waited_s=None,
                reason=None,
            ),
            Changed(tables.calls, "call_id", entry.call_id, {"queue": entry.queue_id}),
            *self._reached(entry.call_id, entry.queue_id),
        ]

    def _wait_ended(self, entry: facts.WaitEnded, at: datetime) -> list[Change]:
        call = self._calls.get(entry.call_id)
        wait_id = call.waits.pop(entry.queue_id, None) if call else None
        if wait_id is None:
            return []
        ended = {"ended_at": at, "waited_s": entry.waited_s, "reason": entry.reason}
        return [Changed(tables.waits, "wait_id", wait_id, ended)]

    def _offer_made(self, entry: facts.OfferMade, entry_id: str, at: datetime) -> list[Change]:
        offer = added(
            tables.offers,
            row_id=entry_id,
            offer_id=entry.offer_id,
            call_id=entry.call_id,
            queue=entry.queue_id,
            strategy=entry.strategy,
            why=entry.why,
            chosen=list(entry.chosen),
            left_out=[{"agent": one.agent_id, "reason": one.reason} for one in entry.left_out],
            at=at,
            ended_at=None,
            result=None,
        )
        strategy = Changed(tables.calls, "call_id", entry.call_id, {"strategy": entry.strategy})
        if entry.queue_id is not None or not entry.chosen:
            return [offer, strategy]
        return [offer, strategy, *self._reached(entry.call_id, entry.chosen[0])]

    # Agents, outside numbers, messages ---------------------------------------------------

    def _agent_changed(
        self, entry: facts.AgentChanged, entry_id: str, at: datetime
    ) -> list[Change]:
        changes: list[Change] = []
        if before := self._intervals.get(entry.agent_id):
            # Not ``at``: the wall's clock may have been put forward or back in between.
            interval_id, began = before
            ended = {"ended_at": began + timedelta(seconds=entry.lasted_s)}
            changes.append(Changed(tables.agent_states, "interval_id", interval_id, ended))
        self._intervals[entry.agent_id] = (entry_id, at)
        changes.append(
            added(
                tables.agent_states,
                interval_id=entry_id,
                agent=entry.agent_id,
                state=entry.new.value,
                reason=entry.reason,
                call_id=entry.call_id,
                started_at=at,
                ended_at=None,
            )
        )
        return changes

    def _outside_started(self, entry: port.OutsideLegStarted, at: datetime) -> list[Change]:
        leg = leg_rows.outside_started(entry, at)
        return [leg, *self._reached(entry.call_id, entry.number)]

    def _message_left(self, entry: port.MessageLeft, entry_id: str, at: datetime) -> list[Change]:
        message = added(
            tables.messages,
            message_id=entry_id,
            call_id=entry.call_id,
            at=at,
            box=entry.box,
            path=entry.path,
            length_s=entry.length_s,
        )
        return [message, *self._reached(entry.call_id, f"voicemail {entry.box}")]


def _looked_up(entry: port.LookedUp, entry_id: str, at: datetime) -> list[Change]:
    took = f" after {entry.took_s * 1000:.0f} ms" if entry.took_s else ""
    step = added(
        tables.steps,
        step_id=entry_id,
        call_id=entry.call_id,
        at=at,
        node="",
        kind="lookup",
        digits=None,
        detail=f"{entry.result.replace('_', ' ')}{took}: {entry.detail}",
    )
    if entry.result != "answered":
        return [step]
    said: dict[str, Value] = {"name": text(entry.name), "language": entry.language}
    return [step, Changed(tables.calls, "call_id", entry.call_id, said)]


_BLANK_CALL: Mapping[str, Value] = {
    "ended_at": None,
    "outcome": None,
    "short": False,
    "wait_s": None,
    "talk_s": None,
    "cause": None,
    "last_node": None,
    "queue": None,
    "strategy": None,
    "agent": None,
    "menu_path": "",
}
_UNKNOWN_CALLER: Mapping[str, Value] = {
    "did": "",
    "number": "",
    "number_raw": "",
    "name": "",
    "source": "",
    "language": "",
    "reconstructed": True,
    "callback_of": None,
}
