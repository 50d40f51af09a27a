"""The distribution: ``handle(event, now)``; the only way in which its state changes.

House rules: an event that does not fit changes nothing and is told as ``Irregular``.  Everything
that frees an agent or a caller goes through ``Floor.settle`` and ``Choosing.offer``, so nobody is
forgotten.

What an event brings about is in the file of who is concerned: ``callers`` and ``attendance``
(agents) take events in, ``choosing`` says who is rung, ``ringing`` and ``legs`` ring them,
``replacement`` changes the plan.  They stand on ``waiting`` (who waits where) and ``floor`` (what
all share).  Each knows only those below it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from routing import commands, events, facts
from routing.agents import WorkingAgent
from routing.attendance import Attendance
from routing.callers import LEFT, Callers
from routing.choosing import Choosing
from routing.floor import Floor
from routing.memory import Memory
from routing.offer import Call, Leg
from routing.plan import RoutingPlan
from routing.record import record
from routing.replacement import Replacement
from routing.strategy import Registry
from routing.timers import Timers
from routing.values import AgentId, AgentState, CallId, LegId, QueueId, ReturnReason, Seconds
from routing.waiting import Waiting


@record
class Step:
    """What one event brought about, in order.  ``given``: many phones that are treated alike are
    one command there."""

    given: tuple[commands.Given, ...]
    facts: tuple[facts.Fact, ...]

    @property
    def commands(self) -> tuple[commands.Command, ...]:
        """What is to be done, phone by phone."""
        found: list[commands.Command] = []
        for one in self.given:
            if isinstance(one, commands.RingTogether | commands.StopTogether):
                found += one.each()
            else:
                found.append(one)
        return tuple(found)

    @property
    def hands_off(self) -> bool:
        """An agent became free and is rung for the next caller in the same breath."""
        freed = {
            fact.agent_id
            for fact in self.facts
            if isinstance(fact, facts.AgentChanged) and fact.new is AgentState.FREE
        }
        return bool(freed) and any(
            isinstance(command, commands.RingDevice) and command.agent_id in freed
            for command in self.commands
        )


class Dispatcher:
    """All queues and agents of one company.

    ``rng`` is for strategies that choose by chance; ``id_prefix`` makes ids unique over restarts.
    ``tells``: False where nobody reads the facts (a simulation): those that come with each
    call are not made then.  What is decided is the same.
    """

    def __init__(
        self,
        plan: RoutingPlan,
        *,
        strategies: Registry,
        rng: random.Random,
        memory: Memory | None = None,
        id_prefix: str = "",
        tells: bool = True,
    ) -> None:
        memory = memory or Memory()
        self._announced: Seconds | None = None
        self._floor = floor = Floor(memory, id_prefix, tells=tells)
        self._waiting = waiting = Waiting(floor)
        self._choosing = choosing = Choosing(floor, waiting)
        self._ringing = choosing.ringing
        self._callers = Callers(floor, waiting, choosing)
        self._attendance = Attendance(floor, waiting, choosing.ringing)
        self._plans = Replacement(
            floor, waiting, choosing, self._callers, self._attendance, strategies, rng
        )
        self._plans.take(plan)
        for agent_id, day in memory.records.items():
            if agent := floor.agents.get(agent_id):
                agent.remember(day)
        for queue_id, agent_id in memory.last_chosen.items():
            if queue_id in floor.members:
                floor.members[queue_id].last_chosen = agent_id
        self._callers.remember(memory.dropped)

    # Questions ---------------------------------------------------------------------------

    def waiting(self, queue_id: QueueId) -> int:
        """Callers waiting in a queue, those being offered included, callbacks not."""
        return self._waiting.count(queue_id)

    def oldest_wait_s(self, queue_id: QueueId, now: Seconds) -> Seconds:
        """The longest wait of those waiting now, seconds; 0 when nobody waits."""
        return self._waiting.oldest_wait_s(queue_id, now)

    def position(self, call_id: CallId) -> int | None:
        """The place in the line, 1 is next; None for who does not wait in one.  O(log n)."""
        call = self._floor.calls.get(call_id)
        return self._waiting.position(call) if call is not None else None

    def agent_state(self, agent_id: AgentId) -> AgentState | None:
        """What the agent is doing; None for an unknown one."""
        agent = self._floor.agents.get(agent_id)
        return agent.state if agent else None

    def agents_by_state(self) -> dict[AgentState, int]:
        """How many agents are in each state."""
        counts = dict.fromkeys(AgentState, 0)
        for agent in self._floor.agents.values():
            counts[agent.state] += 1
        return counts

    @property
    def agents(self) -> Mapping[AgentId, WorkingAgent]:
        """For reading only."""
        return self._floor.agents

    @property
    def calls(self) -> Mapping[CallId, Call]:
        """For reading only."""
        return self._floor.calls

    @property
    def legs(self) -> Mapping[LegId, Leg]:
        """For reading only."""
        return self._floor.legs

    @property
    def timers(self) -> Timers:
        """For reading only."""
        return self._floor.timers

    def free_in(self, queue_id: QueueId) -> int:
        """Members of a queue who are free."""
        members = self._floor.members.get(queue_id)
        return members.free_count if members is not None else 0

    # Events ------------------------------------------------------------------------------

    def handle(self, event: events.Event, now: Seconds) -> Step:
        """Take an event; returns what is to be done and what happened.  Never raises for any
        order of events.  ``now`` that goes back is taken as the time before."""
        floor = self._floor
        floor.now = max(floor.now, now)
        self._react(event)
        self._choosing.serve_freed()
        next_at = floor.timers.next_at
        if next_at != self._announced:
            self._announced = next_at
            if next_at is not None:
                floor.command(commands.WakeAt(next_at))
        return Step(*floor.brought())

    def _react(self, event: events.Event) -> None:
        match event:  # the most frequent first
            case events.Woke():
                # The timer that brought this is spent: the next deadline is to be told again.
                self._announced = None
                floor = self._floor
                while timer := floor.timers.pop_due(floor.now):
                    timer.action(floor.now)
                    self._choosing.serve_freed()
            case events.LegEnded(leg_id, disposition, cause):
                self._ringing.leg_ended(leg_id, disposition, cause)
            case events.CallerQueued():
                self._callers.queued(event)
            case events.Joined(leg_id):
                self._ringing.joined(leg_id)
            case events.LegsEnded(ends):
                for end in ends:
                    if isinstance(end, events.EndedAlike):
                        self._ringing.legs_ended(end.leg_ids, end.disposition, end.cause)
                    else:
                        self._ringing.leg_ended(end.leg_id, end.disposition, end.cause)
            case events.DeviceRinging(leg_id):
                self._ringing.devices.ringing(leg_id)
            case events.DeviceAnswered(leg_id):
                self._ringing.answered(leg_id)
            case events.CallbackQueued():
                self._callers.callback_queued(event)
            case events.CallbackWithdrawn(call_id, reason):
                self._callers.callback_withdrawn(call_id, reason)
            case events.CallerForAgent():
                self._callers.for_agent(event)
            case events.TalkFound():
                self._callers.talk_found(event)
            case events.CallerLeft(call_id, by_key):
                self._callers.left(call_id, ReturnReason.KEY.value if by_key else LEFT)
            case events.PlanReplaced():
                self._plans.replace(event)
            case events.DayBegan():
                self._attendance.day_began()
            case events.DeviceReachable(device_id) | events.DeviceUnreachable(device_id):
                self._attendance.reachability(device_id, isinstance(event, events.DeviceReachable))
            case _:
                self._attendance.about(event)
