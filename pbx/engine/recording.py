"""Which talks are recorded, and when their callers are told.  Pure.

Whether a call is recorded follows from its id alone, so a replay decides the same.  A larger share
records every call that a smaller one does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ivr.commands import CallAgent, CallOutside, Command, PlayPrompts, QueueCaller
from pbx.engine.call import LiveCall
from pbx.journal import port as journal
from pbx.plan.model import Recording
from pbx.recordings.names import leg_of, path_of, recording_name
from pbx.switch import port as switch
from routing.values import CallId, LegId, Seconds

HandOver = QueueCaller | CallAgent | CallOutside
"""What gives a caller to people."""
KEY_GAP_S = 3.0
"""Keys of a pause code follow each other within this time, seconds."""


def chosen(call_id: CallId, share: int) -> bool:
    """Is this call among the ``share`` percent?"""
    digest = hashlib.sha256(call_id.encode()).digest()
    return int.from_bytes(digest[:8]) % 100 < share


@dataclass(slots=True)
class _Leg:
    """A leg whose talk is recorded, from its ring to its end.  ``began``: the log knows."""

    call_id: CallId
    name: str
    rule: Recording
    began: bool = False
    paused: bool = False
    typed: str = ""
    typed_at: Seconds = 0.0


class Recordings:
    """The recordings of all live legs."""

    def __init__(
        self,
        *,
        send: Callable[[switch.SwitchCommand], None],
        note: Callable[[journal.Entry, Seconds], None],
    ) -> None:
        self._send = send
        self._note = note
        self._legs: dict[LegId, _Leg] = {}

    @property
    def live(self) -> int:
        """Legs that are recorded, or would be."""
        return len(self._legs)

    def notice_before(self, call: LiveCall, command: Command) -> PlayPrompts | None:
        """The caller is about to be given to people: they hear of the recording first, once.

        What they hear, when they do now; ``call.after_notice`` is what was to be done.
        """
        if not isinstance(command, HandOver):
            return None
        rule = call.number.record
        if isinstance(command, QueueCaller):
            rule = call.plan.queue_records.get(command.queue_id, rule)
        call.recording = rule if rule is not None and chosen(call.call_id, rule.share) else None
        if call.recording is None or not call.recording.notice or call.told_of_recording:
            return None
        call.told_of_recording = True
        call.after_notice = command
        return PlayPrompts(call.recording.notice, call.walk.language)

    def name_for(self, call: LiveCall | None, leg_id: LegId, at: datetime) -> str:
        """What the talk on this leg, which is about to ring, is recorded as; "" for not at all."""
        if call is None or call.recording is None:
            return ""
        name = recording_name(at, leg_id)
        self._legs[leg_id] = _Leg(call.call_id, name, call.recording)
        return name

    def take_over(self, call: LiveCall, leg_id: LegId, name: str) -> None:
        """A talk that an engine before us began to record: the manager's keys hold for it, by the
        plan of now.  Whether it is paused is not known; the first code pauses it."""
        rule = call.number.record
        if call.queue_id is not None:
            rule = call.plan.queue_records.get(call.queue_id, rule)
        if rule is not None:
            self._legs[leg_id] = _Leg(call.call_id, name, rule, began=True)

    def joined(self, leg_id: LegId, now: Seconds, at: datetime) -> None:
        """The talk on this leg begins."""
        leg = self._legs.get(leg_id)
        if leg is not None and not leg.began:
            leg.began = True
            until = at + timedelta(seconds=leg.rule.keep_s)
            path = path_of(leg.name)
            self._note(journal.RecordingStarted(leg.call_id, leg_id, path, until), now)

    def ended(self, leg_id: LegId) -> None:
        """The leg is over, recorded or not."""
        self._legs.pop(leg_id, None)

    def key(self, leg_id: LegId, key: str, now: Seconds) -> None:
        """The manager pressed a key in the talk."""
        leg = self._legs.get(leg_id)
        if leg is None or not leg.rule.pause_code:
            return
        if now - leg.typed_at > KEY_GAP_S:
            leg.typed = ""
        code = leg.rule.pause_code
        leg.typed, leg.typed_at = (leg.typed + key)[-len(code) :], now
        if leg.typed == code:
            leg.typed = ""
            self._send(switch.PauseRecording(leg_id, not leg.paused))

    def paused(self, leg_id: LegId, paused: bool, now: Seconds) -> None:
        """The switch has done so."""
        leg = self._legs.get(leg_id)
        if leg is not None and leg.paused != paused:
            leg.paused = paused
            self._note(journal.RecordingHeld(leg.call_id, leg_id, paused), now)

    def over(self, event: switch.RecordingEnded, now: Seconds) -> None:
        """A recording is finished, maybe one of an engine before us."""
        leg_id, path = leg_of(event.name), path_of(event.name)
        if event.problem:
            self._note(journal.RecordingFailed(leg_id, path, event.problem), now)
        else:
            self._note(journal.RecordingKept(leg_id, path, event.length_s), now)
