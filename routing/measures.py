"""The measures of a day's calls: each formula once, for simulation, reports and metrics.

Words: *offered* are calls that came to a queue (or to a manager), *answered* those that talked with
a manager, *abandoned* those whose caller hung up while waiting.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from routing.values import Seconds


def share(part: float, whole: float) -> float:
    """A part of a whole, 0 to 1; 0 of nothing."""
    return part / whole if whole else 0.0


def service_level_of_answered(in_time: int, answered: int) -> float:
    """Of the calls answered, the share answered within the target, 0 to 1."""
    return share(in_time, answered)


def service_level_of_offered(in_time: int, offered: int) -> float:
    """Of all calls offered, lost ones included, the share answered within the target, 0 to 1."""
    return share(in_time, offered)


def asa_s(answered_waits_s: Sequence[Seconds]) -> Seconds:
    """Average speed of answer: the mean wait of answered calls, seconds."""
    return share(sum(answered_waits_s), len(answered_waits_s))


def occupancy(busy_s: Seconds, present_s: Seconds) -> float:
    """The share of a manager's presence spent in talks and wrap-up, 0 to 1."""
    return share(busy_s, present_s)


def evenness(loads: Iterable[float]) -> float:
    """Jain's index of fairness: 1 when all have the same, 1/n when one has everything.

    R. Jain, D. Chiu, W. Hawe, "A quantitative measure of fairness", DEC TR-301, 1984.
    """
    values = list(loads)
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0
