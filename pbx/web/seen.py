"""Whose rows of the log somebody may see."""

from __future__ import annotations

from pbx.web.access import Principal


def agents_seen(principal: Principal) -> frozenset[str] | None:
    """The managers whose rows are theirs to see; None: every row, also those that are nobody's."""
    if principal.sees_everything():
        return None
    seen = {one for one in principal.staff.departments if principal.sees_agent(one)}
    return frozenset(seen | ({principal.agent_id} if principal.agent_id is not None else set()))
