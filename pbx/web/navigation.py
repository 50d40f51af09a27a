"""The pages that the bar on the left leads to, in their order; each page adds its own line."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.web.principal import Principal, Scope


@dataclass(frozen=True, slots=True)
class Entry:
    """``key``: of its text, ``nav.<key>``; ``icon``: its name in static/icons.svg.

    ``own``: for those only who are a manager of the plan.
    """

    path: str
    key: str
    icon: str
    scope: Scope
    own: bool = False


ENTRIES = (
    Entry("/", "wall", "layout-dashboard", Scope.LIVE_READ),
    Entry("/missed", "missed", "phone-missed", Scope.MISSED_READ),
    Entry("/my", "my", "circle-user", Scope.CALLS_READ, own=True),
    Entry("/calls", "calls", "phone", Scope.CALLS_READ),
    Entry("/reports", "reports", "chart-column", Scope.REPORTS_READ),
    Entry("/funnel", "funnel", "funnel", Scope.FUNNEL_READ),
    Entry("/users", "users", "users", Scope.ADMIN),
    Entry("/tokens", "tokens", "key-round", Scope.ADMIN),
    Entry("/audit", "audit", "scroll-text", Scope.ADMIN),
)


def entries_for(principal: Principal | None) -> list[Entry]:
    """Those that somebody may open."""
    if principal is None:
        return []
    return [
        one
        for one in ENTRIES
        if principal.may(one.scope) and (not one.own or principal.agent_id is not None)
    ]
