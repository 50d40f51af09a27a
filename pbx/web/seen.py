"""Whose rows of the log somebody may see."""

from __future__ import annotations

from pbx.missed.queries import TaskSight
from pbx.plan.model import Plan
from pbx.web.access import Principal, Role


def agents_seen(principal: Principal) -> frozenset[str] | None:
    """The managers whose rows are theirs to see; None: every row, also those that are nobody's."""
    if principal.sees_everything():
        return None
    seen = {one for one in principal.staff.departments if principal.sees_agent(one)}
    return frozenset(seen | ({principal.agent_id} if principal.agent_id is not None else set()))


def queues_seen(principal: Principal, plan: Plan) -> frozenset[str]:
    """The queues that somebody serves whom they see, they themselves included."""
    return frozenset(
        str(queue_id)
        for queue_id, queue in plan.routing.queues.items()
        if principal.sees_everything() or any(map(principal.sees_agent, queue.members))
    )


def tasks_seen(principal: Principal, plan: Plan) -> TaskSight | None:
    """Missed calls: a supervisor's people's and queues'; a manager's own, and those of their queues
    that are no other manager's; None: all."""
    agents = agents_seen(principal)
    if agents is None:
        return None
    own = principal.role is Role.MANAGER
    return TaskSight(agents, queues_seen(principal, plan), shared_only=own)
