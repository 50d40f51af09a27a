"""A plan comes: at the start, and in the middle of the day with calls in it."""

from __future__ import annotations

import random

from routing.agents import WorkingAgent
from routing.callers import Callers
from routing.choosing import Choosing
from routing.floor import Floor
from routing.members import Members
from routing.plan import Queue, RoutingPlan, StrategyChoice
from routing.strategy import Registry, Strategy
from routing.values import AgentId, ReturnReason
from routing.waiting import Waiting


class Replacement:
    """Makes agents and queues be what a plan says."""

    def __init__(
        self,
        floor: Floor,
        waiting: Waiting,
        choosing: Choosing,
        callers: Callers,
        strategies: Registry,
        rng: random.Random,
    ) -> None:
        self._floor = floor
        self._waiting = waiting
        self._choosing = choosing
        self._callers = callers
        self._strategies = strategies
        self._rng = rng

    def take(self, plan: RoutingPlan) -> None:
        """These are the agents and queues now; who is known keeps what holds of them."""
        for agent_id, spec in plan.agents.items():
            agent = self._floor.agents.get(agent_id)
            if agent is None:
                self._floor.agents[agent_id] = WorkingAgent(spec)
            else:
                agent.plan = spec
                agent.removed = False
                known = {device.device_id for device in spec.devices}
                agent.unreachable &= known
        for agent in self._floor.agents.values():
            agent.queues = []
        last = {queue_id: one.last_chosen for queue_id, one in self._floor.members.items()}
        self._floor.members = {}
        for queue_id, queue in plan.queues.items():
            members = Members(queue, self._strategy(queue, queue.strategy))
            members.last_chosen = last.get(queue_id)
            self._floor.members[queue_id] = members
            self._waiting.open_queue(queue_id)
            for agent_id in members.places:
                if member := self._floor.agents.get(agent_id):
                    member.queues.append(queue_id)

    def replace(self, plan: RoutingPlan) -> None:
        """A new plan in the middle of the day: waits and talks go on."""
        for queue_id in self._waiting.queues():
            if queue_id not in plan.queues:
                for call in self._waiting.in_queue(queue_id):
                    self._choosing.ringing.send_back(call, ReturnReason.UNAVAILABLE)
                self._waiting.close_queue(queue_id)
        self.take(plan)
        for agent_id, agent in list(self._floor.agents.items()):
            agent.removed = agent_id not in plan.agents
            self._floor.settle(agent, "plan_replaced")
            if agent.removed and not agent.calls_now and not self._has_legs(agent_id):
                if agent.wrap_up is not None:
                    agent.wrap_up.cancel()
                del self._floor.agents[agent_id]
                self._floor.freed.pop(agent_id, None)
        for queue_id in self._waiting.queues():
            for call in sorted(self._waiting.in_queue(queue_id), key=lambda one: one.turn):
                self._callers.set_needs(call)
                self._choosing.offer(call)

    def _has_legs(self, agent_id: AgentId) -> bool:
        return any(leg.part.agent_id == agent_id for leg in self._floor.legs.values())

    def _strategy(self, queue: Queue, choice: StrategyChoice) -> Strategy:
        fallback = self._strategy(queue, choice.fallback) if choice.fallback else None
        return self._strategies.make(
            choice.name, choice.params, fallback, rng=self._rng, weights=queue.weights
        )
