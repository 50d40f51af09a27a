"""Click-to-call: a manager wants to talk with a number, and we call first them, then it.

House rules: part of core.py, as pure.  An attempt like that of a callback (callback_attempts.py),
made once: whatever ends it closes it.  Nothing is kept of it over a restart but its call in the
log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from ivr.commands import PlayPrompts
from ivr.nodes import Prompt, PromptKind
from pbx.engine.call import LiveCalls
from pbx.engine.callback import Callback
from pbx.engine.callbacks import Callbacks
from pbx.engine.elsewhere import Elsewhere
from pbx.engine.outside import OutsideRefusal
from pbx.journal import port as journal
from pbx.numbers import normalise
from pbx.plan.model import CallbackRule, Plan
from routing import events
from routing.agents import WorkingAgent
from routing.dispatcher import Dispatcher
from routing.values import AgentId, AgentState, CallId, QueueId, Seconds

RING_S = 30.0
"""How long the manager is rung, and the client where no queue of theirs says it, seconds."""
SIGNAL = Prompt(PromptKind.SOUND, "beep")
"""What the manager hears who picks up: who has clicked knows what it is."""


class ClickResult(StrEnum):
    """What became of the wish."""

    RINGING = "ringing"
    """The manager's devices are being rung."""
    UNKNOWN_MANAGER = "unknown_manager"
    """Nobody of that key is in the plan."""
    OFFLINE = "offline"
    """The manager is not at work."""
    PAUSED = "paused"
    """The manager is paused."""
    BUSY = "busy"
    """The manager talks, or is rung."""
    UNREACHABLE = "unreachable"
    """None of the manager's devices can be rung."""
    NO_NUMBER = "no_number"
    """It is no number that one could call from here."""
    CLIENT_BUSY = "client_busy"
    """The client is on the line with us, or is being called."""
    NOT_ALLOWED = "not_allowed"
    """``settings.outside`` does not let it be called, or there is no trunk."""
    PREMIUM = "premium"
    """It costs by the minute."""
    HOURS = "hours"
    """Outside ``settings.outside_hours``."""
    LIMIT = "limit"
    """``settings.outside_per_hour`` are used up."""
    MANAGER_LIMIT = "manager_limit"
    """``settings.outside_per_hour_each`` are."""
    NOT_READY = "not_ready"
    """The engine is stopping, or has no line to the switch."""

    @property
    def accepted(self) -> bool:
        """Somebody is rung for it."""
        return self is ClickResult.RINGING


_WHY_NOT = {
    AgentState.OFFLINE: ClickResult.OFFLINE,
    AgentState.PAUSED: ClickResult.PAUSED,
    AgentState.RESERVED: ClickResult.BUSY,
    AgentState.RINGING: ClickResult.BUSY,
    AgentState.TALKING: ClickResult.BUSY,
}
_REFUSED = {one: ClickResult(one.value) for one in OutsideRefusal}


class Clicks:
    """The calls that managers want, from the wish to the talk.  A book of callback_attempts.py."""

    def __init__(
        self,
        calls: LiveCalls,
        callbacks: Callbacks,
        elsewhere: Elsewhere,
        dispatcher: Dispatcher,
        *,
        to_utc: Callable[[Seconds], datetime],
        id_prefix: str,
    ) -> None:
        self._calls = calls
        self._callbacks = callbacks
        self._elsewhere = elsewhere
        self._dispatcher = dispatcher
        self._to_utc = to_utc
        self._id_prefix = id_prefix
        self._made = 0
        self._open: dict[str, Callback] = {}

    @property
    def plan(self) -> Plan:
        """The plan in force."""
        return self._callbacks.plan

    def click(self, agent_id: AgentId, typed: str, now: Seconds) -> ClickResult:
        """The manager wants to talk with the number, as typed or E.164."""
        plan = self.plan
        agent = self._dispatcher.agents.get(agent_id)
        if agent is None or agent.removed:
            return ClickResult.UNKNOWN_MANAGER
        if (why := _WHY_NOT.get(agent.state)) is not None:
            return why
        if not agent.reachable:
            return ClickResult.UNREACHABLE
        known = normalise(typed, plan.region)
        number = known.e164
        if not number or not known.valid or number in plan.numbers:
            return ClickResult.NO_NUMBER
        if not plan.trunk:
            return ClickResult.NOT_ALLOWED
        at = self._to_utc(now)
        refused = self._elsewhere.limits.why_not(plan, number, agent_id, now, at)
        if refused is not None:
            return _REFUSED[refused]
        if self._client_busy(number):
            return ClickResult.CLIENT_BUSY
        return self._ring(agent, number, now)

    def _client_busy(self, number: str) -> bool:
        clicked = any(one.number == number for one in self._open.values())
        return clicked or number in self._calls.clients or self._callbacks.being_called(number)

    def _ring(self, agent: WorkingAgent, number: str, now: Seconds) -> ClickResult:
        plan = self.plan
        self._made += 1
        callback_id = f"{journal.CLICK}{self._id_prefix}{self._made}"
        opened = journal.CallbackOpened(
            callback_id=callback_id,
            call_id=CallId(callback_id),
            number=number,
            queue_id=agent.queues[0] if agent.queues else QueueId(""),
            did=next(iter(plan.numbers), ""),
            name="",
            language=plan.languages[0],
            needs=(),
            priority=0,
            since=self._to_utc(now),
            missed=False,
        )
        back = Callback(opened, self, now, opened_at=now, by=agent.agent_id)
        self._open[callback_id] = back
        # Their callback keeps its place, and nobody is rung for it meanwhile.
        self._callbacks.hold(number, now)
        self._callbacks.attempts.stand(back, self.rule(back), now)
        return ClickResult.RINGING if callback_id in self._open else ClickResult.BUSY

    # As callback_attempts.py wants it ----------------------------------------------------

    def rule(self, back: Callback) -> CallbackRule:
        """Once, for as long as the queue's callbacks ring."""
        of_queue = self.plan.callback_rules.get(back.opened.queue_id)
        return CallbackRule(attempts=1, ring_time_s=of_queue.ring_time_s if of_queue else RING_S)

    def asks(self, back: Callback, call_id: CallId, join_within_s: Seconds) -> events.Event:
        """The one manager."""
        assert back.by is not None, "a click has a manager"
        return events.CallerForAgent(
            call_id, back.by, back.number, RING_S, join_within_s=join_within_s
        )

    def says(self, back: Callback, agent_id: AgentId) -> PlayPrompts:
        """Only that the line is there."""
        plan = self.plan
        return PlayPrompts((SIGNAL,), plan.agent_languages.get(agent_id, plan.languages[0]))

    def mark(self, back: Callback, call_id: CallId, now: Seconds) -> None:
        """Nobody would make it again."""

    def is_time(self, back: Callback, now: Seconds) -> bool:
        """It was asked, and is asked again when the client is called."""
        return True

    def put(self, back: Callback, at: Seconds, now: Seconds, reason: str) -> None:
        """There is no other time."""
        self.close(back, reason, now)

    def close(self, back: Callback, result: str, now: Seconds) -> None:
        """It has come to nothing."""
        self.forget(back, result, now)
        self._callbacks.attempts.end(back, result, now)

    def forget(self, back: Callback, result: str, now: Seconds) -> None:
        """It is over for us: they talk, or will not."""
        self._open.pop(back.callback_id, None)
        if result == "talked":
            self._callbacks.talked(back.number, now)
        self._callbacks.release(back.number, now)
