"""Which calls somebody may see, as a condition for the log."""

from __future__ import annotations

from pbx.journal.queries import Sight
from pbx.web.principal import Principal, Role
from pbx.web.seen import agents_seen


def sight_of(principal: Principal) -> Sight | None:
    """A manager's own calls, those of a supervisor's people and queues; None: every call."""
    agents = agents_seen(principal)
    if agents is None:
        return None
    queues: set[str] = set()
    if principal.role is not Role.MANAGER:
        queues = {one for one in principal.staff.queues if principal.sees_queue(one)}
    return Sight(agents, frozenset(queues))
