"""A plan comes: at the start, and in the middle of the day with calls in it.

The rules for what is in progress (docs/reload.md has them for the admin, and what becomes of a
caller's own way, which is not decided here):

- An offer that rings, and a talk, go on as they began, whoever is still in the plan.
- Who waits keeps the place in the line, the longest wait and the rule for "nobody at work" with
  which the wait began.  Who serves the queue, by which strategy and how long they are rung, is the
  new plan's at once; free agents are given to who waits in order of service.
- A queue that has no member any more gives its callers back as unavailable, those who are rung for
  when that is over; a queue that the plan lacks gives back all of them at once.
- An agent who is in both plans keeps state, pause and the day so far; one whom the plan lacks gets
  no further call, and is forgotten when they are in none.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from routing import events
from routing.agents import WorkingAgent
from routing.attendance import Attendance
from routing.callers import Callers
from routing.choosing import Choosing
from routing.floor import Floor
from routing.members import Members
from routing.plan import Agent, Queue, RoutingPlan, StrategyChoice
from routing.strategy import Registry, Strategy
from routing.values import AgentId, DeviceId, QueueId, ReturnReason
from routing.waiting import Waiting


class Replacement:
    """Makes agents and queues be what a plan says."""

    def __init__(
        self,
        floor: Floor,
        waiting: Waiting,
        choosing: Choosing,
        callers: Callers,
        attendance: Attendance,
        strategies: Registry,
        rng: random.Random,
    ) -> None:
        self._floor = floor
        self._waiting = waiting
        self._choosing = choosing
        self._callers = callers
        self._attendance = attendance
        self._strategies = strategies
        self._rng = rng

    def take(self, plan: RoutingPlan) -> None:
        """These are the agents and queues now; who is known keeps what holds of them."""
        # First what a strategy from outside could fail at: then nothing has changed yet.
        members_of = {
            queue_id: Members(
                queue, strategy_of(queue, queue.strategy, self._strategies, self._rng)
            )
            for queue_id, queue in plan.queues.items()
        }
        for agent_id, spec in plan.agents.items():
            agent = self._floor.agents.get(agent_id)
            if agent is None:
                self._floor.agents[agent_id] = WorkingAgent(spec)
            else:
                if agent.unreachable:
                    agent.unreachable &= _same_devices(agent.plan, spec)
                agent.follow(spec)
                agent.removed = False
        for agent in self._floor.agents.values():
            agent.known_free = False
        last = {queue_id: one.last_chosen for queue_id, one in self._floor.members.items()}
        for before in self._floor.members.values():
            before.retire()
        self._floor.members = members_of
        queues: dict[AgentId, list[QueueId]] = {}
        for queue_id, members in members_of.items():
            members.last_chosen = last.get(queue_id)
            self._waiting.open_queue(members.queue)
            for agent_id in members.places:
                queues.setdefault(agent_id, []).append(queue_id)
        alike: dict[tuple[QueueId, ...], tuple[QueueId, ...]] = {}
        for agent_id, agent in self._floor.agents.items():
            mine = tuple(queues.get(agent_id, ()))
            agent.queues = alike.setdefault(mine, mine)

    def replace(self, event: events.PlanReplaced) -> None:
        """A new plan in the middle of the day: waits and talks go on."""
        plan = event.plan
        self._floor.legs.dissolve_all()  # as the plan was in which they were rung
        for queue_id in self._waiting.queues():
            if queue_id not in plan.queues:
                for call in self._waiting.in_queue(queue_id):
                    self._choosing.ringing.send_back(call, ReturnReason.UNAVAILABLE)
                self._waiting.close_queue(queue_id)
        before = {queue_id: members.queue for queue_id, members in self._floor.members.items()}
        self.take(plan)
        for agent_id, agent in list(self._floor.agents.items()):
            agent.removed = agent_id not in plan.agents
            agent.logged_in |= agent_id in event.on_duty
            if event.unreachable:
                devices = {device.device_id for device in agent.plan.devices}
                agent.unreachable |= devices & event.unreachable
            self._floor.settle(agent, "plan_replaced")
            if agent.removed and not agent.calls_now and not self._has_legs(agent_id):
                if agent.wrap_up is not None:
                    agent.wrap_up.cancel()
                del self._floor.agents[agent_id]
                self._floor.freed.pop(agent_id, None)
        for queue_id in self._waiting.queues():
            self._attendance.leave_if_nobody(queue_id)
        for call in self._waiting.in_order(self._may_have_news(before)):
            if not call.gone:
                self._callers.set_needs(call)
                self._choosing.offer(call)

    def _may_have_news(self, before: Mapping[QueueId, Queue]) -> list[QueueId]:
        """Queues whose callers have to be asked about again: those that are not what they were,
        and those where somebody is free.  A thousand waiting callers cost milliseconds."""
        return [
            queue_id
            for queue_id, members in self._floor.members.items()
            if members.free_count or before.get(queue_id) != members.queue
        ]

    def _has_legs(self, agent_id: AgentId) -> bool:
        return any(leg.part.agent_id == agent_id for leg in self._floor.legs.values())


def strategy_of(
    queue: Queue, choice: StrategyChoice, strategies: Registry, rng: random.Random
) -> Strategy:
    """A strategy of a queue, with its fallbacks.  Raises what one from outside raises."""
    fallback = strategy_of(queue, choice.fallback, strategies, rng) if choice.fallback else None
    return strategies.make(choice.name, choice.params, fallback, rng=rng, weights=queue.weights)


def _same_devices(old: Agent, new: Agent) -> set[DeviceId]:
    """The devices that are still what they were: what was known of the others says nothing."""
    before = {device.device_id: device.address for device in old.devices}
    return {
        device.device_id for device in new.devices if before.get(device.device_id) == device.address
    }
