"""Chance, made so that two strategies meet the same callers.

Every time that somebody takes is drawn from one number between 0 and 1 (its share), and that number
follows from the seed and from what it is for, never from what was drawn before.  So a caller's
patience, talk and redials are the same whatever a strategy did with the callers before them
(common random numbers).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from statistics import NormalDist
from typing import Protocol

from routing.values import Seconds

_NORMAL = NormalDist()
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


class For(IntEnum):
    """What a share is drawn for: each has a sub-stream of its own."""

    ARRIVAL = 1
    CLIENT = 2
    PATIENCE = 3
    TALK = 4
    STAGE = 5
    REDIAL = 6
    REDIAL_AFTER = 7
    KEY = 8
    HEARS = 9
    ANSWERS = 10


def stream(seed: int, *parts: int) -> int:
    """The sub-stream of ``seed`` that belongs to ``parts``: 64 bits."""
    state = seed & _MASK
    for part in parts:
        state = _mixed((state ^ (part & _MASK)) + _GOLDEN)
    return state


def share(of: int, index: int) -> float:
    """The ``index``-th share of a sub-stream: over 0, under 1, all alike."""
    return ((_mixed(of + (index + 1) * _GOLDEN) >> 11) + 0.5) * 2.0**-53


def _mixed(state: int) -> int:
    """SplitMix64's finish (G. Steele, D. Lea, C. Flood, OOPSLA 2014)."""
    state &= _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)


class Draw(Protocol):
    """A distribution of times."""

    def at(self, share: float) -> Seconds:
        """The time that this share of all stay under, seconds."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same; infinite means never."""

    value_s: Seconds

    def at(self, share: float) -> Seconds:
        """The value."""
        return self.value_s


NEVER = Fixed(math.inf)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Without memory, by its mean."""

    mean_s: Seconds

    def at(self, share: float) -> Seconds:
        """The quantile."""
        return -self.mean_s * math.log1p(-share)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """By its mean and ``sigma``, the standard deviation of the logarithm."""

    mean_s: Seconds
    sigma: float

    def at(self, share: float) -> Seconds:
        """The quantile."""
        mu = math.log(self.mean_s) - self.sigma * self.sigma / 2
        return math.exp(mu + self.sigma * _NORMAL.inv_cdf(share))


@dataclass(frozen=True, slots=True)
class Empirical:
    """What was seen: ``values_s`` ascending, each with the share of all that stay at or under it.

    A last share under 1 (nobody was seen to stay longer, but some did) ends in ``tail_s``.
    """

    values_s: Sequence[Seconds]
    shares: Sequence[float]
    tail_s: Seconds

    @classmethod
    def of(cls, seen_s: Sequence[Seconds]) -> Empirical:
        """Each of these alike."""
        values = sorted(seen_s)
        shares = [(place + 1) / len(values) for place in range(len(values))]
        return cls(values, shares, values[-1])

    def at(self, share: float) -> Seconds:
        """The quantile."""
        place = bisect_right(self.shares, share)
        return self.values_s[place] if place < len(self.values_s) else self.tail_s

    def beyond(self, passed_s: Seconds, share: float) -> Seconds:
        """The time, of those who stay longer than ``passed_s``, that this share stays under."""
        place = bisect_right(self.values_s, passed_s)
        gone = self.shares[place - 1] if place else 0.0
        return max(passed_s, self.at(gone + share * (1.0 - gone)))
