"""The one place that reads a clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch on a clock that never jumps."""

    def now(self) -> float:
        """The core's time, seconds."""

    def utc(self, at: float) -> datetime:
        """What a core time is on the wall (UTC, aware)."""


class SystemClock:
    """UTC at the start, advanced by the monotonic clock: waits stay right when the wall jumps.

    ``utc`` follows the wall: a time in the log is what a watch showed, so the offset between
    both is read anew with each stamp.
    """

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """The core's time, seconds."""
        return time.monotonic() + self._offset

    def utc(self, at: float) -> datetime:
        """What a core time is on the wall (UTC, aware)."""
        # Rounded: two clocks read one after the other differ by their reading, not by a jump.
        drift = round((time.time() - time.monotonic()) - self._offset, 3)
        return datetime.fromtimestamp(at + drift, UTC)


class VirtualClock:
    """A clock that stands still until it is set."""

    def __init__(self, start: float) -> None:
        self._now = start

    def now(self) -> float:
        """The core's time, seconds."""
        return self._now

    def advance_to(self, at: float) -> None:
        """Move on; never back."""
        self._now = max(self._now, at)

    def utc(self, at: float) -> datetime:
        """What a core time is on the wall (UTC, aware)."""
        return datetime.fromtimestamp(at, UTC)
