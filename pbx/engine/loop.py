"""The engine's shell: events and timers in, commands and journal entries out, in real time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import structlog

from pbx.engine.clicks import ClickResult
from pbx.engine.clock import Clock
from pbx.engine.core import EngineCore
from pbx.engine.stamps import Stamps
from pbx.journal.port import Entry, Journal, OpenCallback, OpenPause, OpenTalk, OpenWait, Stamped
from pbx.lookup.port import Lookup, Said
from pbx.plan.model import Plan
from pbx.switch.port import Phones, Switch, SwitchCommand, SwitchEvent
from routing import events
from routing.dispatcher import Dispatcher
from routing.estimate import ServiceRates
from routing.values import AgentId, CallId

_log = structlog.get_logger(__name__)

MAX_PENDING = 100_000
"""Events that may wait while one is handled; more means that something feeds itself."""


class Watcher(Protocol):
    """What the metrics want to know of the loop."""

    def observe(self, stamped: Stamped) -> None:
        """An entry for the journal."""

    def decision_seconds(self, seconds: float) -> None:
        """How long one switch event took from its arrival to its last command."""

    def handoff_seconds(self, seconds: float) -> None:
        """The same, where it freed an agent who was rung for the next caller at once."""


class EngineLoop:
    """Runs an ``EngineCore`` on a switch.

    An event is handled in the callback that brings it: nothing is between the news that an agent
    is free and the next call's ring.  Events that come in while one is handled wait in line.
    ``told``: hears each entry of the journal, too, and must not do more with it than keep it.
    """

    def __init__(
        self,
        plan: Plan,
        dispatcher: Dispatcher,
        switch: Switch,
        journal: Journal,
        clock: Clock,
        *,
        watcher: Watcher,
        id_prefix: str,
        told: Callable[[Stamped], None] = lambda _: None,
        open_waits: Mapping[CallId, OpenWait] = {},
        open_callbacks: Iterable[OpenCallback] = (),
        open_talks: Mapping[CallId, OpenTalk] = {},
        open_pauses: Iterable[OpenPause] = (),
        rates: ServiceRates | None = None,
        lookup: Lookup | None = None,
    ) -> None:
        self._switch = switch
        self._journal = journal
        self._clock = clock
        self._stamps = Stamps(clock)
        self._watcher = watcher
        self._told = told
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._pending: deque[Callable[[float], None]] = deque()
        self._handling = False
        self.failures = 0
        self.core = EngineCore(
            plan,
            dispatcher,
            send=self._send,
            note=self._note,
            to_utc=clock.utc,
            id_prefix=id_prefix,
            open_waits=open_waits,
            open_callbacks=open_callbacks,
            open_talks=open_talks,
            open_pauses=open_pauses,
            rates=rates,
            lookup=lookup,
        )

    async def start(self) -> None:
        """Connect the switch and open for work.

        Raises SwitchError when the switch refuses us.
        """
        self._do(self.core.open_for_work)
        await self._switch.start(self.on_event)

    async def drain(self) -> None:
        """Take no new calls; talks go on without us, who waits is left to the switch."""
        self.core.draining = True
        if self._timer is not None:
            self._timer.cancel()
        await self._switch.stop()

    def on_event(self, event: SwitchEvent) -> None:
        """Take an event of the switch."""
        self._do(lambda now: self.core.handle(event, now))

    def tell(self, event: events.Event) -> None:
        """Take an event for the distribution from elsewhere (a page, the command line)."""
        self._do(lambda now: self.core.tell(event, now))

    def looked_up(self, call_id: CallId, said: Said) -> None:
        """The CRM that was asked who calls has answered, or will not."""
        self._do(lambda now: self.core.looked_up(call_id, said, now))

    async def click_to_call(self, agent_id: AgentId, number: str) -> ClickResult:
        """A manager wants to talk with a number (as typed, or E.164): their devices are rung, then
        it is called, and both are joined.  Nothing is waited for: what becomes of it is a call in
        the log.  An event that fails is ``NOT_READY``, and told in the engine's log."""
        found = [ClickResult.NOT_READY]
        if self.core.switch_up and not self.core.draining:
            self._do(lambda now: found.append(self.core.clicks.click(agent_id, number, now)))
        return found[-1]

    def pause(self, agent_id: AgentId, reason: str, by: str) -> bool:
        """A person wants a manager to get no calls; False: no such manager."""
        return self._asked(lambda now: self.core.pauses.pause(agent_id, reason, by, now))

    def unpause(self, agent_id: AgentId, by: str) -> bool:
        """A person wants a manager to get calls again; False: no such manager."""
        return self._asked(lambda now: self.core.pauses.unpause(agent_id, by, now))

    def _asked(self, action: Callable[[float], bool]) -> bool:
        found = [False]
        self._do(lambda now: found.append(action(now)))
        return found[-1]

    def settle_callbacks(self, results: Mapping[str, str]) -> None:
        """The log knows why nobody needs to call: callback to result."""
        self._do(lambda now: self.core.callbacks.settled(results, now))

    def replace_plan(self, plan: Plan, phones: Phones) -> bool:
        """Put a new plan in force; False when that failed."""
        self._do(lambda now: self.core.replace_plan(plan, now, phones))
        return self.core.plan is plan

    def _do(self, action: Callable[[float], None]) -> None:
        if len(self._pending) >= MAX_PENDING:
            self.failures += 1
            return
        self._pending.append(action)
        if self._handling:
            return
        self._handling = True
        try:
            while self._pending:
                began = time.perf_counter()
                try:
                    self._pending.popleft()(self._clock.now())
                except Exception:
                    # One call's trouble must not take the others down: named, counted, gone on.
                    self.failures += 1
                    _log.exception("event_failed")
                took = time.perf_counter() - began
                self._watcher.decision_seconds(took)
                if self.core.handed_off:
                    self.core.handed_off = False
                    self._watcher.handoff_seconds(took)
        finally:
            self._handling = False
        self._set_timer()

    def _set_timer(self) -> None:
        at = self.core.wake_at
        if at == self._timer_at and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = at
        if at is not None and not self.core.draining:
            delay = max(0.0, at - self._clock.now())
            self._timer = asyncio.get_running_loop().call_later(delay, self._woke)

    def _woke(self) -> None:
        self._timer = None
        self._timer_at = None
        self._do(self.core.woke)

    def _send(self, command: SwitchCommand) -> None:
        self._switch.send(command)

    def _note(self, entry: Entry, now: float) -> None:
        stamped = self._stamps.stamp(entry, now)
        self._journal.write(stamped)
        self._watcher.observe(stamped)
        self._told(stamped)
