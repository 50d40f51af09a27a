"""Single legs: a device is rung, rings, is picked up, is told to stop.

House rules: a leg that was rung ends exactly once, by the switch's word or, when that stays silent
after it was told to stop, by a deadline of ours; both come in by ``ended``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

from routing import commands, facts
from routing.floor import Floor
from routing.offer import Chorus, Leg, Part
from routing.plan import Device
from routing.timers import Timer
from routing.values import Disposition, LegId, Seconds

STOP_GRACE_S = 10.0
"""A leg that was told to stop and whose end is not heard by then is taken as ended, seconds."""
JOIN_GRACE_S = 60.0
"""A leg picked up and neither joined nor ended by then is stopped, seconds."""


class Legs:
    """The devices that ring.  ``ended``: called with the leg, its disposition and the cause when
    the end of one is not heard of."""

    def __init__(self, floor: Floor, ended: Callable[[LegId, Disposition, str], None]) -> None:
        self._floor = floor
        self._ended = ended

    def ring(self, part: Part, device: Device, ends_at: Seconds) -> None:
        """Ring a device for its own ring time, until ``ends_at`` (core time) at most."""
        floor = self._floor
        leg_id = floor.legs.new_ids(1).at(0)
        now = floor.now
        leg = Leg(leg_id, part, device.device_id, now)
        part.legs[leg_id] = leg
        floor.legs.add(leg)
        offer = part.offer
        call_id = offer.call.call_id
        if floor.tells:
            floor.tell(
                facts.LegStarted(
                    leg_id,
                    call_id,
                    offer.offer_id,
                    part.agent_id,
                    device.device_id,
                    device.address,
                )
            )
        floor.command(
            commands.RingDevice(
                leg_id,
                offer.offer_id,
                call_id,
                part.agent_id,
                device.device_id,
                device.address,
                min(device.ring_time_s, ends_at - now),
            )
        )

    def ringing(self, leg_id: LegId) -> None:
        """The device reports that it rings."""
        leg = self._floor.legs.each(leg_id)
        if leg is None:
            self._floor.irregular("ringing of an unknown leg")
            return
        part = leg.part
        agent = self._floor.agents[part.agent_id]
        self._floor.tell(facts.LegRang(leg_id, part.offer.call.call_id))
        if part.offer.offer_id in agent.parts and not leg.stopped:
            agent.parts[part.offer.offer_id] = True
            self._floor.settle(agent, "ringing", part.offer.call)

    def answered(self, leg_id: LegId) -> None:
        """The device was picked up; who wins is told by the join."""
        leg = self._floor.legs.each(leg_id)
        if leg is None or leg.answered_at is not None:
            self._floor.irregular("answer of an unknown leg, or a second one")
            return
        leg.answered_at = self._floor.now
        if leg.grace is None:
            within_s = leg.part.offer.call.join_within_s or JOIN_GRACE_S
            leg.grace = self._floor.timers.at(
                self._floor.now + within_s, lambda now: self._never_joined(leg)
            )

    def _never_joined(self, leg: Leg) -> None:
        leg.grace = None
        self._floor.irregular("a leg picked up and never joined")
        self.stop([leg], Disposition.FAILED)

    def stop(self, legs: Sequence[Leg | Chorus], disposition: Disposition) -> None:
        """Tell the switch to end these legs; their ends are awaited, but not for ever."""
        legs = [leg for leg in legs if not leg.stopped]
        if not legs:
            return
        stopped: list[Sequence[LegId]] = []
        grace = self._floor.timers.at(
            self._floor.now + STOP_GRACE_S,
            lambda now: self._ends_not_heard(stopped, grace, disposition),
            owners=sum(len(leg) if isinstance(leg, Chorus) else 1 for leg in legs),
        )
        for leg in legs:
            leg.stopped = True
            if isinstance(leg, Chorus):
                stopped.append(leg.leg_ids)
                self._floor.command(commands.StopTogether(leg.leg_ids, disposition))
            else:
                stopped.append((leg.leg_id,))
                self._floor.command(commands.StopRinging(leg.leg_id, disposition))
            if leg.grace is not None:
                leg.grace.cancel()
            leg.grace = grace

    def caller_gone(self, leg: Leg) -> None:
        """The caller whom the leg talks with is with it no more: it ends by itself, at once."""
        if leg.leg_id in self._floor.legs and leg.grace is None:
            leg.grace = self._floor.timers.at(
                self._floor.now + STOP_GRACE_S, lambda now: self._left_behind(leg)
            )

    def _left_behind(self, leg: Leg) -> None:
        leg.grace = None
        self._floor.irregular("the end of a talk was not heard")
        self.stop([leg], Disposition.CANCELLED)

    def _ends_not_heard(
        self, stopped: Sequence[Sequence[LegId]], grace: Timer, disposition: Disposition
    ) -> None:
        for leg_id in chain.from_iterable(stopped):
            leg = self._floor.legs.each(leg_id)
            if leg is not None and leg.grace is grace:
                leg.grace = None
                self._floor.irregular("the end of a stopped leg was not heard")
                self._ended(leg.leg_id, disposition, "not heard of")
