"""Calls that go on with a plan before the one in force, and the queues that they still need.

Pure.  A queue that the plan in force lacks is kept for them, served by those of its managers who
are still there, until the last call that began before has ended: a caller in a menu of the older
plan can still come into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pbx.plan.model import Plan
from routing.plan import Queue, RoutingPlan
from routing.values import AgentId, QueueId


class OlderPlans:
    """``calls``: how many live calls began with a plan before the one in force."""

    def __init__(self) -> None:
        self.calls = 0
        self._kept: dict[QueueId, Queue] = {}

    def routing(self, before: Plan, plan: Plan, live_calls: int) -> RoutingPlan:
        """What the distribution is to have when ``plan`` follows ``before``."""
        self.calls = live_calls
        known = {**self._kept, **before.routing.queues} if live_calls else {}
        self._kept = {
            queue_id: _with_members_of(queue, plan.routing.agents)
            for queue_id, queue in known.items()
            if queue_id not in plan.routing.queues
        }
        return RoutingPlan(plan.routing.agents, {**self._kept, **plan.routing.queues})

    def call_over(self) -> bool:
        """A call of an older plan has ended.  True when it was the last that needed its queues."""
        self.calls -= 1
        if self.calls or not self._kept:
            return False
        self._kept = {}
        return True


def _with_members_of(queue: Queue, agents: Mapping[AgentId, object]) -> Queue:
    members = tuple(one for one in queue.members if one in agents)
    weights = {one: weight for one, weight in queue.weights.items() if one in agents}
    return replace(queue, members=members, weights=weights)
