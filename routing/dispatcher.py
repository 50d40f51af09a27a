"""The distribution: ``handle(event, now)``; the only writer of the distribution's state.

House rules: an event that does not fit changes nothing and is told as ``Irregular``.  A leg that
was rung ends exactly once, by ``LegEnded`` or, when the switch stays silent after it was told to
stop, by a deadline of ours.  Everything that frees an agent or a caller goes through ``_settle``
and ``_offer``, so nobody is forgotten.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from routing import commands, events, facts
from routing.agents import FreeFor, Members, WorkingAgent
from routing.memory import LastTalk, Memory
from routing.offer import Call, Leg, Offer, Part, Refusal, Result
from routing.plan import Device, Queue, RoutingPlan, StrategyChoice
from routing.strategy import Choice, Registry, Strategy
from routing.timers import Timers
from routing.values import (
    AgentId,
    AgentState,
    CallId,
    Disposition,
    LegId,
    OfferId,
    QueueId,
    ReturnReason,
    Seconds,
)
from routing.waiting_line import Turn, WaitingLine

STOP_GRACE_S = 10.0
"""A leg that was told to stop and whose end is not heard by then is taken as ended, seconds."""
JOIN_GRACE_S = 60.0
"""A leg picked up and neither joined nor ended by then is stopped, seconds."""
LEFT_OUT_SHOWN = 20
"""How many agents an offer names as left out: the log's row, and the work for it, stay small."""
LOOKS = (1, 8, 64, 512, 1_000_000)
"""How many waiting calls of each line are looked at for an agent who became free, in turn."""

_STATE_REASONS = {
    AgentState.OFFLINE: "offline",
    AgentState.RESERVED: "busy",
    AgentState.RINGING: "busy",
    AgentState.TALKING: "busy",
    AgentState.WRAP_UP: "wrap_up",
    AgentState.PAUSED: "paused",
}


@dataclass(frozen=True, slots=True)
class Step:
    """What one event brought about, in order."""

    commands: tuple[commands.Command, ...]
    facts: tuple[facts.Fact, ...]


class Dispatcher:
    """All queues and agents of one company.

    ``rng`` is for strategies that choose by chance; ``id_prefix`` makes ids unique over restarts.
    """

    def __init__(
        self,
        plan: RoutingPlan,
        *,
        strategies: Registry,
        rng: random.Random,
        memory: Memory | None = None,
        id_prefix: str = "",
    ) -> None:
        self._strategies = strategies
        self._rng = rng
        self._prefix = id_prefix
        self._offers_made = 0
        self._legs_made = 0
        self._arrivals = 0
        self._now: Seconds = 0.0
        self._commands: list[commands.Command] = []
        self._facts: list[facts.Fact] = []
        self._timers = Timers()
        self._announced: Seconds | None = None
        memory = memory or Memory()
        self._last_talks: dict[str, LastTalk] = dict(memory.last_talks)
        self._agents: dict[AgentId, WorkingAgent] = {}
        self._members: dict[QueueId, Members] = {}
        self._lines: dict[QueueId, WaitingLine] = {}
        self._waiting: dict[QueueId, dict[CallId, Call]] = {}
        self._order: dict[QueueId, list[Turn]] = {}
        self._waiting_for: dict[AgentId, dict[CallId, Call]] = {}
        self._calls: dict[CallId, Call] = {}
        self._legs: dict[LegId, Leg] = {}
        self._freed: dict[AgentId, None] = {}
        self._plan = plan
        self._take_plan(plan)
        for agent_id, record in memory.records.items():
            if agent := self._agents.get(agent_id):
                agent.remember(record)
        for queue_id, agent_id in memory.last_chosen.items():
            if queue_id in self._members:
                self._members[queue_id].last_chosen = agent_id

    # Questions ---------------------------------------------------------------------------

    def waiting(self, queue_id: QueueId) -> int:
        """Callers waiting in a queue, those being offered included."""
        return len(self._waiting.get(queue_id, ()))

    def oldest_wait_s(self, queue_id: QueueId, now: Seconds) -> Seconds:
        """The longest wait of those waiting now, seconds; 0 when nobody waits."""
        line = self._waiting.get(queue_id)
        return (
            max((now - call.waiting_since for call in line.values()), default=0.0) if line else 0.0
        )

    def agent_state(self, agent_id: AgentId) -> AgentState | None:
        """What the agent is doing; None for an unknown one."""
        agent = self._agents.get(agent_id)
        return agent.state if agent else None

    def agents_by_state(self) -> dict[AgentState, int]:
        """How many agents are in each state."""
        counts = dict.fromkeys(AgentState, 0)
        for agent in self._agents.values():
            counts[agent.state] += 1
        return counts

    @property
    def agents(self) -> Mapping[AgentId, WorkingAgent]:
        """For reading only."""
        return self._agents

    @property
    def calls(self) -> Mapping[CallId, Call]:
        """For reading only."""
        return self._calls

    @property
    def legs(self) -> Mapping[LegId, Leg]:
        """For reading only."""
        return self._legs

    @property
    def timers(self) -> Timers:
        """For reading only."""
        return self._timers

    def free_in(self, queue_id: QueueId) -> int:
        """Members of a queue who are free."""
        members = self._members.get(queue_id)
        return members.free_count if members is not None else 0

    # Events ------------------------------------------------------------------------------

    def handle(self, event: events.Event, now: Seconds) -> Step:
        """Take an event; returns what is to be done and what happened.  Never raises for any
        order of events.  ``now`` that goes back is taken as the time before."""
        self._now = max(self._now, now)
        self._react(event)
        self._serve_freed()
        next_at = self._timers.next_at
        if next_at != self._announced:
            self._announced = next_at
            if next_at is not None:
                self._commands.append(commands.WakeAt(next_at))
        step = Step(tuple(self._commands), tuple(self._facts))
        self._commands.clear()
        self._facts.clear()
        return step

    def _react(self, event: events.Event) -> None:
        match event:
            case events.Woke():
                # The timer that brought this is spent: the next deadline is to be told again.
                self._announced = None
                while timer := self._timers.pop_due(self._now):
                    timer.action(self._now)
                    self._serve_freed()
            case events.CallerQueued():
                self._queued(event)
            case events.CallerForAgent():
                self._for_agent(event)
            case events.CallerLeft(call_id):
                self._caller_left(call_id)
            case events.DeviceRinging(leg_id):
                self._ringing(leg_id)
            case events.DeviceAnswered(leg_id):
                self._answered(leg_id)
            case events.Joined(leg_id):
                self._joined(leg_id)
            case events.LegEnded(leg_id, disposition, cause):
                self._leg_ended(leg_id, disposition, cause)
            case events.PlanReplaced(plan):
                self._replace_plan(plan)
            case events.DeviceReachable(device_id) | events.DeviceUnreachable(device_id):
                self._reachability(device_id, isinstance(event, events.DeviceReachable))
            case _:
                self._about_agent(event)

    def _irregular(self, what: str) -> None:
        self._facts.append(facts.Irregular(what))

    # Agents ------------------------------------------------------------------------------

    def _about_agent(
        self,
        event: events.AgentLoggedIn
        | events.AgentLoggedOut
        | events.AgentPaused
        | events.AgentResumed
        | events.OwnCallStarted
        | events.OwnCallEnded,
    ) -> None:
        agent = self._agents.get(event.agent_id)
        if agent is None:
            self._irregular(f"{type(event).__name__} for an unknown agent")
            return
        match event:
            case events.AgentLoggedIn():
                agent.logged_in = True
                self._settle(agent, "logged_in")
            case events.AgentLoggedOut():
                agent.logged_in = False
                self._withdraw_queue_part(agent)
                self._settle(agent, "logged_out")
                self._nobody_left(agent)
            case events.AgentPaused(_, reason):
                agent.pause_reason = reason
                self._withdraw_queue_part(agent)
                self._settle(agent, reason)
            case events.AgentResumed():
                agent.pause_reason = None
                agent.unanswered = 0
                if agent.wrap_up is not None:
                    agent.wrap_up.cancel()
                    agent.wrap_up = None
                self._settle(agent, "resumed")
            case events.OwnCallStarted(_, key):
                agent.own_calls.add(key)
                self._withdraw_queue_part(agent)
                self._settle(agent, "own_call")
            case events.OwnCallEnded(_, key):
                if key not in agent.own_calls:
                    self._irregular("end of an own call that is not known")
                agent.own_calls.discard(key)
                self._settle(agent, "own_call_ended")

    def _settle(self, agent: WorkingAgent, reason: str, call: Call | None = None) -> None:
        """Let the agent's state follow from what holds, and keep the indexes right."""
        old, new = agent.state, agent.now_is()
        if new is not old:
            agent.state = new
            lasted_s = 0.0 if agent.since is None else self._now - agent.since
            agent.since = self._now
            call_id = call.call_id if call else None
            self._facts.append(
                facts.AgentChanged(agent.agent_id, old, new, reason, call_id, lasted_s)
            )
        if new is AgentState.FREE and agent.reachable:
            for queue_id in agent.queues:
                self._members[queue_id].enter(agent)
            if new is not old or reason == "reachable":
                self._freed[agent.agent_id] = None
        else:
            self._freed.pop(agent.agent_id, None)
            for queue_id in agent.queues:
                self._members[queue_id].leave(agent)

    def _reachability(self, device_id: str, reachable: bool) -> None:
        for agent in self._agents.values():
            for device in agent.plan.devices:
                if device.device_id != device_id:
                    continue
                if reachable:
                    agent.unreachable.discard(device.device_id)
                else:
                    agent.unreachable.add(device.device_id)
                self._settle(agent, "reachable" if reachable else "unreachable")
                return
        self._irregular("reachability of an unknown device")

    def _nobody_left(self, agent: WorkingAgent) -> None:
        """Callers of queues that want no wait without agents leave when the last one goes."""
        for queue_id in agent.queues:
            queue = self._members[queue_id].queue
            if queue.leave_when_no_agents and not self._somebody(queue):
                for call in list(self._waiting[queue_id].values()):
                    if not call.picked_up:
                        self._return(call, ReturnReason.NO_AGENTS)

    def _somebody(self, queue: Queue) -> bool:
        return any(self._agents[one].logged_in for one in queue.members if one in self._agents)

    def _wrap_up_over(self, agent: WorkingAgent) -> None:
        agent.wrap_up = None
        self._settle(agent, "wrap_up_over")

    # Callers -----------------------------------------------------------------------------

    def _queued(self, event: events.CallerQueued) -> None:
        members = self._members.get(event.queue_id)
        old = self._calls.get(event.call_id)
        if old is not None and old.joined is None:
            self._irregular("a caller queued who waits already")
            return
        if members is None:
            self._commands.append(commands.ReturnCaller(event.call_id, ReturnReason.UNAVAILABLE))
            return
        queue = members.queue
        if queue.max_length is not None and self.waiting(queue.queue_id) >= queue.max_length:
            self._commands.append(commands.ReturnCaller(event.call_id, ReturnReason.QUEUE_FULL))
            return
        if queue.leave_when_no_agents and not self._somebody(queue):
            self._commands.append(commands.ReturnCaller(event.call_id, ReturnReason.NO_AGENTS))
            return
        since = self._now if event.waiting_since is None else min(event.waiting_since, self._now)
        call = self._new_call(event.call_id, event.queue_id, event.number, since)
        call.needs = event.needs
        call.priority = event.priority
        line = self._waiting[queue.queue_id]
        line[call.call_id] = call
        order = self._order[queue.queue_id]
        ahead = bisect_left(order, call.turn)
        order.insert(ahead, call.turn)
        if queue.max_wait_s is not None:
            call.max_wait = self._timers.at(
                since + queue.max_wait_s, lambda now: self._waited_too_long(call)
            )
        self._facts.append(
            facts.WaitStarted(call.call_id, queue.queue_id, ahead + 1, call.priority, since)
        )
        self._set_needs(call)
        self._stand(call)
        self._offer(call)

    def _new_call(
        self, call_id: CallId, queue_id: QueueId | None, number: str, since: Seconds
    ) -> Call:
        self._arrivals += 1
        last = self._last_talks.get(number) if number else None
        call = Call(call_id, queue_id, number, (), 0, since, self._arrivals, last)
        self._calls[call_id] = call
        return call

    def _set_needs(self, call: Call) -> None:
        """The needs that hold now; a strategy may lower them as the wait goes on."""
        assert call.queue_id is not None
        strategy = self._members[call.queue_id].strategy
        needs, changes_at = strategy.needs(call, self._now)
        if needs != call.needs_now and call.in_line:
            self._lines[call.queue_id].remove(call.needs_now, call.turn)
            self._lines[call.queue_id].add(needs, call.turn)
        call.needs_now = needs
        if call.needs_change is not None:
            call.needs_change.cancel()
            call.needs_change = None
        if changes_at is not None:
            call.needs_change = self._timers.at(changes_at, lambda now: self._needs_changed(call))

    def _needs_changed(self, call: Call) -> None:
        call.needs_change = None
        self._set_needs(call)
        self._offer(call)

    def _stand(self, call: Call) -> None:
        """Into the line of those who want (more) agents."""
        if not call.in_line and call.queue_id is not None:
            call.in_line = True
            self._lines[call.queue_id].add(call.needs_now, call.turn)

    def _step_out(self, call: Call) -> None:
        if call.in_line and call.queue_id is not None:
            call.in_line = False
            self._lines[call.queue_id].remove(call.needs_now, call.turn)

    def _for_agent(self, event: events.CallerForAgent) -> None:
        old = self._calls.get(event.call_id)
        if old is not None and old.joined is None:
            self._irregular("a caller sent to an agent while waiting")
            return
        agent = self._agents.get(event.agent_id)
        reason = None
        if agent is None or agent.removed or not agent.logged_in or not agent.reachable:
            reason = ReturnReason.UNAVAILABLE
        elif agent.calls_now >= agent.plan.calls_at_once:
            reason = ReturnReason.BUSY
        if reason is not None or agent is None:
            self._commands.append(
                commands.ReturnCaller(event.call_id, reason or ReturnReason.UNAVAILABLE)
            )
            return
        call = self._new_call(event.call_id, None, event.number, self._now)
        call.direct_to = agent.agent_id
        offer = self._new_offer(call, direct=True, all_free=False)
        self._facts.append(
            facts.OfferMade(
                offer.offer_id, call.call_id, None, "extension", (agent.agent_id,), (), "asked for"
            )
        )
        self._add_part(offer, agent, event.ring_time_s)

    def _caller_left(self, call_id: CallId) -> None:
        call = self._calls.pop(call_id, None)
        if call is None:
            return
        call.gone = True
        if call.joined is not None:
            return  # the talk's end is the leg's
        self._leave_queue(call, "left")
        if call.offer is not None:
            self._close_offer(call.offer, "caller_left", Disposition.CANCELLED)

    def _leave_queue(self, call: Call, reason: str) -> None:
        """The wait is over, whatever comes."""
        self._step_out(call)
        for timer in call.timers():
            timer.cancel()
        self._not_waiting_for(call)
        if call.queue_id is not None and call.call_id in self._waiting[call.queue_id]:
            del self._waiting[call.queue_id][call.call_id]
            order = self._order[call.queue_id]
            del order[bisect_left(order, call.turn)]
            self._facts.append(
                facts.WaitEnded(call.call_id, call.queue_id, self._now - call.waiting_since, reason)
            )

    def _return(self, call: Call, reason: ReturnReason) -> None:
        """The wait ends without an agent."""
        self._calls.pop(call.call_id, None)
        call.gone = True
        self._leave_queue(call, reason.value)
        if call.offer is not None:
            self._close_offer(call.offer, "withdrawn", Disposition.CANCELLED)
        self._commands.append(commands.ReturnCaller(call.call_id, reason))

    def _waited_too_long(self, call: Call) -> None:
        call.max_wait = None
        if call.picked_up:
            # Somebody has just picked up: the caller is as good as served.
            call.max_wait = self._timers.at(
                self._now + JOIN_GRACE_S, lambda now: self._waited_too_long(call)
            )
            return
        self._return(call, ReturnReason.MAX_WAIT)

    # Choosing ----------------------------------------------------------------------------

    def _serve_freed(self) -> None:
        """Give those who became free to who has waited longest for someone like them."""
        while self._freed:
            agent_id = next(iter(self._freed))
            del self._freed[agent_id]
            agent = self._agents[agent_id]
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
                    self._offer(call)
                    if agent.state is not AgentState.FREE:
                        return
            if len(found) < look:
                return

    def _candidates(self, agent: WorkingAgent, look: int) -> list[Call]:
        """The first ``look`` calls of each line this agent could take, in order of service."""
        turns = [
            turn
            for queue_id in agent.queues
            for line in self._lines[queue_id].for_agent(agent.skills)
            for turn in line[:look]
        ]
        turns.extend(call.turn for call in self._waiting_for.get(agent.agent_id, {}).values())
        turns.sort()
        return [self._calls[turn[3]] for turn in turns if turn[3] in self._calls]

    def _barred(self, call: Call, members: Members) -> frozenset[AgentId]:
        """Members who refused this call: within the retry time, or while another, who refused
        less often, is free."""
        if not call.refusals:
            return frozenset()
        retry_s = members.queue.retry_delay_s
        again = {
            agent_id: refusal.count
            for agent_id, refusal in call.refusals.items()
            if refusal.at + retry_s <= self._now and members.is_free(agent_id)
        }
        barred = set(call.refusals) - set(again)
        fresh = FreeFor(members, self._agents, call.needs_now, frozenset(call.refusals), {})
        if fresh.first() is not None:
            return frozenset(call.refusals)
        least = min(again.values(), default=0)
        barred.update(agent_id for agent_id, count in again.items() if count > least)
        return frozenset(barred)

    def _offer(self, call: Call) -> None:
        """Ring for this call whom its strategy chooses among those free now."""
        if call.gone or call.joined is not None or call.queue_id is None:
            return
        if call.offer is not None and not call.offer.all_free:
            return
        members = self._members[call.queue_id]
        if call.ask_again is not None:
            call.ask_again.cancel()
            call.ask_again = None
        self._not_waiting_for(call)
        choice = Choice((), "nobody is free")
        barred: frozenset[AgentId] = frozenset()
        if members.some_free(call.needs_now):
            barred = self._barred(call, members)
            free = FreeFor(members, self._agents, call.needs_now, barred, call.refusals)
            if free.first() is not None:
                choice = members.strategy.choose(call, free, self._now)
        chosen = [
            agent
            for agent_id in choice.chosen
            if (agent := self._agents.get(agent_id)) is not None and members.is_free(agent_id)
        ]
        if not chosen:
            self._wait_on(call, members, choice)
            return
        if call.offer is None:
            call.offer = self._new_offer(call, direct=False, all_free=choice.all_free)
            if not choice.all_free:
                self._step_out(call)
        offer = call.offer
        ids = tuple(agent.agent_id for agent in chosen)
        self._facts.append(
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
        members.last_chosen = ids[-1]
        for agent in chosen:
            self._add_part(offer, agent, members.queue.ring_time_s)

    def _wait_on(self, call: Call, members: Members, choice: Choice) -> None:
        """Nobody for now: see to it that the call is asked about again."""
        if choice.wait_for is not None:
            call.waits_for = choice.wait_for
            self._waiting_for.setdefault(choice.wait_for, {})[call.call_id] = call
        times = [] if choice.ask_again_at is None else [choice.ask_again_at]
        retry_s = members.queue.retry_delay_s
        times += [
            refusal.at + retry_s
            for refusal in call.refusals.values()
            if refusal.at + retry_s > self._now
        ]
        if times:
            call.ask_again = self._timers.at(
                max(min(times), self._now), lambda now: self._asked_again(call)
            )

    def _asked_again(self, call: Call) -> None:
        call.ask_again = None
        self._offer(call)

    def _not_waiting_for(self, call: Call) -> None:
        if call.waits_for is not None:
            waiting = self._waiting_for[call.waits_for]
            del waiting[call.call_id]
            if not waiting:
                del self._waiting_for[call.waits_for]
            call.waits_for = None

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
            agent = self._agents.get(agent_id)
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

    # Ringing -----------------------------------------------------------------------------

    def _new_offer(self, call: Call, *, direct: bool, all_free: bool) -> Offer:
        self._offers_made += 1
        offer_id = OfferId(f"{self._prefix}o{self._offers_made}")
        call.offer = Offer(offer_id, call, direct, all_free)
        return call.offer

    def _add_part(self, offer: Offer, agent: WorkingAgent, ring_time_s: Seconds) -> None:
        """Ring an agent's devices, each after its delay, for so long in all."""
        part = Part(offer, agent.agent_id)
        offer.parts[agent.agent_id] = part
        agent.parts[offer.offer_id] = False
        if not offer.direct:
            agent.queue_part = part
        self._settle(agent, "offered", offer.call)
        ends_at = self._now + ring_time_s
        part.deadline = self._timers.at(ends_at, lambda now: self._rang_out(part))
        for device in agent.plan.devices:
            if device.device_id in agent.unreachable or device.delay_s >= ring_time_s:
                continue
            if device.delay_s <= 0:
                self._ring(part, device, ends_at)
            else:
                part.to_start[device.device_id] = self._timers.at(
                    self._now + device.delay_s, self._starter(part, device, ends_at)
                )
        if not part.legs and not part.to_start:
            self._part_over(part, Result.FAILED)

    def _starter(self, part: Part, device: Device, ends_at: Seconds) -> Callable[[Seconds], None]:
        def start(now: Seconds) -> None:
            del part.to_start[device.device_id]
            self._ring(part, device, ends_at)

        return start

    def _ring(self, part: Part, device: Device, ends_at: Seconds) -> None:
        self._legs_made += 1
        leg_id = LegId(f"{self._prefix}l{self._legs_made}")
        leg = Leg(leg_id, part, device.device_id, self._now)
        part.legs[leg_id] = leg
        self._legs[leg_id] = leg
        call = part.offer.call
        self._facts.append(
            facts.LegStarted(
                leg_id,
                call.call_id,
                part.offer.offer_id,
                part.agent_id,
                device.device_id,
                device.address,
            )
        )
        self._commands.append(
            commands.RingDevice(
                leg_id,
                part.offer.offer_id,
                call.call_id,
                part.agent_id,
                device.device_id,
                device.address,
                min(device.ring_time_s, ends_at - self._now),
            )
        )

    def _ringing(self, leg_id: LegId) -> None:
        leg = self._legs.get(leg_id)
        if leg is None:
            self._irregular("ringing of an unknown leg")
            return
        part = leg.part
        agent = self._agents[part.agent_id]
        self._facts.append(facts.LegRang(leg_id, part.offer.call.call_id))
        if part.offer.offer_id in agent.parts and not leg.stopped:
            agent.parts[part.offer.offer_id] = True
            self._settle(agent, "ringing", part.offer.call)

    def _answered(self, leg_id: LegId) -> None:
        leg = self._legs.get(leg_id)
        if leg is None or leg.answered_at is not None:
            self._irregular("answer of an unknown leg, or a second one")
            return
        leg.answered_at = self._now
        if leg.grace is None:
            leg.grace = self._timers.at(
                self._now + JOIN_GRACE_S, lambda now: self._never_joined(leg)
            )

    def _never_joined(self, leg: Leg) -> None:
        leg.grace = None
        self._irregular("a leg picked up and never joined")
        self._stop(leg, Disposition.FAILED)

    def _stop(self, leg: Leg, disposition: Disposition) -> None:
        """Tell the switch to end a leg; its end is awaited, but not for ever."""
        if leg.stopped:
            return
        leg.stopped = True
        self._commands.append(commands.StopRinging(leg.leg_id, disposition))
        if leg.grace is not None:
            leg.grace.cancel()
        leg.grace = self._timers.at(
            self._now + STOP_GRACE_S, lambda now: self._end_not_heard(leg, disposition)
        )

    def _end_not_heard(self, leg: Leg, disposition: Disposition) -> None:
        leg.grace = None
        self._irregular("the end of a stopped leg was not heard")
        self._leg_ended(leg.leg_id, disposition, "not heard of")

    def _rang_out(self, part: Part) -> None:
        """The part's time is over; who has picked up already may still be joined."""
        part.deadline = None
        if any(leg.answered_at is not None for leg in part.legs.values()):
            return
        part.rang_out = True
        self._close_part(part, Result.NO_ANSWER, Disposition.NO_ANSWER)

    def _close_part(self, part: Part, result: Result, disposition: Disposition) -> None:
        """No device of this part may win any more."""
        part.closing = part.closing or result
        if part.deadline is not None:
            part.deadline.cancel()
            part.deadline = None
        for timer in part.to_start.values():
            timer.cancel()
        part.to_start.clear()
        for leg in part.legs.values():
            if leg.joined_at is None:
                self._stop(leg, disposition)
        if not part.legs:
            self._part_over(part, part.closing)

    def _close_offer(self, offer: Offer, result: str, disposition: Disposition) -> None:
        """The offer is over for the caller; agents are free when their legs have ended."""
        offer.call.offer = None
        self._facts.append(facts.OfferEnded(offer.offer_id, offer.call.call_id, result))
        for part in list(offer.parts.values()):
            self._close_part(part, Result.WITHDRAWN, disposition)

    def _withdraw_queue_part(self, agent: WorkingAgent) -> None:
        """The agent can't take the queue's call they are rung for; others may."""
        part = agent.queue_part
        if part is None or any(leg.answered_at is not None for leg in part.legs.values()):
            return
        self._close_part(part, Result.WITHDRAWN, Disposition.CANCELLED)

    def _joined(self, leg_id: LegId) -> None:
        leg = self._legs.get(leg_id)
        if leg is None or leg.joined_at is not None:
            self._irregular("a join of an unknown leg, or a second one")
            return
        part = leg.part
        offer = part.offer
        call = offer.call
        if call.joined is not None or (call.gone and call.call_id in self._calls):
            self._irregular("a second device joined the same caller")
            self._stop(leg, Disposition.ANSWERED_ELSEWHERE)
            return
        if leg.answered_at is None:
            leg.answered_at = self._now
        leg.joined_at = self._now
        leg.stopped = False
        if leg.grace is not None:
            leg.grace.cancel()
            leg.grace = None
        call.joined = leg
        agent = self._agents[part.agent_id]
        agent.unanswered = 0
        agent.talks[offer.offer_id] = not offer.direct
        self._facts.append(facts.LegJoined(leg_id, call.call_id, agent.agent_id))
        self._leave_queue(call, "joined")
        if call.offer is offer:
            self._close_offer(offer, "joined", Disposition.ANSWERED_ELSEWHERE)
        self._settle(agent, "joined", call)

    def _leg_ended(self, leg_id: LegId, disposition: Disposition, cause: str) -> None:
        leg = self._legs.pop(leg_id, None)
        if leg is None:
            self._irregular("the end of an unknown leg")
            return
        if leg.grace is not None:
            leg.grace.cancel()
            leg.grace = None
        part = leg.part
        call = part.offer.call
        part.legs.pop(leg_id, None)
        joined = leg.joined_at is not None
        if joined:
            disposition = Disposition.ANSWERED
        elif disposition is Disposition.ANSWERED:
            # Picked up and gone before the join: nobody talked.
            disposition = Disposition.FAILED
        picked_up_at = leg.answered_at if leg.answered_at is not None else self._now
        talk_s = self._now - leg.joined_at if leg.joined_at is not None else 0.0
        self._facts.append(
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
        part.dispositions.append(disposition)
        if part.closing is None and disposition is Disposition.REJECTED:
            self._close_part(part, Result.REFUSED, Disposition.CANCELLED)
        elif not part.legs and not part.to_start:
            self._part_over(part, part.closing or _result_of(part))

    def _talk_over(self, leg: Leg, talk_s: Seconds) -> None:
        offer = leg.part.offer
        call = offer.call
        agent = self._agents[leg.part.agent_id]
        of_queue = agent.talks.pop(offer.offer_id, False)
        if self._calls.get(call.call_id) is call:
            del self._calls[call.call_id]
        agent.calls += 1
        agent.talk_s += talk_s
        agent.last_ended_at = self._now
        if call.number:
            self._last_talks[call.number] = LastTalk(agent.agent_id, self._now)
        if of_queue and agent.plan.wrap_up_s > 0:
            if agent.wrap_up is not None:
                agent.wrap_up.cancel()
            agent.wrap_up = self._timers.at(
                self._now + agent.plan.wrap_up_s, lambda now: self._wrap_up_over(agent)
            )
        self._settle(agent, "talk_ended", call)

    def _part_over(self, part: Part, result: Result) -> None:
        """All devices of an agent's part have ended: the agent is free of it."""
        offer = part.offer
        call = offer.call
        if offer.parts.pop(part.agent_id, None) is None:
            return
        if part.deadline is not None:
            part.deadline.cancel()
            part.deadline = None
        agent = self._agents[part.agent_id]
        agent.parts.pop(offer.offer_id, None)
        if agent.queue_part is part:
            agent.queue_part = None
        if result is Result.NO_ANSWER and not offer.direct:
            agent.unanswered += 1
            limit = agent.plan.pause_after_no_answers
            if limit and agent.unanswered >= limit:
                agent.pause_reason = f"no_answer_{agent.unanswered}_times"
        if result is not Result.WITHDRAWN:
            before = call.refusals.get(agent.agent_id)
            count = before.count + 1 if before else 1
            call.refusals[agent.agent_id] = Refusal(count, self._now)
        self._settle(agent, agent.pause_reason or "offer_over", call)
        if offer.parts or call.offer is not offer:
            if call.offer is offer:
                self._offer(call)  # all at once: whoever is free joins in
            return
        call.offer = None
        self._facts.append(facts.OfferEnded(offer.offer_id, call.call_id, result.value))
        if offer.direct:
            self._return(call, _RETURNS[result])
            return
        self._stand(call)
        self._offer(call)

    # Plans -------------------------------------------------------------------------------

    def _strategy(self, queue: Queue, choice: StrategyChoice) -> Strategy:
        fallback = self._strategy(queue, choice.fallback) if choice.fallback else None
        return self._strategies.make(
            choice.name, choice.params, fallback, rng=self._rng, weights=queue.weights
        )

    def _take_plan(self, plan: RoutingPlan) -> None:
        self._plan = plan
        for agent_id, spec in plan.agents.items():
            agent = self._agents.get(agent_id)
            if agent is None:
                self._agents[agent_id] = WorkingAgent(spec)
            else:
                agent.plan = spec
                agent.removed = False
                known = {device.device_id for device in spec.devices}
                agent.unreachable &= known
        for agent in self._agents.values():
            agent.queues = []
        last = {queue_id: one.last_chosen for queue_id, one in self._members.items()}
        self._members = {}
        for queue_id, queue in plan.queues.items():
            members = Members(queue, self._strategy(queue, queue.strategy))
            members.last_chosen = last.get(queue_id)
            self._members[queue_id] = members
            self._lines.setdefault(queue_id, WaitingLine())
            self._waiting.setdefault(queue_id, {})
            self._order.setdefault(queue_id, [])
            for agent_id in members.places:
                if member := self._agents.get(agent_id):
                    member.queues.append(queue_id)

    def _replace_plan(self, plan: RoutingPlan) -> None:
        for queue_id in list(self._waiting):
            if queue_id not in plan.queues:
                for call in list(self._waiting[queue_id].values()):
                    self._return(call, ReturnReason.UNAVAILABLE)
                del self._waiting[queue_id], self._lines[queue_id], self._order[queue_id]
        self._take_plan(plan)
        for agent_id, agent in list(self._agents.items()):
            agent.removed = agent_id not in plan.agents
            self._settle(agent, "plan_replaced")
            if agent.removed and not agent.calls_now and not self._has_legs(agent_id):
                if agent.wrap_up is not None:
                    agent.wrap_up.cancel()
                del self._agents[agent_id]
                self._freed.pop(agent_id, None)
        for line in self._waiting.values():
            for call in sorted(line.values(), key=lambda one: one.turn):
                self._set_needs(call)
                self._offer(call)

    def _has_legs(self, agent_id: AgentId) -> bool:
        return any(leg.part.agent_id == agent_id for leg in self._legs.values())


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
