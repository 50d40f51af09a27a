"""Who asks, as a value: roles, scopes, and what of the company they see.

House rules: a page or a resource says which scope it needs (``access.needs``); what of it is shown
is asked of the principal, row by row (``sees_agent``, ``sees_department``, ``sees_queue``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pbx.plan.model import Plan

ALL_DEPARTMENTS = "*"
"""As a department of a supervisor: every one."""


class Scope(StrEnum):
    """What a user's role or a token's paper allows."""

    CALLS_READ = "calls:read"
    RECORDINGS_READ = "recordings:read"
    REPORTS_READ = "reports:read"
    FUNNEL_READ = "funnel:read"
    FUNNEL_WRITE = "funnel:write"
    MANAGERS_READ = "managers:read"
    MANAGERS_WRITE = "managers:write"
    MISSED_READ = "missed:read"
    MISSED_WRITE = "missed:write"
    CLICK_WRITE = "click:write"
    LIVE_READ = "live:read"
    ADMIN = "admin"


class Role(StrEnum):
    """What a user is to the company."""

    ADMIN = "admin"
    SUPERVISOR = "supervisor"
    """Of one or more departments."""
    MANAGER = "manager"
    """Sees what is their own."""


class Kind(StrEnum):
    """How somebody shows who they are."""

    USER = "user"
    TOKEN = "token"


SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.ADMIN: frozenset(Scope),
    Role.SUPERVISOR: frozenset(Scope) - {Scope.ADMIN},
    # Reports compare people with each other: a manager has their own page instead.
    Role.MANAGER: frozenset(Scope) - {Scope.ADMIN, Scope.REPORTS_READ},
}


@dataclass(frozen=True, slots=True)
class Staff:
    """Who is in which department, and which departments serve a queue, by the plan in force."""

    departments: Mapping[str, str] = field(default_factory=dict)
    queues: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan) -> Staff:
        """That of a plan."""
        agents = plan.routing.agents
        return cls(
            {str(key): agent.department for key, agent in agents.items()},
            {
                str(key): frozenset(agents[one].department for one in queue.members)
                for key, queue in plan.routing.queues.items()
            },
        )


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.  ``departments``: a supervisor's; ``agent_id``: whose page theirs is, if any;
    ``address``: where they ask from."""

    kind: Kind
    name: str
    role: Role
    departments: frozenset[str] = frozenset()
    agent_id: str | None = None
    scopes: frozenset[Scope] = frozenset()
    staff: Staff = field(default_factory=Staff, compare=False, repr=False)
    address: str = field(default="", compare=False)

    def may(self, scope: Scope) -> bool:
        """Whether this is allowed at all."""
        return scope in self.scopes

    def sees_everything(self) -> bool:
        """No department is closed to them."""
        return self.role is Role.ADMIN or (
            self.role is Role.SUPERVISOR and ALL_DEPARTMENTS in self.departments
        )

    def sees_department(self, department: str) -> bool:
        """Its people, calls and numbers as a whole."""
        return self.sees_everything() or (
            self.role is Role.SUPERVISOR and department in self.departments
        )

    def sees_agent(self, agent_id: str | None) -> bool:
        """What is a manager's own; None: what is nobody's."""
        if self.sees_everything():
            return True
        if agent_id is None:
            return False
        if self.agent_id == agent_id:
            return True
        department = self.staff.departments.get(agent_id)
        return department is not None and self.sees_department(department)

    def sees_queue(self, queue_id: str | None) -> bool:
        """Whether all its calls are theirs to see: somebody of their departments serves it.  Of
        the queues that one serves oneself one sees one's own calls (seen.queues_seen)."""
        if self.sees_everything():
            return True
        if queue_id is None:
            return False
        serving = self.staff.queues.get(queue_id, frozenset())
        return any(self.sees_department(one) for one in serving)
