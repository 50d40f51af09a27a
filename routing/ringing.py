"""Offers being rung: which agents ring on which devices, who gets the call, how it ends.

House rules: an agent is free of an offer when all legs of their part have ended, not before.  When
the last part of an offer is over without a talk, the caller goes on: to the next agents
(``offer_again``), or back to the menu.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from routing import commands, facts
from routing.agents import WorkingAgent
from routing.events import TalkFound
from routing.floor import Floor
from routing.leg_ids import LegIds
from routing.legs import Legs
from routing.offer import Call, Chorus, Leg, Offer, Part, Refusal, Result
from routing.plan import Device
from routing.timers import Timer
from routing.values import (
    AgentId,
    AgentState,
    Disposition,
    LegId,
    OfferId,
    ReturnReason,
    Seconds,
)
from routing.waiting import Waiting

# Looked up once: hundreds of phones ring for a call, and most are told to stop.
_ANSWERED, _WITHDRAWN = Disposition.ANSWERED, Result.WITHDRAWN
_FREE, _RESERVED = AgentState.FREE, AgentState.RESERVED
_AGENT_ID: Callable[[WorkingAgent], AgentId] = attrgetter("agent_id")
_ONLY_PHONE: Callable[[WorkingAgent], Device | None] = attrgetter("only_phone")


class Ringing:
    """All offers of one company.  ``offer_again``: called with a caller who wants an agent."""

    def __init__(self, floor: Floor, waiting: Waiting, offer_again: Callable[[Call], None]) -> None:
        self._floor = floor
        self._waiting = waiting
        self._offer_again = offer_again
        self.devices = Legs(floor, self.leg_ended)
        self._offers_made = 0

    def new_offer(self, call: Call, *, direct: bool, all_free: bool) -> Offer:
        """An offer in which nobody rings yet."""
        self._offers_made += 1
        offer_id = OfferId(f"{self._floor.id_prefix}o{self._offers_made}")
        call.offer = Offer(offer_id, call, direct, all_free)
        return call.offer

    def add_parts(self, offer: Offer, agents: Sequence[WorkingAgent], ring_time_s: Seconds) -> None:
        """Ring the devices of these agents, each after its delay, for so long in all."""
        parts: list[Part] = []
        ends_at = self._floor.now + ring_time_s
        deadline = self._floor.timers.at(
            ends_at, lambda now: self._rang_out(offer, agents, deadline), owners=len(agents)
        )
        for run, phones in _runs(agents):
            if len(phones) > 1 and ring_time_s > 0:
                self._ring_together(offer, run, phones, deadline, ends_at - self._floor.now)
                continue
            for agent in run:
                part = Part(offer, agent.agent_id, deadline)
                parts.append(part)
                offer.parts[agent.agent_id] = part
                agent.parts[offer.offer_id] = False
                if not offer.direct:
                    agent.queue_part = part
                self._floor.settle(agent, "offered", offer.call)
                self._ring(part, agent, ring_time_s, ends_at)
        # Only when all are rung: the last part that is over ends the offer.
        for part in parts:
            if not part.legs and not part.to_start:
                self._part_over(part, Result.FAILED)

    def _ring_together(
        self,
        offer: Offer,
        agents: Sequence[WorkingAgent],
        phones: Sequence[Device],
        deadline: Timer,
        most_s: Seconds,
    ) -> None:
        """Ring these, each on one device, at once and for so long at most.  They are free: what
        holds of each from here on is the same, and is kept once (``Chorus``)."""
        floor = self._floor
        offer_id, call_id = offer.offer_id, offer.call.call_id
        leg_ids = floor.legs.new_ids(len(agents))
        agent_ids = tuple(map(_AGENT_ID, agents))
        chorus = Chorus(offer, leg_ids, agent_ids, floor.now, deadline)
        rung: dict[AgentId, Part | Chorus] = dict.fromkeys(agent_ids, chorus)
        offer.parts = {**offer.parts, **rung} if offer.parts else rung
        if floor.tells:
            for leg_id, agent, phone in zip(leg_ids, agents, phones, strict=True):
                floor.tell_change(agent, _RESERVED, "offered", call_id)
                agent_id, device_id = agent.agent_id, phone.device_id
                floor.tell(
                    facts.LegStarted(leg_id, call_id, offer_id, agent_id, device_id, phone.address)
                )
        floor.take_from_free(agents, chorus)
        floor.legs.add_chorus(chorus)
        floor.command(
            commands.RingTogether(leg_ids, offer_id, call_id, agent_ids, tuple(phones), most_s)
        )

    def _ring(
        self, part: Part, agent: WorkingAgent, ring_time_s: Seconds, ends_at: Seconds
    ) -> None:
        for device in agent.plan.devices:
            if device.device_id in agent.unreachable or device.delay_s >= ring_time_s:
                continue
            if device.delay_s <= 0:
                self.devices.ring(part, device, ends_at)
            else:
                part.to_start[device.device_id] = self._floor.timers.at(
                    self._floor.now + device.delay_s, self._starter(part, device, ends_at)
                )

    def _starter(self, part: Part, device: Device, ends_at: Seconds) -> Callable[[Seconds], None]:
        def start(now: Seconds) -> None:
            del part.to_start[device.device_id]
            self.devices.ring(part, device, ends_at)

        return start

    def _rang_out(self, offer: Offer, agents: Sequence[WorkingAgent], deadline: Timer) -> None:
        """The time of their parts is over; who has picked up already may still be joined."""
        for agent in agents:
            part = offer.parts.get(agent.agent_id)
            if part is None or part.deadline is not deadline:
                continue  # was over before
            part.deadline = None
            if isinstance(part, Chorus):
                self._close([part], Result.NO_ANSWER, Disposition.NO_ANSWER)
                continue
            if any(leg.answered_at is not None for leg in part.legs.values()):
                others = [leg for leg in part.legs.values() if leg.answered_at is None]
                self.devices.stop(others, Disposition.NO_ANSWER)
                continue
            self._close([part], Result.NO_ANSWER, Disposition.NO_ANSWER)

    def withdraw_queue_part(self, agent: WorkingAgent) -> None:
        """The agent can't take the queue's call they are rung for; others may."""
        if isinstance(agent.queue_part, Chorus):
            self._floor.legs.dissolve(agent.queue_part)
        part = agent.queue_part
        if not isinstance(part, Part) or any(
            leg.answered_at is not None for leg in part.legs.values()
        ):
            return
        self._close([part], Result.WITHDRAWN, Disposition.CANCELLED)

    def close_offer(self, offer: Offer, result: str, disposition: Disposition) -> None:
        """The offer is over for the caller; agents are free when their legs have ended."""
        offer.call.offer = None
        if self._floor.tells:
            self._floor.tell(facts.OfferEnded(offer.offer_id, offer.call.call_id, result))
        # A chorus stands there for each of those in it.
        self._close(list(dict.fromkeys(offer.parts.values())), Result.WITHDRAWN, disposition)

    def _close(
        self, parts: Sequence[Part | Chorus], result: Result, disposition: Disposition
    ) -> None:
        """No device of these parts may win any more."""
        silenced: list[Leg | Chorus] = []
        without_legs: list[Part] = []
        for part in parts:
            part.closing = part.closing or result
            if part.deadline is not None:
                part.deadline.cancel(len(part) if isinstance(part, Chorus) else 1)
                part.deadline = None
            if isinstance(part, Chorus):
                silenced.append(part)
                continue
            if part.to_start:
                for timer in part.to_start.values():
                    timer.cancel()
                part.to_start.clear()
            if not part.legs:
                without_legs.append(part)
            for leg in part.legs.values():
                if leg.joined_at is None:
                    silenced.append(leg)
        self.devices.stop(silenced, disposition)
        for part in without_legs:
            self._part_over(part, part.closing or result)

    def _part_over(self, part: Part, result: Result) -> None:
        """All devices of an agent's part have ended: the agent is free of it."""
        offer = part.offer
        call = offer.call
        if offer.parts.pop(part.agent_id, None) is None:
            return
        if part.deadline is not None:
            part.deadline.cancel()
            part.deadline = None
        agent = self._floor.agents[part.agent_id]
        agent.parts.pop(offer.offer_id, None)
        if agent.queue_part is part:
            agent.queue_part = None
        if result is not _WITHDRAWN:
            if result is Result.NO_ANSWER and not offer.direct:
                agent.unanswered += 1
                limit = agent.plan.pause_after_no_answers
                if limit and agent.unanswered >= limit:
                    agent.pause_reason = f"no_answer_{agent.unanswered}_times"
            before = call.refusals.get(agent.agent_id)
            count = before.count + 1 if before else 1
            call.refusals[agent.agent_id] = Refusal(count, self._floor.now)
        self._floor.settle(agent, "offer_over", call)
        if offer.parts or call.offer is not offer:
            if call.offer is offer:
                self._offer_again(call)  # all at once: whoever is free joins in
            return
        call.offer = None
        self._floor.tell(facts.OfferEnded(offer.offer_id, call.call_id, result.value))
        if offer.direct:
            self.send_back(call, _RETURNS[result])
            return
        self._waiting.stand(call)
        self._offer_again(call)

    def answered(self, leg_id: LegId) -> None:
        """A device was picked up.  A callback is theirs from then on: the client, who would
        decide it by being joined, is not there yet."""
        leg = self._floor.legs.each(leg_id)
        self.devices.answered(leg_id)
        if leg is None or not (call := leg.part.offer.call).calls_back:
            return
        if call.taken_by is not None or leg.stopped:
            self.devices.stop([leg], Disposition.ANSWERED_ELSEWHERE)
            return
        call.taken_by = leg_id
        parts = dict.fromkeys(leg.part.offer.parts.values())
        others = [part for part in parts if part is not leg.part]
        self._close(others, Result.WITHDRAWN, Disposition.ANSWERED_ELSEWHERE)
        for timer in leg.part.to_start.values():
            timer.cancel()
        leg.part.to_start.clear()
        rest = [other for other in leg.part.legs.values() if other is not leg]
        self.devices.stop(rest, Disposition.ANSWERED_ELSEWHERE)

    def joined(self, leg_id: LegId) -> None:
        """The device talks with the caller: all others stop, the wait is over."""
        leg = self._floor.legs.alone(leg_id)
        if leg is None or leg.joined_at is not None:
            self._floor.irregular("a join of an unknown leg, or a second one")
            return
        part = leg.part
        offer = part.offer
        call = offer.call
        if call.joined is not None or (call.gone and call.call_id in self._floor.calls):
            self._floor.irregular("a second device joined the same caller")
            self.devices.stop([leg], Disposition.ANSWERED_ELSEWHERE)
            return
        if leg.answered_at is None:
            leg.answered_at = self._floor.now
        leg.joined_at = self._floor.now
        leg.stopped = False
        if leg.grace is not None:
            leg.grace.cancel()
            leg.grace = None
        call.joined = leg
        agent = self._floor.agents[part.agent_id]
        agent.unanswered = 0
        agent.talks[offer.offer_id] = not offer.direct
        if self._floor.tells:
            self._floor.tell(facts.LegJoined(leg_id, call.call_id, agent.agent_id))
        self._waiting.leave(call, "joined")
        if call.offer is offer:
            self.close_offer(offer, "joined", Disposition.ANSWERED_ELSEWHERE)
        self._floor.settle(agent, "joined", call)

    def take_over(self, call: Call, agent: WorkingAgent, event: TalkFound) -> None:
        """A talk that began before our time is from here on as if we had rung for it."""
        now = self._floor.now
        offer = self.new_offer(call, direct=event.queue_id is None, all_free=False)
        call.offer = None  # it has been taken
        part = Part(offer, agent.agent_id, closing=Result.WITHDRAWN)
        joined_at = now if event.joined_at is None else min(event.joined_at, now)
        leg = Leg(event.leg_id, part, event.device_id, min(event.started_at, joined_at))
        leg.answered_at = leg.joined_at = joined_at
        part.legs[leg.leg_id] = leg
        offer.parts[agent.agent_id] = part
        self._floor.legs.add(leg)
        call.joined = leg
        agent.talks[offer.offer_id] = not offer.direct
        if event.joined_at is None:
            self._floor.tell(facts.LegJoined(leg.leg_id, call.call_id, agent.agent_id))
        self._floor.settle(agent, "talk_found", call)

    def leg_ended(self, leg_id: LegId, disposition: Disposition, cause: str) -> None:
        """A leg is over: a talk, or one device less of a part."""
        floor = self._floor
        leg = floor.legs.pop(leg_id)
        if leg is None:
            floor.irregular("the end of an unknown leg")
            return
        if leg.grace is not None:
            leg.grace.cancel()
            leg.grace = None
        part = leg.part
        call = part.offer.call
        part.legs.pop(leg_id, None)
        joined = leg.joined_at is not None
        if joined:
            disposition = _ANSWERED
        elif disposition is _ANSWERED:
            # Picked up and gone before the join: nobody talked.
            disposition = Disposition.FAILED
        talk_s = floor.now - leg.joined_at if leg.joined_at is not None else 0.0
        if floor.tells:
            picked_up_at = leg.answered_at if leg.answered_at is not None else floor.now
            floor.tell(
                facts.LegFinished(
                    leg_id,
                    call.call_id,
                    part.agent_id,
                    disposition,
                    cause,
                    ring_s=picked_up_at - leg.started_at,
                    talk_s=talk_s,
                )
            )
        if joined:
            if not part.legs:
                self._part_over(part, Result.WITHDRAWN)
            self._talk_over(leg, talk_s)
            return
        if call.taken_by == leg_id and call.offer is part.offer:
            # Gone before the client came: what the client noticed of it only the engine knows.
            self.send_back(call, ReturnReason.NO_ANSWER)
            return
        part.dispositions.append(disposition)
        if part.closing is None and disposition is Disposition.REJECTED:
            self._close([part], Result.REFUSED, Disposition.CANCELLED)
        elif not part.legs and not part.to_start:
            self._part_over(part, part.closing or _result_of(part))

    def legs_ended(self, leg_ids: LegIds, disposition: Disposition, cause: str) -> None:
        """These are over, all alike: ``leg_ended`` for each, at once where nothing is to be said
        of one alone."""
        chorus = self._floor.legs.chorus_of(leg_ids)
        if (
            chorus is None
            or chorus.closing is not _WITHDRAWN
            or chorus.offer.call.offer is chorus.offer
        ):
            for leg_id in leg_ids:
                self.leg_ended(leg_id, disposition, cause)
            return
        floor, offer = self._floor, chorus.offer
        floor.legs.remove(chorus)
        if chorus.grace is not None:
            chorus.grace.cancel(len(leg_ids))
        parts = offer.parts
        left = [chorus.agent_ids[place] for place in leg_ids.but]
        offer.parts = {one: parts[one] for one in left if one in parts}
        if len(offer.parts) + len(chorus) < len(parts):  # others were rung too
            offer.parts = {one: part for one, part in parts.items() if part is not chorus}
        if floor.tells:
            how = Disposition.FAILED if disposition is _ANSWERED else disposition
            call_id, ring_s = offer.call.call_id, floor.now - chorus.started_at
            for leg_id, agent_id in zip(leg_ids, chorus.agents_left(), strict=True):
                floor.tell(
                    facts.LegFinished(
                        leg_id, call_id, agent_id, how, cause, ring_s=ring_s, talk_s=0.0
                    )
                )
                floor.tell_change(floor.agents[agent_id], _FREE, "offer_over", call_id)
        floor.give_to_free(chorus)

    def _talk_over(self, leg: Leg, talk_s: Seconds) -> None:
        offer = leg.part.offer
        call = offer.call
        agent = self._floor.agents[leg.part.agent_id]
        of_queue = agent.talks.pop(offer.offer_id, False)
        if self._floor.calls.get(call.call_id) is call:
            del self._floor.calls[call.call_id]
        agent.calls += 1
        agent.talk_s += talk_s
        agent.last_ended_at = self._floor.now
        if call.number:
            self._floor.last_talks.note(call.number, agent.agent_id, self._floor.now)
        if of_queue and agent.plan.wrap_up_s > 0:
            if agent.wrap_up is not None:
                agent.wrap_up.cancel()
            agent.wrap_up = self._floor.timers.at(
                self._floor.now + agent.plan.wrap_up_s, lambda now: self._wrap_up_over(agent)
            )
        self._floor.settle(agent, "talk_ended", call)

    def _wrap_up_over(self, agent: WorkingAgent) -> None:
        agent.wrap_up = None
        self._floor.settle(agent, "wrap_up_over")

    def send_back(self, call: Call, reason: ReturnReason) -> None:
        """The wait ends without an agent."""
        self._floor.calls.pop(call.call_id, None)
        call.gone = True
        self._waiting.leave(call, reason.value)
        if call.offer is not None:
            self.close_offer(call.offer, "withdrawn", Disposition.CANCELLED)
        self._floor.command(commands.ReturnCaller(call.call_id, reason))


def _runs(
    agents: Sequence[WorkingAgent],
) -> Iterator[tuple[Sequence[WorkingAgent], Sequence[Device]]]:
    """The agents in their order: those after each other who have one phone, in one run with these
    phones, the others without."""
    phones = list(filter(None, map(_ONLY_PHONE, agents)))
    if len(phones) == len(agents):
        yield agents, phones
        return
    for has_one, run in groupby(agents, lambda agent: agent.only_phone is not None):
        those = list(run)
        yield those, [one.only_phone for one in those if one.only_phone] if has_one else []


_RETURNS = {
    Result.REFUSED: ReturnReason.BUSY,
    Result.NO_ANSWER: ReturnReason.NO_ANSWER,
    Result.FAILED: ReturnReason.UNAVAILABLE,
    Result.WITHDRAWN: ReturnReason.UNAVAILABLE,
}


def _result_of(part: Part) -> Result:
    """What the ends of an agent's devices mean together."""
    ends = set(part.dispositions)
    if Disposition.NO_ANSWER in ends:
        return Result.NO_ANSWER
    if ends & {Disposition.BUSY, Disposition.REJECTED}:
        return Result.REFUSED
    return Result.FAILED
