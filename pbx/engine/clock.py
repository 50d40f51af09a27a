"""The one place that reads a clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

STEP_S = 0.05
"""Two clocks read one after the other differ by their reading: less than this is no correction of
the wall's, seconds."""


class Clock(Protocol):
    """Seconds on a clock that never jumps, and what they are on the wall, which may."""

    def now(self) -> float:
        """The core's time: seconds since the epoch as the wall had it when the engine started."""

    def ahead_s(self) -> float:
        """By how much the wall was put forward since the start; back is negative, seconds."""

    def utc(self, at: float) -> datetime:
        """What a core time is by the wall's clock as it goes now (UTC, aware)."""


class SystemClock:
    """The wall's time at the start, advanced by the monotonic clock: waits stay right when the
    wall jumps."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._start = wall() - monotonic()
        self._ahead_s = 0.0

    def now(self) -> float:
        """The core's time, seconds."""
        return self._monotonic() + self._start

    def ahead_s(self) -> float:
        """What the wall shows now against the core's time, seconds."""
        ahead_s = self._wall() - self.now()
        if abs(ahead_s - self._ahead_s) >= STEP_S:
            self._ahead_s = ahead_s
        return self._ahead_s

    def utc(self, at: float) -> datetime:
        """What a core time is by the wall's clock as it goes now (UTC, aware)."""
        return datetime.fromtimestamp(at + self.ahead_s(), UTC)


class VirtualClock:
    """A clock that stands still until it is set."""

    def __init__(self, start: float) -> None:
        self._now = start
        self._ahead_s = 0.0

    def now(self) -> float:
        """The core's time, seconds."""
        return self._now

    def advance_to(self, at: float) -> None:
        """Move on; never back."""
        self._now = max(self._now, at)

    def ahead_s(self) -> float:
        """What ``wall_jumps`` made of it, seconds."""
        return self._ahead_s

    def wall_jumps(self, by_s: float) -> None:
        """Somebody puts the wall's clock forward, or (negative) back."""
        self._ahead_s += by_s

    def utc(self, at: float) -> datetime:
        """What a core time is by the wall's clock as it goes now (UTC, aware)."""
        return datetime.fromtimestamp(at + self.ahead_s(), UTC)
