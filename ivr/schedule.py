"""Opening hours in a time zone: weekly windows, single dates, holidays, overnight ranges, DST.

House rules:

- The clock on the wall decides.  A window is compared with local time as a clock in the zone
  shows it, never with lengths of time.  So where clocks are put forward, a window inside the
  skipped hour does not happen that day and one that begins in it opens when the hour is over;
  where they are put back, a window inside the repeated hour happens twice.
- A window belongs to the day it began, and runs to its end whatever the next day is: the night
  shift of 22:00-06:00 that began on 30 December goes on till six in the morning of a holiday or
  of a date with hours of its own.  The night of a holiday brings nothing into the day after.
- For a day's own windows a single date comes first, then a holiday (none), then the week.  A
  date with hours of its own is no holiday, also outside of these hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

_MIDNIGHT = time(0)
_DAY = timedelta(days=1)


class ScheduleState(StrEnum):
    """What a schedule says of a moment."""

    OPEN = "open"
    CLOSED = "closed"
    HOLIDAY = "holiday"


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` to ``end`` (exclusive), local time; ``end`` <= ``start`` runs past midnight
    and belongs to the day it began; 00:00 to 00:00 is the whole day."""

    start: time
    end: time

    @property
    def overnight(self) -> bool:
        """It runs into the day after; ending at midnight itself it does not."""
        return _MIDNIGHT < self.end <= self.start

    def holds_on_its_day(self, clock: time) -> bool:
        """``clock`` is in it, on the day it begins."""
        return self.start <= clock and (clock < self.end or self.end <= self.start)

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a schedule says of a moment, and why in few words."""

    state: ScheduleState
    why: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """``week`` maps a weekday (0 Monday) to its windows.  ``dates`` (with windows) come before
    ``holidays`` (whole days, with their names), and both before the week."""

    name: str
    zone: ZoneInfo
    week: Mapping[int, tuple[Window, ...]]
    dates: Mapping[date, tuple[Window, ...]] = field(default_factory=dict)
    holidays: Mapping[date, str] = field(default_factory=dict)

    def state(self, at: datetime) -> ScheduleState:
        """What holds at ``at`` (aware; any zone).  Raises ValueError for a naive one."""
        return self.answer(at).state

    def answer(self, at: datetime) -> Answer:
        """The same with its reason, for the trace.  Raises ValueError for a naive ``at``."""
        if at.tzinfo is None:
            raise ValueError("a schedule needs a time with a zone")
        local = at.astimezone(self.zone)
        day, clock = local.date(), local.time()
        for window in self._windows(day):
            if window.holds_on_its_day(clock):
                return Answer(ScheduleState.OPEN, str(window))
        if day > date.min:
            for window in self._windows(day - _DAY):
                if window.overnight and clock < window.end:
                    return Answer(ScheduleState.OPEN, f"{window} of the day before")
        if day in self.dates:
            return Answer(ScheduleState.CLOSED, f"hours of {day}")
        if day in self.holidays:
            return Answer(ScheduleState.HOLIDAY, f"holiday {self.holidays[day]}".rstrip())
        return Answer(ScheduleState.CLOSED, "outside opening hours")

    def _windows(self, day: date) -> tuple[Window, ...]:
        """The windows that begin on ``day``."""
        if day in self.dates:
            return self.dates[day]
        if day in self.holidays:
            return ()
        return self.week.get(day.weekday(), ())
