"""Whether an outside number may be called now: the allow-list, the hours and the hourly limits.

Against toll fraud: whoever makes us call (a caller by a menu, a manager by a transfer, a queue by
ringing a mobile), the call passes here first.  Pure: the time comes in.  Each ring counts, taken
or not.  The hour slides: it is the one before the call, not the one on the wall.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ivr.schedule import ScheduleState
from pbx.numbers import may_call, premium
from pbx.plan.model import Plan
from routing.values import AgentId, Seconds

HOUR_S = 3600.0
"""How long a call counts, seconds."""
REFUSED_AFTER_S = 1.0
"""When the leg of a refused call ends, seconds after it was asked for: at once would let a queue
whose members are all refused ask again and again within the same instant."""


class OutsideRefusal(StrEnum):
    """Why an outside number was not called."""

    NOT_ALLOWED = "not_allowed"
    """None of ``settings.outside`` begins it."""
    PREMIUM = "premium"
    """It costs by the minute."""
    HOURS = "hours"
    """Outside ``settings.outside_hours``."""
    LIMIT = "limit"
    """``settings.outside_per_hour`` are used up."""
    MANAGER_LIMIT = "manager_limit"
    """``settings.outside_per_hour_each`` are."""


@dataclass(frozen=True, slots=True)
class RefusedLeg:
    """A device of a manager's that the distribution believes to be rung, and that is not."""

    ends_at: Seconds
    why: str


class OutsideCalls:
    """The outside calls of the last hour, of the company and of each manager."""

    def __init__(self) -> None:
        self._all: deque[Seconds] = deque()
        self._of: dict[AgentId, deque[Seconds]] = {}

    def remember(self, calls: Iterable[tuple[Seconds, AgentId | None]]) -> None:
        """Calls made before the engine's start, in the order of time."""
        for at, agent_id in calls:
            self._count(agent_id, at)

    def ask(
        self, plan: Plan, number: str, agent_id: AgentId | None, now: Seconds, at: datetime
    ) -> OutsideRefusal | None:
        """May ``number`` (E.164) be called?  None when it may, and then the call is counted.

        ``agent_id``: whose phone it is, or who sends a caller there.  ``at`` is ``now`` on the
        wall.
        """
        why = self.why_not(plan, number, agent_id, now, at)
        if why is None:
            self._count(agent_id, now)
        return why

    def why_not(
        self, plan: Plan, number: str, agent_id: AgentId | None, now: Seconds, at: datetime
    ) -> OutsideRefusal | None:
        """What ``ask`` would say; nothing is counted."""
        limits = plan.outside_limits
        if not may_call(number, plan.allowed_prefixes):
            return OutsideRefusal.NOT_ALLOWED
        if premium(number):
            return OutsideRefusal.PREMIUM
        if limits.hours is not None and limits.hours.state(at) is not ScheduleState.OPEN:
            return OutsideRefusal.HOURS
        if _reached(self._all, limits.per_hour, now):
            return OutsideRefusal.LIMIT
        if agent_id is not None:
            own = self._of.setdefault(agent_id, deque())
            if _reached(own, limits.per_hour_each, now):
                return OutsideRefusal.MANAGER_LIMIT
        return None

    def _count(self, agent_id: AgentId | None, now: Seconds) -> None:
        """Counted without a limit, too: a reload may bring one."""
        self._all.append(now)
        if agent_id is not None:
            self._of.setdefault(agent_id, deque()).append(now)


def _reached(calls: deque[Seconds], limit: int | None, now: Seconds) -> bool:
    while calls and calls[0] <= now - HOUR_S:
        calls.popleft()
    return limit is not None and len(calls) >= limit
