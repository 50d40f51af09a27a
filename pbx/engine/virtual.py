"""An engine and a simulated switch in virtual time: no clock, no event loop, no sleep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pbx.engine.clock import VirtualClock
from pbx.engine.core import EngineCore
from pbx.engine.stamps import Stamps
from pbx.journal.port import Entry, OpenTalk, Stamped
from pbx.lookup.port import DEFAULT_LIMIT_S, Lookup, Request, Said
from pbx.plan.model import Plan
from pbx.switch.port import SwitchEvent
from pbx.switch.script import Script
from pbx.switch.simulated import SimulatedSwitch
from routing.dispatcher import Dispatcher
from routing.estimate import ServiceRates
from routing.values import CallId, Seconds


@dataclass(frozen=True, slots=True)
class Reply:
    """What a CRM says, so long after it was asked; later than the limit is never."""

    said: Said
    after_s: Seconds = 0.1


Crm = Callable[[Request], Reply | str]
"""A CRM in virtual time; a text is why it is not asked now."""


class VirtualWorld:
    """Plays a script against a plan.  ``on_entry`` takes the journal's entries.  ``switch``: one
    that plays a script of its own, instead of ``script``.  ``rates``: what the queues have lately
    done; ``open_talks``: of an engine before.  ``crm``: says who calls, None: nobody is
    asked."""

    def __init__(
        self,
        plan: Plan,
        dispatcher: Dispatcher,
        script: Script | None = None,
        *,
        start: float,
        on_entry: Callable[[Stamped], None],
        id_prefix: str = "",
        switch: SimulatedSwitch | None = None,
        rates: ServiceRates | None = None,
        open_talks: Mapping[CallId, OpenTalk] = {},
        crm: Crm | None = None,
        limit_s: Seconds = DEFAULT_LIMIT_S,
    ) -> None:
        self.clock = VirtualClock(start)
        self.stamps = Stamps(self.clock)
        self.switch = switch or SimulatedSwitch(script or Script(()), start=start)
        self._on_entry = on_entry
        self._crm = crm
        self.core = EngineCore(
            plan,
            dispatcher,
            send=self.switch.send,
            note=self._note,
            to_utc=self.clock.utc,
            id_prefix=id_prefix,
            open_talks=open_talks,
            rates=rates,
            lookup=Lookup(self._ask, limit_s) if crm is not None else None,
        )
        self.core.open_for_work(start)
        self.switch.begin(self._event)

    def run(self, until: float) -> None:
        """Let everything happen that is due up to ``until`` (core time)."""
        while (at := self.next_at) is not None and at <= until:
            self.step()
        self.clock.advance_to(until)
        self.switch.advance(until)

    @property
    def next_at(self) -> float | None:
        """When the next thing happens, in the switch or in the engine."""
        times = [at for at in (self.switch.next_at, self.core.wake_at) if at is not None]
        return min(times) if times else None

    def step(self) -> None:
        """Let the next thing happen."""
        wake_at, switch_at = self.core.wake_at, self.switch.next_at
        if switch_at is not None and (wake_at is None or switch_at <= wake_at):
            # The switch runs its own action with the engine's clock already there: what the
            # engine sends from within is timed right.
            self.clock.advance_to(switch_at)
            self.switch.run_next()
        elif wake_at is not None:
            self.clock.advance_to(wake_at)
            self.switch.advance(self.clock.now())
            self.core.woke(self.clock.now())

    def _ask(self, request: Request) -> str:
        assert self._crm is not None
        reply = self._crm(request)
        if isinstance(reply, str):
            return reply
        self.switch.later(
            reply.after_s,
            lambda: self.core.looked_up(request.call_id, reply.said, self.clock.now()),
        )
        return ""

    def _event(self, event: SwitchEvent) -> None:
        self.core.handle(event, self.clock.now())

    def _note(self, entry: Entry, now: float) -> None:
        self._on_entry(self.stamps.stamp(entry, now))
