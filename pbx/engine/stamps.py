"""When an entry of the log happened, by a wall's clock that may be put forward or back.

House rules: a call's times are all on one axis, the wall's as it went when the call began, so no
end comes before its beginning and what lies between is what it lasted.  Whatever begins after a
correction (a call, a state of an agent) has the corrected time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pbx.engine.clock import Clock
from pbx.journal import port as journal
from pbx.journal.port import Entry, Stamped
from routing import facts
from routing.values import CallId

_OF_NO_CALL = (
    facts.AgentChanged,
    facts.Irregular,
    journal.OwnTalkStarted,
    journal.StageDialled,
    journal.PauseStarted,
    journal.PauseEnded,
    journal.CallbackOpened,
    journal.CallbackDialled,
    journal.CallbackPut,
    journal.CallbackClosed,
    journal.RecordingKept,
    journal.RecordingFailed,
)


@dataclass(slots=True)
class _Axis:
    """``ahead_s``: the wall against the core's time.  ``legs``: begun and not ended; they may
    outlive the call by a moment."""

    ahead_s: float
    legs: int = 0
    ended: bool = False


class Stamps:
    """Stamps entries; keeps one small thing for each live call."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._axes: dict[CallId, _Axis] = {}

    def __len__(self) -> int:
        return len(self._axes)

    def stamp(self, entry: Entry, now: float) -> Stamped:
        """``entry`` with its time; ``now`` is the core's."""
        if isinstance(entry, _OF_NO_CALL):
            ahead_s = self._clock.ahead_s()
        else:
            ahead_s = self._of_call(entry, entry.call_id)
        return Stamped(datetime.fromtimestamp(now + ahead_s, UTC), entry)

    def _of_call(self, entry: Entry, call_id: CallId) -> float:
        axis = self._axes.get(call_id)
        match entry:
            case journal.CallStarted() if axis is None:
                axis = self._axes[call_id] = _Axis(self._clock.ahead_s())
        if axis is None:
            return self._clock.ahead_s()
        match entry:
            case journal.CallEnded():
                axis.ended = True
            case facts.LegStarted() | journal.OutsideLegStarted():
                axis.legs += 1
            case facts.LegFinished() | journal.OutsideLegFinished():
                axis.legs -= 1
            case _:
                return axis.ahead_s
        if axis.ended and axis.legs <= 0:
            del self._axes[call_id]
        return axis.ahead_s
