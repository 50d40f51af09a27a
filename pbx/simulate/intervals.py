"""Means over independent runs, with 95 % intervals by Student's t.

Differences between strategies are taken run by run (paired): both had the same callers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

_T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
"""Student's t, 97.5 %, for 1 to 10 degrees of freedom (any table of statistics)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and half the width of its 95 % interval (None after a single run)."""

    mean: float
    half: float | None

    def holds(self, value: float) -> bool:
        """Whether the interval has this value."""
        return self.half is not None and abs(value - self.mean) <= self.half

    @property
    def clear(self) -> bool:
        """For a difference: 0 is outside of the interval."""
        return self.half is not None and abs(self.mean) > self.half


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of one value from each run."""
    runs = len(values)
    mean = fmean(values)
    if runs < 2:
        return Estimate(mean, None)
    return Estimate(mean, t_quantile(runs - 1) * stdev(values) / math.sqrt(runs))


def difference(values: Sequence[float], base: Sequence[float]) -> Estimate:
    """How much more ``values`` have than ``base``, paired by run."""
    return estimate([one - other for one, other in zip(values, base, strict=True)])


def t_quantile(freedom: int) -> float:
    """Student's t at 97.5 %; over 10 degrees by Cornish and Fisher's expansion (Abramowitz and
    Stegun 26.7.5), right to 0.001."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    z = NormalDist().inv_cdf(0.975)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
