"""Who looks at a page."""

from __future__ import annotations

from fastapi import FastAPI

from pbx.web.access import SCOPES, Kind, Principal, Role, Staff, signed_in

STAFF = Staff(
    {"anna": "sales", "boris": "sales", "vera": "support", "olga": ""},
    {"sales": frozenset({"sales"}), "support": frozenset({"support", ""})},
)
"""Four managers in two queues."""


def somebody(
    role: Role,
    *departments: str,
    agent_id: str | None = None,
    staff: Staff = STAFF,
) -> Principal:
    """A user of this role."""
    return Principal(
        Kind.USER, "Ольга", role, frozenset(departments), agent_id, SCOPES[role], staff
    )


def let_in(app: FastAPI, who: Principal) -> None:
    """Signed in without a login."""
    app.dependency_overrides[signed_in] = lambda: who
