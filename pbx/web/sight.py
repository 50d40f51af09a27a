"""Which calls somebody may see, as a condition for the log."""

from __future__ import annotations

from pbx.journal.queries import Sight
from pbx.web.principal import Principal, Role


def sight_of(principal: Principal) -> Sight | None:
    """A manager's own calls, those of a supervisor's people and queues; None: every call."""
    if principal.sees_everything():
        return None
    agents = {one for one in principal.staff.departments if principal.sees_agent(one)}
    if principal.agent_id is not None:
        agents.add(principal.agent_id)
    queues: set[str] = set()
    if principal.role is not Role.MANAGER:
        queues = {one for one in principal.staff.queues if principal.sees_queue(one)}
    return Sight(frozenset(agents), frozenset(queues))
