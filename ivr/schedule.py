"""Opening hours in a time zone: weekly windows, single dates, holidays, overnight ranges, DST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo


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


@dataclass(frozen=True, slots=True)
class Schedule:
    """``week`` maps a weekday (0 Monday) to its windows.  ``dates`` (with windows) and
    ``holidays`` (whole days; an empty mapping value is the day's name) take precedence over
    the week."""

    name: str
    zone: ZoneInfo
    week: Mapping[int, tuple[Window, ...]]
    dates: Mapping[date, tuple[Window, ...]] = field(default_factory=dict)
    holidays: Mapping[date, str] = field(default_factory=dict)

    def state(self, at: datetime) -> ScheduleState:
        """What holds at ``at`` (aware; any zone)."""
        raise NotImplementedError
