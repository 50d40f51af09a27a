"""How fast passwords may be tried: a pause that grows with each failure.  Pure: time is a number.

House rules: an attempt counts as failed when it begins and is taken back when it succeeds, so that
many at once get no further than one after another; and what is remembered is bounded, those who
have to wait are forgotten last.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """``free`` failures cost nothing; the pause after the next is ``first_s`` seconds and doubles
    up to ``longest_s``; all is forgotten ``forget_s`` after the last failure."""

    free: int
    first_s: float
    longest_s: float
    forget_s: float

    def pause_s(self, failures: int) -> float:
        """After so many failures."""
        over = failures - self.free
        if over <= 0:
            return 0.0
        # 2**60 s is longer than any pause; a larger power would be no float any more.
        return float(min(self.longest_s, self.first_s * 2 ** min(over - 1, 60)))


@dataclass(slots=True)
class _Mark:
    failures: int
    last: float


class Throttle:
    """Of one kind of key: addresses, or names."""

    def __init__(self, pace: Pace, *, most: int = 10_000) -> None:
        self._pace = pace
        self._most = most
        # Each with the longest ago first: those that have to wait, and those that don't yet.
        self._slowed: OrderedDict[str, _Mark] = OrderedDict()
        self._light: OrderedDict[str, _Mark] = OrderedDict()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._slowed) + len(self._light)

    def wait_s(self, key: str, now: float) -> float:
        """How long until the key's next attempt, seconds; 0: now."""
        mark = self._mark(key, now)
        if mark is None:
            return 0.0
        return max(0.0, mark.last + self._pace.pause_s(mark.failures) - now)

    def begin(self, key: str, now: float) -> float:
        """An attempt begins: a failure, until it is taken back.  When the one before it was."""
        mark = self._mark(key, now) or _Mark(0, now)
        before = mark.last
        mark.failures += 1
        mark.last = now
        self._put(key, mark)
        while len(self) > self._most:
            (self._light or self._slowed).popitem(last=False)
        return before

    def take_back(self, key: str, before: float) -> None:
        """The attempt was none: all is as before it, as ``begin`` told."""
        mark = self._slowed.get(key) or self._light.get(key)
        if mark is None:
            return
        mark.failures -= 1
        mark.last = before
        self._put(key, mark)

    def forgive(self, key: str) -> None:
        """All of the key's failures are forgotten."""
        self._light.pop(key, None)
        self._slowed.pop(key, None)

    def _put(self, key: str, mark: _Mark) -> None:
        self.forgive(key)
        if mark.failures > 0:
            slowed = self._pace.pause_s(mark.failures) > 0
            (self._slowed if slowed else self._light)[key] = mark

    def _mark(self, key: str, now: float) -> _Mark | None:
        mark = self._slowed.get(key) or self._light.get(key)
        if mark is None or now - mark.last >= self._pace.forget_s:
            return None
        return mark
