"""Choosing: who of the free is rung for a call, and which call an agent who became free gets.

House rules: the strategy is asked, the dispatcher's files act.  A call whom nobody can help now is
asked about again when someone becomes free or when a time has come, so nobody is forgotten.
"""

from __future__ import annotations

from routing import facts
from routing.agents import WorkingAgent
from routing.floor import Floor
from routing.members import FreeFor, Members
from routing.offer import Call
from routing.one_manager import before_all, instead_of
from routing.ringing import Ringing
from routing.strategy import Choice
from routing.values import AgentId, AgentState, CallId, ReturnReason, Seconds
from routing.waiting import Waiting

ASK_AGAIN_S = 1.0
"""A strategy that wants to be asked again at a time that has come is asked so much later, seconds:
at the same moment it would say the same, without end."""
LEFT_OUT_SHOWN = 20
"""How many agents an offer names as left out: the log's row, and the work for it, stay small."""
LOOKS = (1, 8, 64, 512, 1_000_000)
"""How many waiting calls of each line are looked at for an agent who became free, in turn."""

_NAMED = "named by the CRM"
_WHO_NAMED = "whom the CRM named"
"""Why a manager goes before the strategy, and who is not to be had, for the log."""

_STATE_REASONS = {
    AgentState.OFFLINE: "offline",
    AgentState.RESERVED: "busy",
    AgentState.RINGING: "busy",
    AgentState.TALKING: "busy",
    AgentState.WRAP_UP: "wrap_up",
    AgentState.PAUSED: "paused",
}


class Choosing:
    """Brings callers and free agents together."""

    def __init__(self, floor: Floor, waiting: Waiting) -> None:
        self._floor = floor
        self._waiting = waiting
        self.ringing = Ringing(floor, waiting, self.offer)

    def serve_freed(self) -> None:
        """Give those who became free to who has waited longest for someone like them."""
        while self._floor.freed:
            if self._waiting.nobody_asks:
                self._floor.freed.clear()
                return
            agent_id = next(iter(self._floor.freed))
            del self._floor.freed[agent_id]
            agent = self._floor.agents[agent_id]
            if agent.state is not AgentState.FREE:
                continue
            self._serve(agent)

    def _serve(self, agent: WorkingAgent) -> None:
        """Offer calls to a free agent, in order of service over all their queues, until one
        takes them.  The first look takes the head of each line, which nearly always does."""
        tried: set[CallId] = set()
        for look in LOOKS:
            found = self._candidates(agent, look)
            for call in found:
                if call.call_id not in tried:
                    tried.add(call.call_id)
                    self.offer(call)
                    if agent.state is not AgentState.FREE:
                        return
            if len(found) < look:
                return

    def _candidates(self, agent: WorkingAgent, look: int) -> list[Call]:
        turns = self._waiting.turns_for(agent.agent_id, agent.queues, agent.skills, look)
        calls = self._floor.calls
        return [calls[turn[3]] for turn in turns if turn[3] in calls]

    def _barred(self, call: Call, members: Members) -> frozenset[AgentId]:
        """Members who refused this call: within the retry time, or while another, who refused
        less often, is free."""
        if not call.refusals:
            return frozenset()
        retry_s = members.queue.retry_delay_s
        again = {
            agent_id: refusal.count
            for agent_id, refusal in call.refusals.items()
            if refusal.at + retry_s <= self._floor.now and members.is_free(agent_id)
        }
        barred = set(call.refusals) - set(again)
        fresh = FreeFor(members, self._floor.agents, call.needs_now, frozenset(call.refusals), {})
        if fresh.first() is not None:
            return frozenset(call.refusals)
        least = min(again.values(), default=0)
        barred.update(agent_id for agent_id, count in again.items() if count > least)
        return frozenset(barred)

    def offer(self, call: Call) -> None:
        """Ring for this call whom its strategy chooses among those free now."""
        if call.gone or call.joined is not None or call.queue_id is None:
            return
        if call.offer is not None and not call.offer.all_free:
            return
        if call.taken_by is not None:
            return
        members = self._floor.members[call.queue_id]
        if call.offer is None and (reason := self._waits_in_vain(call, members)):
            self.ringing.send_back(call, reason)
            return
        if call.ask_again is not None:
            call.ask_again.cancel()
            call.ask_again = None
        self._waiting.wait_for_nobody(call)
        choice = Choice((), "nobody is free")
        barred: frozenset[AgentId] = frozenset()
        if members.free_count:
            barred = self._barred(call, members)
            free = FreeFor(members, self._floor.agents, call.needs_now, barred, call.refusals)
            if free.first() is not None:
                choice = self._choose(call, members, free)
        chosen = members.free_of(choice.chosen)
        if not chosen:
            self._wait_on(call, members, choice)
            return
        if call.offer is None:
            call.offer = self.ringing.new_offer(call, direct=False, all_free=choice.all_free)
            if not choice.all_free:
                self._waiting.step_out(call)
        offer = call.offer
        if self._floor.tells:
            ids = tuple(agent.agent_id for agent in chosen)
            self._floor.tell(
                facts.OfferMade(
                    offer.offer_id,
                    call.call_id,
                    call.queue_id,
                    members.strategy.name,
                    ids,
                    self._left_out(members, call, ids, barred),
                    choice.why,
                )
            )
        members.last_chosen = chosen[-1].agent_id
        self.ringing.add_parts(offer, chosen, members.queue.ring_time_s)

    def _choose(self, call: Call, members: Members, free: FreeFor) -> Choice:
        """Whom to ring of those free: who is responsible for the caller, else whom the strategy
        says.  While phones of theirs ring already, it goes on as it began."""
        now, manager = self._floor.now, call.manager
        if manager is None or call.offer is not None:
            return members.strategy.choose(call, free, now)
        until = call.waiting_since + members.queue.manager_wait_s
        choice = before_all(manager, free, _NAMED, until=until, now=now)
        if choice is not None:
            return choice
        return instead_of(manager, _WHO_NAMED, members.strategy.choose(call, free, now))

    def _waits_in_vain(self, call: Call, members: Members) -> ReturnReason | None:
        """Why the caller is not to wait any longer: who would have served them has left meanwhile,
        maybe while a phone rang."""
        if not members.queue.members:
            return ReturnReason.UNAVAILABLE
        if call.leaves_if_nobody and not members.free_count:
            at_work = self._floor.somebody_on_duty(members.queue)
            return None if at_work else ReturnReason.NO_AGENTS
        return None

    def _wait_on(self, call: Call, members: Members, choice: Choice) -> None:
        """Nobody for now: see to it that the call is asked about again."""
        if choice.wait_for is not None:
            self._waiting.wait_for(call, choice.wait_for)
        times = [] if choice.ask_again_at is None else [self.later(choice.ask_again_at)]
        retry_s = members.queue.retry_delay_s
        times += [
            refusal.at + retry_s
            for refusal in call.refusals.values()
            if refusal.at + retry_s > self._floor.now
        ]
        if times:
            call.ask_again = self._floor.timers.at(min(times), lambda now: self._asked_again(call))

    def later(self, at: Seconds) -> Seconds:
        """``at``, or a little after now when that is not in the future."""
        return at if at > self._floor.now else self._floor.now + ASK_AGAIN_S

    def _asked_again(self, call: Call) -> None:
        call.ask_again = None
        self.offer(call)

    def _left_out(
        self,
        members: Members,
        call: Call,
        chosen: tuple[AgentId, ...],
        barred: frozenset[AgentId],
    ) -> tuple[facts.LeftOut, ...]:
        """The first members who were not asked, and why not."""
        found: list[facts.LeftOut] = []
        looked_at = set(chosen)
        for agent_id in members.queue.members:
            if len(found) >= LEFT_OUT_SHOWN:
                break
            agent = self._floor.agents.get(agent_id)
            if agent is None or agent_id in looked_at:
                continue
            found.append(facts.LeftOut(agent_id, self._why_not(agent, call, barred)))
        return tuple(found)

    def _why_not(self, agent: WorkingAgent, call: Call, barred: frozenset[AgentId]) -> str:
        state = agent.state
        if state is AgentState.PAUSED and agent.pause_reason is not None:
            return "paused"
        if state is not AgentState.FREE:
            return _STATE_REASONS[state]
        if not agent.reachable:
            return "unreachable"
        if any(agent.skills.get(one.skill, 0) < one.min_level for one in call.needs_now):
            return "skill"
        return "just_refused" if agent.agent_id in barred else "not_chosen"
