"""The plan's answer to whose task a missed call becomes."""

from __future__ import annotations

from datetime import timedelta

from pbx.missed.rules import OwnerRule
from routing.plan import RoutingPlan, StrategyChoice
from routing.strategies.sticky import StickyToLastManager

_WITHIN = "within_s"


def owner_rule(plan: RoutingPlan) -> OwnerRule:
    """A queue that calls back to the last manager says how long; its default holds elsewhere."""
    default = StickyToLastManager.params[_WITHIN].default
    within: dict[str, timedelta] = {}
    for queue in plan.queues.values():
        choice: StrategyChoice | None = queue.strategy
        while choice is not None:
            if choice.name == StickyToLastManager.name:
                within[queue.queue_id] = _seconds(choice.params.get(_WITHIN, default))
            choice = choice.fallback
    return OwnerRule(frozenset(plan.agents), within, _seconds(default))


def _seconds(value: object) -> timedelta:
    assert isinstance(value, int | float), "checked when the plan was loaded"
    return timedelta(seconds=value)
