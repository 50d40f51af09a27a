"""What the switch still owes us a word about: an event that is lost must leave nobody stuck.

Pure like core.py, which owns this: time comes in, ``next_at`` says when ``woke`` is wanted.  While
the switch can't be reached nothing is given up: what happened meanwhile is told after ``SwitchUp``,
so each wait begins anew then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ivr import events as ivr_events
from ivr.commands import Collect, HangUpCaller, PlayPrompts, RecordMessage
from pbx.engine.call import LiveCall, Stage
from pbx.journal import port as journal
from pbx.switch import port as switch
from routing import facts
from routing.commands import StopRinging
from routing.events import LegEnded
from routing.timers import Timer, Timers
from routing.values import Disposition, LegId, Outcome, Seconds

MARGIN_S = 30.0
"""Added to the longest that a command can take, seconds."""
PROMPT_AT_MOST_S = 120.0
"""No prompt is longer, seconds."""
LEG_MARGIN_S = 10.0
"""Added to an outside leg's ring time, and to what follows the end of its caller, seconds."""
JOIN_S = 60.0
"""An outside leg picked up and neither joined nor ended by then is given up, seconds."""
SILENCES = 2
"""After so many commands without an answer, one after another, the caller is given to the
dialplan's own way: what we say does not reach them."""

Command = PlayPrompts | Collect | RecordMessage | HangUpCaller


def longest_s(command: Command) -> Seconds:
    """An answer that has not come so long after the command will not come, seconds."""
    match command:
        case PlayPrompts(prompts):
            return PROMPT_AT_MOST_S * len(prompts) + MARGIN_S
        case Collect(prompts):
            typing_s = command.timeout_s + command.inter_digit_s * command.max_digits
            return PROMPT_AT_MOST_S * len(prompts) + typing_s + MARGIN_S
        case RecordMessage():
            return command.max_s + MARGIN_S
        case HangUpCaller():
            return MARGIN_S


def nothing_heard(command: PlayPrompts | Collect | RecordMessage) -> ivr_events.Event:
    """What the walk goes on with in place of the answer."""
    match command:
        case PlayPrompts():
            return ivr_events.PlayFinished(ok=False)
        case Collect():
            return ivr_events.DigitsPressed("")
        case RecordMessage():
            return ivr_events.MessageRecorded("", 0.0)


@dataclass(slots=True)
class _Wait:
    patience_s: Seconds
    give_up: Callable[[Seconds], None]
    timer: Timer


class Awaited:
    """One deadline for each call whose caller was given a command, and for each outside leg.

    ``walk_on`` takes a caller's event, ``leg_ended`` an outside leg's end.
    """

    def __init__(
        self,
        *,
        send: Callable[[switch.SwitchCommand], None],
        note: Callable[[journal.Entry, Seconds], None],
        walk_on: Callable[[LiveCall, ivr_events.Event, Seconds], None],
        leg_ended: Callable[[LiveCall, LegEnded, Seconds], None],
    ) -> None:
        self._send = send
        self._note = note
        self._walk_on = walk_on
        self._leg_ended = leg_ended
        self._up_since: Seconds | None = None
        self._timers = Timers()
        self._waits: dict[str, _Wait] = {}

    def __len__(self) -> int:
        return len(self._waits)

    @property
    def next_at(self) -> Seconds | None:
        """When ``woke`` is wanted."""
        return self._timers.next_at

    def woke(self, now: Seconds) -> None:
        """Give up what has not come."""
        while timer := self._timers.pop_due(now):
            timer.action(now)

    def switch_up(self, now: Seconds) -> None:
        """The switch can be heard from now on."""
        self._up_since = now

    def switch_down(self) -> None:
        """It can't."""
        self._up_since = None

    # Callers -----------------------------------------------------------------------------

    def answer(self, call: LiveCall, command: Command, now: Seconds) -> None:
        """The caller was given a command."""
        self._await(
            call.call_id, longest_s(command), now, lambda at: self._no_answer(call, command, at)
        )

    def answered(self, call: LiveCall) -> None:
        """The answer is here."""
        call.silences = 0
        self.heard(call.call_id)

    def _no_answer(self, call: LiveCall, command: Command, now: Seconds) -> None:
        if call.stage not in (Stage.MENU, Stage.ENDING):
            return  # somebody has the caller
        self._irregular(f"no answer to {type(command).__name__}", now)
        if isinstance(command, HangUpCaller):
            self._send(switch.ForCaller(call.call_id, command))
            self.answer(call, command, now)
            return
        call.silences += 1
        if call.silences < SILENCES:
            self._walk_on(call, nothing_heard(command), now)
        else:
            call.stage = Stage.ENDING
            call.ending_as = Outcome.FAILED
            self._send(switch.Release(call.call_id))

    # Outside legs ------------------------------------------------------------------------

    def end_of(self, call: LiveCall, leg_id: LegId, within_s: Seconds, now: Seconds) -> None:
        """An outside leg must be joined or end ``within_s`` (and a margin), seconds."""
        self._await(leg_id, within_s + LEG_MARGIN_S, now, lambda at: self._no_end(call, leg_id, at))

    def _no_end(self, call: LiveCall, leg_id: LegId, now: Seconds) -> None:
        self._irregular("the end of an outside leg was not heard", now)
        self._send(StopRinging(leg_id, Disposition.NO_ANSWER))
        self._leg_ended(call, LegEnded(leg_id, Disposition.NO_ANSWER, "not heard of"), now)

    # Both --------------------------------------------------------------------------------

    def heard(self, key: str) -> None:
        """Nothing is owed of this call or leg any more."""
        if wait := self._waits.pop(key, None):
            wait.timer.cancel()

    def _await(
        self, key: str, patience_s: Seconds, now: Seconds, give_up: Callable[[Seconds], None]
    ) -> None:
        self.heard(key)
        timer = self._timers.at(now + patience_s, lambda at: self._passed(key, at))
        self._waits[key] = _Wait(patience_s, give_up, timer)

    def _passed(self, key: str, now: Seconds) -> None:
        wait = self._waits.pop(key)
        up_since = self._up_since
        if up_since is None or now < up_since + wait.patience_s:
            began = now if up_since is None else up_since
            self._await(key, wait.patience_s, began, wait.give_up)
        else:
            wait.give_up(now)

    def _irregular(self, what: str, now: Seconds) -> None:
        self._note(facts.Irregular(what), now)
