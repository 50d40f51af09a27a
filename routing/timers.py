"""Deadlines: a heap of what is due when, each owned by whoever may cancel it."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from routing.values import Seconds


class Timer:
    """One deadline; ``cancel`` it when its reason is gone."""

    __slots__ = ("action", "alive", "at", "order")

    def __init__(self, at: Seconds, order: int, action: Callable[[Seconds], None]) -> None:
        self.at = at
        self.order = order
        self.action = action
        self.alive = True

    def __lt__(self, other: Timer) -> bool:
        return (self.at, self.order) < (other.at, other.order)

    def cancel(self) -> None:
        """It will not go off."""
        self.alive = False


class Timers:
    """All deadlines of the dispatcher."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._order = 0

    def at(self, when: Seconds, action: Callable[[Seconds], None]) -> Timer:
        """Call ``action(now)`` at ``when`` or at the first chance after."""
        self._order += 1
        timer = Timer(when, self._order, action)
        heapq.heappush(self._heap, timer)
        return timer

    @property
    def next_at(self) -> Seconds | None:
        """The earliest deadline that still counts."""
        heap = self._heap
        while heap and not heap[0].alive:
            heapq.heappop(heap)
        return heap[0].at if heap else None

    def pop_due(self, now: Seconds) -> Timer | None:
        """The next deadline that has come, taken out; None when there is none."""
        at = self.next_at
        if at is None or at > now:
            return None
        timer = heapq.heappop(self._heap)
        timer.alive = False
        return timer

    def alive(self) -> int:
        """How many deadlines count; for tests."""
        return sum(timer.alive for timer in self._heap)
