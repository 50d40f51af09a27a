"""Which calls a page shows, as its address says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from urllib.parse import urlencode

from fastapi.exceptions import RequestValidationError

from pbx.journal.change import text
from pbx.journal.queries import IN_PROGRESS, CallFilter, Sight
from pbx.web.api.paging import Place, cursor_of, place_of
from routing.values import Outcome

PERIODS: Mapping[str, tuple[int, int] | None] = {
    "today": (0, 1),
    "yesterday": (-1, 0),
    "7d": (-6, 1),
    "30d": (-29, 1),
    "all": None,
}
"""By name: its first day and the day after its last, counted from today."""
USUAL = "7d"
CUSTOM = "custom"
OUTCOMES = (*(one.value for one in Outcome), IN_PROGRESS)
_LONGEST = 100
"""Of any value in the address, characters."""
_YEARS = range(1990, 2200)


@dataclass(frozen=True, slots=True)
class CallQuery:
    """``period``: of PERIODS, or CUSTOM: ``since`` to ``until``, both included."""

    period: str = USUAL
    since: date | None = None
    until: date | None = None
    number: str = ""
    did: str = ""
    agent: str = ""
    queue: str = ""
    outcome: str = ""
    recorded: bool = False
    before: Place | None = None

    @classmethod
    def of(cls, given: Mapping[str, str]) -> CallQuery:
        """What makes no sense is not asked for: an address may be old, or typed."""
        values = {key: text(value).strip()[:_LONGEST] for key, value in given.items()}
        since, until = _day(values.get("from", "")), _day(values.get("to", ""))
        period = values.get("period", USUAL)
        outcome = values.get("outcome", "")
        if since or until:
            period = CUSTOM
        elif period not in PERIODS:
            period = USUAL
        return cls(
            period=period,
            since=since,
            until=until,
            number=values.get("number", ""),
            did=values.get("did", ""),
            agent=values.get("agent", ""),
            queue=values.get("queue", ""),
            outcome=outcome if outcome in OUTCOMES else "",
            recorded=values.get("recorded", "") == "1",
            before=_place(values.get("before", "")),
        )

    def wanted(self, now: datetime, zone: tzinfo, limit: int, sight: Sight | None) -> CallFilter:
        """As the log is asked."""
        since, until = self._bounds(now.astimezone(zone).date())
        return CallFilter(
            since=_midnight(since, zone),
            until=_midnight(until, zone),
            number=self.number or None,
            did=self.did or None,
            agent=self.agent or None,
            queue=self.queue or None,
            outcome=self.outcome or None,
            recorded=self.recorded,
            before=self.before,
            sight=sight,
            limit=limit,
        )

    def address(self, **changes: object) -> str:
        """The query part of the address with these changes, without what is usual."""
        one = replace(self, **changes)  # type: ignore[arg-type]
        values = {
            "period": one.period if one.period not in (USUAL, CUSTOM) else "",
            "from": one.since.isoformat() if one.since else "",
            "to": one.until.isoformat() if one.until else "",
            "number": one.number,
            "did": one.did,
            "agent": one.agent,
            "queue": one.queue,
            "outcome": one.outcome,
            "recorded": "1" if one.recorded else "",
            "before": cursor_of(*one.before) if one.before else "",
        }
        said = urlencode({key: value for key, value in values.items() if value})
        return f"?{said}" if said else ""

    @property
    def narrowed(self) -> bool:
        """More is asked for than a period."""
        return bool(
            self.number or self.did or self.agent or self.queue or self.outcome or self.recorded
        )

    def _bounds(self, today: date) -> tuple[date | None, date | None]:
        if self.period == CUSTOM:
            day = timedelta(days=1)
            return self.since, self.until + day if self.until else None
        days = PERIODS[self.period]
        if days is None:
            return None, None
        return today + timedelta(days=days[0]), today + timedelta(days=days[1])


def _place(cursor: str) -> Place | None:
    """Where the page begins; None for a cursor that is none of ours, too."""
    try:
        return place_of(cursor)
    except RequestValidationError:
        return None


def _day(given: str) -> date | None:
    try:
        day = date.fromisoformat(given)
    except ValueError:
        return None
    return day if day.year in _YEARS else None


def _midnight(day: date | None, zone: tzinfo) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), zone).astimezone(UTC)
