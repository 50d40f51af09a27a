"""Spans of time as a company's clock shows them, right where the clocks change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

import numpy as np
import numpy.typing as npt

from pbx.reports.frames import Ints

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` to before ``until``, aware and in whole seconds."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, since: datetime, until: datetime) -> Period:
        """Parts of a second are cut off.  Raises ValueError when it ends before it begins."""
        if until < since:
            raise ValueError("the period ends before it begins")
        return cls(since.replace(microsecond=0), until.replace(microsecond=0))

    @property
    def since_s(self) -> int:
        """Seconds since 1970."""
        return int(self.since.timestamp())

    @property
    def until_s(self) -> int:
        """Seconds since 1970."""
        return int(self.until.timestamp())

    def before(self, zone: tzinfo) -> Period:
        """The period of the same length right before: as many days where it is made of whole days
        in ``zone`` (one of them may have 23 or 25 hours), else as many seconds."""
        begin, end = self.since.astimezone(zone), self.until.astimezone(zone)
        if begin.time() == end.time() == time.min:
            first = begin.date() - (end.date() - begin.date())
            return Period(datetime.combine(first, time.min, zone).astimezone(UTC), self.since)
        return Period(self.since - (self.until - self.since), self.since)


class LocalTimes:
    """What a clock in ``zone`` shows at times of a period."""

    def __init__(self, zone: tzinfo, since_s: int, until_s: int) -> None:
        changes = [since_s]
        offsets = [_offset(zone, since_s)]
        at = since_s
        # No zone changes its clocks twice within a day.
        while at < until_s:
            after = min(at + DAY_S, until_s)
            if _offset(zone, after) != offsets[-1]:
                changes.append(_change(zone, at, after))
                offsets.append(_offset(zone, after))
            at = after
        self._changes = np.array(changes, np.int64)
        self._offsets = np.array(offsets, np.int64)

    def seconds(self, at_s: Ints) -> npt.NDArray[np.int64]:
        """Local times as seconds since 1970-01-01 00:00 on that clock."""
        place = np.searchsorted(self._changes, at_s, side="right") - 1
        return at_s + self._offsets[np.maximum(place, 0)]


def _change(zone: tzinfo, low: int, high: int) -> int:
    """The second from which on the clock is as at ``high``."""
    after = _offset(zone, high)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == after:
            high = middle
        else:
            low = middle
    return high


def _offset(zone: tzinfo, at_s: int) -> int:
    offset = datetime.fromtimestamp(at_s, zone).utcoffset() or timedelta()
    return int(offset.total_seconds())
