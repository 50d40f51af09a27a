"""When a mailed report is due.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum

_DAY = timedelta(days=1)


class Every(StrEnum):
    """How often."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    """On its first day."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """``weekday``: of a weekly one, 0 for Monday.  ``at``: by the company's clock."""

    every: Every
    weekday: int
    at: time

    def last_due(self, now: datetime, zone: tzinfo) -> datetime:
        """The last moment not after ``now`` at which it was due (UTC)."""
        day = now.astimezone(zone).date()
        while True:
            fits = {
                Every.DAY: True,
                Every.WEEK: day.weekday() == self.weekday,
                Every.MONTH: day.day == 1,
            }[self.every]
            # A time that the clocks skip is due as much later; of one that comes twice, the first.
            due = datetime.combine(day, self.at, zone).astimezone(UTC)
            if fits and due <= now:
                return due
            day -= _DAY
