"""Chance, made so that two strategies meet the same callers.

Every time that somebody takes is drawn from one number between 0 and 1 (its share), and that number
follows from the seed and from what it is for, never from what was drawn before.  So a caller's
patience, talk and redials are the same whatever a strategy did with the callers before them
(common random numbers).
"""

from __future__ import annotations

import math
import sys
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from routing.values import Seconds

Bits = NDArray[np.uint64]
"""53 of a share each: what is compared and sorted alike."""
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
    return share_of(_mixed(of + (index + 1) * _GOLDEN) >> 11)


def as_bytes(stream: int) -> bytes:
    """A sub-stream as ``first_shares`` takes it."""
    return stream.to_bytes(8, sys.byteorder)


def first_shares(of: Iterable[bytes], other: int) -> Bits:
    """What the first ``share`` of ``one ^ other`` is made of, for each: faster for many."""
    state: Bits = np.frombuffer(b"".join(of), np.uint64) ^ np.uint64(other)
    state += _C0
    state ^= state >> _S0
    state *= _C1
    state ^= state >> _S1
    state *= _C2
    state ^= state >> _S2
    state >>= _S3
    return state


def share_of(bits: int) -> float:
    """The share that is made of these bits."""
    return (bits + 0.5) * 2.0**-53


def bits_from(share: float) -> int:
    """The least bits whose share is not under this one."""
    return max(0, math.ceil(share * 2.0**53 - 0.5))


_S0, _S1, _S2, _S3 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_C0, _C1, _C2 = np.uint64(_GOLDEN), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
"""What ``_mixed`` shifts by, adds and multiplies with."""


def _least(drawn: Bits, silent: float) -> int:
    """Which of the shares that are not under ``silent`` is the smallest; any when all are."""
    if silent > 0.0:
        drawn = drawn - np.uint64(bits_from(silent))  # what is under it comes out above all others
    return int(drawn.argmin())


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

    def earliest(self, drawn: Bits, silent: float) -> int:
        """Which of these brings the shortest time, the first of equals, where shares under
        ``silent`` bring none and the others are stretched to all from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same; infinite means never."""

    value_s: Seconds

    def at(self, share: float) -> Seconds:
        """The value."""
        return self.value_s

    def earliest(self, drawn: Bits, silent: float) -> int:
        """The first."""
        return int((drawn >= bits_from(silent)).argmax())


NEVER = Fixed(math.inf)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Without memory, by its mean."""

    mean_s: Seconds

    def at(self, share: float) -> Seconds:
        """The quantile."""
        return -self.mean_s * math.log1p(-share)

    def earliest(self, drawn: Bits, silent: float) -> int:
        """The smallest share."""
        return _least(drawn, silent)


@dataclass(frozen=True, slots=True)
class LogNormal:
    """By its mean and ``sigma``, the standard deviation of the logarithm."""

    mean_s: Seconds
    sigma: float

    def at(self, share: float) -> Seconds:
        """The quantile."""
        mu = math.log(self.mean_s) - self.sigma * self.sigma / 2
        return math.exp(mu + self.sigma * _NORMAL.inv_cdf(share))

    def earliest(self, drawn: Bits, silent: float) -> int:
        """The smallest share."""
        return _least(drawn, silent)


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

    def earliest(self, drawn: Bits, silent: float) -> int:
        """The first of those that bring as short a time as the smallest share."""
        least = int(drawn[_least(drawn, silent)])
        shortest_s = self.at((share_of(least) - silent) / (1.0 - silent))
        for which, bits in enumerate(drawn.tolist()):
            share = share_of(bits)
            if share >= silent and self.at((share - silent) / (1.0 - silent)) <= shortest_s:
                return which
        return 0  # all are silent

    def beyond(self, passed_s: Seconds, share: float) -> Seconds:
        """The time, of those who stay longer than ``passed_s``, that this share stays under."""
        place = bisect_right(self.values_s, passed_s)
        gone = self.shares[place - 1] if place else 0.0
        return max(passed_s, self.at(gone + share * (1.0 - gone)))
