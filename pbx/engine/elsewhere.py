"""Legs that the distribution does not know: outside numbers, and talks that an agent arranged.

House rules: part of core.py, as pure; a caller whom nobody outside takes goes back through
``give_back``.  Every outside number passes here, a manager's own mobile too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ivr.commands import CallOutside
from pbx.engine.awaited import JOIN_S, Awaited
from pbx.engine.call import LiveCall, LiveCalls, OutsideLeg, Stage
from pbx.engine.devices import DeviceMap
from pbx.engine.outside import REFUSED_AFTER_S, OutsideCalls, RefusedLeg
from pbx.engine.recording import Recordings
from pbx.journal import port as journal
from pbx.plan.model import Plan
from pbx.switch import port as switch
from routing import commands, events
from routing.values import AgentId, CallId, Disposition, LegId, ReturnReason, Seconds

LegEvent = events.DeviceRinging | events.DeviceAnswered | events.Joined | events.LegEnded


class Elsewhere:
    """``plan``: the one in force, whose limits hold for outside calls (not the call's own).
    ``on_talk``: called when anybody begins to talk with a caller."""

    def __init__(
        self,
        plan: Plan,
        calls: LiveCalls,
        recordings: Recordings,
        awaited: Awaited,
        *,
        send: Callable[[switch.SwitchCommand], None],
        note: Callable[[journal.Entry, Seconds], None],
        to_utc: Callable[[Seconds], datetime],
        give_back: Callable[[LiveCall, ReturnReason, Seconds], None],
        on_talk: Callable[[LiveCall, Seconds], None],
        id_prefix: str,
    ) -> None:
        self.plan = plan
        self.limits = OutsideCalls()
        self._calls = calls
        self._recordings = recordings
        self._awaited = awaited
        self._send = send
        self._note = note
        self._to_utc = to_utc
        self._give_back = give_back
        self._on_talk = on_talk
        self._id_prefix = id_prefix
        self._made = 0
        self._refused: dict[LegId, RefusedLeg] = {}

    # Outside numbers ---------------------------------------------------------------------

    def ring(self, call: LiveCall, command: CallOutside, now: Seconds) -> None:
        """Ring an outside number for the caller."""
        leg_id = self.new_leg()
        if self.refusal(call.call_id, leg_id, command.number, call.giver, now):
            self._give_back(call, ReturnReason.FAILED, now)
            return
        call.stage = Stage.OUTSIDE
        call.waiting_since = now
        call.outside_leg = OutsideLeg(leg_id, started_at=now)
        self._calls.by_outside_leg[leg_id] = call
        self._note(
            journal.OutsideLegStarted(call.call_id, leg_id, command.address, command.number), now
        )
        self._send(
            switch.Ring(
                leg_id,
                call.call_id,
                command.address,
                command.ring_time_s,
                call.caller_shown,
                call.caller_name,
                self._recordings.name_for(call, leg_id, self._to_utc(now)),
            )
        )
        self._send(switch.Hold(call.call_id, "ringing"))
        self._awaited.end_of(call, leg_id, command.ring_time_s, now)

    def refusal(
        self, call_id: CallId, leg_id: LegId, number: str, agent_id: AgentId | None, now: Seconds
    ) -> str | None:
        """Why this outside number may not be called now, None when it may; counts the call."""
        why = self.limits.ask(self.plan, number, agent_id, now, self._to_utc(now))
        if why is not None:
            refused = journal.OutsideRefused(call_id, leg_id, number, agent_id, why.value)
            self._note(refused, now)
        return why

    def new_leg(self) -> LegId:
        """An id for a leg of ours."""
        self._made += 1
        return LegId(f"{self._id_prefix}x{self._made}")

    def heard(self, call: LiveCall, event: LegEvent, now: Seconds) -> None:
        """The switch told of an outside leg."""
        leg = call.outside_leg
        if leg is None or leg.leg_id != event.leg_id:
            if isinstance(event, events.LegEnded):
                self._awaited.heard(event.leg_id)
                del self._calls.by_outside_leg[event.leg_id]
            return
        match event:
            case events.DeviceAnswered(leg_id):
                self._awaited.end_of(call, leg_id, JOIN_S, now)
            case events.Joined():
                self._awaited.heard(leg.leg_id)
                leg.joined = True
                leg.joined_at = now
                self.talk_begins(call, leg.leg_id, now)
            case events.LegEnded(leg_id, disposition, cause):
                self._awaited.heard(leg_id)
                self._ended(call, leg, disposition, cause, now)

    def _ended(
        self, call: LiveCall, leg: OutsideLeg, disposition: Disposition, cause: str, now: Seconds
    ) -> None:
        picked_up_at = leg.joined_at if leg.joined else now
        self._note(
            journal.OutsideLegFinished(
                call.call_id,
                leg.leg_id,
                disposition.value,
                cause,
                ring_s=picked_up_at - leg.started_at,
                talk_s=now - picked_up_at,
            ),
            now,
        )
        if call.talking_leg == leg.leg_id:
            call.talk_ends(now)
        call.outside_leg = None
        del self._calls.by_outside_leg[leg.leg_id]
        self._recordings.ended(leg.leg_id)
        if not leg.joined and call.stage is Stage.OUTSIDE:
            self._give_back(call, _why_not(disposition), now)

    # A manager's device at an outside number -----------------------------------------------

    @property
    def next_at(self) -> Seconds | None:
        """When the next leg that was refused ends for the distribution."""
        return min((leg.ends_at for leg in self._refused.values()), default=None)

    def refuses(self, command: commands.RingDevice, now: Seconds) -> bool:
        """May this device not be rung?  Then the distribution hears of its end a little later."""
        number = self.plan.outside_devices.get(command.address)
        if number is None:
            return False
        why = self.refusal(command.call_id, command.leg_id, number, command.agent_id, now)
        if why is None:
            return False
        ends_at = now + REFUSED_AFTER_S
        self._refused[command.leg_id] = RefusedLeg(ends_at, journal.REFUSED + why)
        return True

    def due(self, now: Seconds) -> list[LegId]:
        """Refused legs that are to end now."""
        return [leg_id for leg_id, leg in self._refused.items() if leg.ends_at <= now]

    def take_refused(
        self, leg_id: LegId, disposition: Disposition = Disposition.FAILED
    ) -> events.LegEnded | None:
        """The end of a refused leg; None where it was not, or is over already."""
        leg = self._refused.pop(leg_id, None)
        return None if leg is None else events.LegEnded(leg_id, disposition, leg.why)

    # Talks that others arranged ----------------------------------------------------------

    def talks(
        self, call: LiveCall, devices: DeviceMap, address: str, number: str, now: Seconds
    ) -> None:
        """The caller talks with who is at ``address``, on a leg that was not rung for them."""
        agent_id = next(iter(devices.agents_at(address)), None)
        leg = OutsideLeg(
            self.new_leg(), now, joined=True, joined_at=now, handed_over=True, agent=agent_id
        )
        call.outside_leg = leg
        call.last_agent = agent_id
        self._note(
            journal.OutsideLegStarted(call.call_id, leg.leg_id, address, number, agent_id), now
        )
        self.talk_begins(call, leg.leg_id, now)

    def handed_over_ends(self, call: LiveCall, now: Seconds) -> None:
        """Such a talk is over, if there is one."""
        leg = call.outside_leg
        if leg is None or not leg.handed_over:
            return
        call.outside_leg = None
        self._note(
            journal.OutsideLegFinished(
                call.call_id,
                leg.leg_id,
                Disposition.ANSWERED.value,
                "",
                ring_s=0.0,
                talk_s=now - leg.joined_at,
                agent=leg.agent,
            ),
            now,
        )

    def talk_begins(self, call: LiveCall, leg_id: LegId, now: Seconds) -> None:
        """On any leg, the distribution's too."""
        call.talk_begins(leg_id, now)
        self._recordings.joined(leg_id, now, self._to_utc(now))
        self._on_talk(call, now)


def _why_not(disposition: Disposition) -> ReturnReason:
    """What an outside number's failed leg means to the menu tree."""
    match disposition:
        case Disposition.BUSY | Disposition.REJECTED:
            return ReturnReason.BUSY
        case Disposition.NO_ANSWER:
            return ReturnReason.NO_ANSWER
        case _:
            return ReturnReason.FAILED
