"""Formulas for one queue of equal managers: Erlang C and Erlang A.

Calls come at ``rate`` a second by chance (Poisson), take ``handle_s`` on average (exponential) and
meet ``managers``.  Erlang C: nobody gives up.  Erlang A: callers give up after an exponential time
of mean ``patience_s``.  Source of both: N. Gans, G. Koole, A. Mandelbaum, "Telephone call centers:
tutorial, review, and research prospects", M&SOM 5 (2003), sections 4.1 (M/M/N) and 4.2 (M/M/N+M);
the recursion for Erlang B that C is computed by: the same, after Jagerman.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from routing.values import Seconds

_NEGLIGIBLE = 1e-12
_LARGE = 1e200
"""Sums above are scaled down, to stay within a float's range."""


@dataclass(frozen=True, slots=True)
class ErlangC:
    """``waits``: the share that waits at all; ``asa_s``: the mean wait, infinite when overloaded;
    ``occupancy``: 1 when overloaded."""

    waits: float
    asa_s: Seconds
    occupancy: float
    managers: int
    handle_s: Seconds

    def service_level(self, within_s: Seconds) -> float:
        """The share answered within so long: 1 - C exp(-(N - R) t / handle)."""
        if self.occupancy >= 1.0:
            return 0.0
        spare = self.managers * (1.0 - self.occupancy)
        return 1.0 - self.waits * math.exp(-spare * within_s / self.handle_s)


def erlang_c(rate: float, handle_s: Seconds, managers: int) -> ErlangC:
    """What callers who never give up meet."""
    load = rate * handle_s
    if managers <= load:
        return ErlangC(1.0, math.inf, 1.0, managers, handle_s)
    blocked = 1.0
    for count in range(1, managers + 1):
        blocked = load * blocked / (count + load * blocked)
    used = load / managers
    waits = blocked / (1.0 - used * (1.0 - blocked))
    return ErlangC(waits, waits * handle_s / (managers - load), used, managers, handle_s)


@dataclass(frozen=True, slots=True)
class ErlangA:
    """``abandoned``: the share that gives up; ``waits``: that waits at all; ``wait_s``: the mean
    wait of all, those who give up included."""

    abandoned: float
    waits: float
    wait_s: Seconds
    occupancy: float


def erlang_a(rate: float, handle_s: Seconds, patience_s: Seconds, managers: int) -> ErlangA:
    """What callers who give up meet: the stationary law of the number of calls, summed."""
    weight, total, busy, queued, waiting = 1.0, 1.0, 0.0, 0.0, 0.0
    count = 0
    while count < managers or weight > _NEGLIGIBLE * total:
        count += 1
        leaving = min(count, managers) / handle_s + max(count - managers, 0) / patience_s
        weight *= rate / leaving
        total += weight
        busy += weight * min(count, managers)
        queued += weight * max(count - managers, 0)
        waiting += weight if count >= managers else 0.0
        if total > _LARGE:
            weight, busy, queued, waiting = (one / total for one in (weight, busy, queued, waiting))
            total = 1.0
    waited = queued / total
    return ErlangA(
        waited / patience_s / rate, waiting / total, waited / rate, busy / total / managers
    )
