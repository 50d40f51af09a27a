"""Deadlines: a heap of what is due when, each owned by whoever may cancel it."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from routing.values import Seconds

FEW = 256
"""So many cancelled deadlines may stay in the heap, or as many as count: then all are taken out.
Nearly every deadline is cancelled long before its time, and each makes the others dearer."""


class Timer:
    """One deadline; ``cancel`` it when its reason is gone.

    ``owners``: so many share it, and each cancels it once: it goes off unless all have.
    """

    __slots__ = ("_owners", "_timers", "action", "alive", "at")

    def __init__(
        self, at: Seconds, action: Callable[[Seconds], None], timers: Timers, owners: int
    ) -> None:
        self.at = at
        self.action = action
        self.alive = True
        self._timers = timers
        self._owners = owners

    def cancel(self, owners: int = 1) -> None:
        """Its owner, or so many of them, have no use for it any more."""
        self._owners -= owners
        if self.alive and self._owners <= 0:
            self.alive = False
            # Else what it is about would live on until its entry in the heap is taken out.
            self.action = _nothing
            self._timers.one_is_dead()


def _nothing(now: Seconds) -> None:
    """What a cancelled deadline does."""


class Timers:
    """All deadlines of the dispatcher."""

    def __init__(self) -> None:
        self._heap: list[tuple[Seconds, int, Timer]] = []
        self._order = 0
        self._dead = 0

    def at(self, when: Seconds, action: Callable[[Seconds], None], owners: int = 1) -> Timer:
        """Call ``action(now)`` at ``when`` or at the first chance after."""
        self._order += 1
        timer = Timer(when, action, self, owners)
        # The order is one timer's: the timers are never compared.
        heapq.heappush(self._heap, (when, self._order, timer))
        return timer

    def one_is_dead(self) -> None:
        """A deadline in the heap does not count any more."""
        self._dead += 1
        if self._dead > FEW and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].alive]
            heapq.heapify(self._heap)
            self._dead = 0

    @property
    def next_at(self) -> Seconds | None:
        """The earliest deadline that still counts."""
        heap = self._heap
        while heap and not heap[0][2].alive:
            heapq.heappop(heap)
            self._dead -= 1
        return heap[0][0] if heap else None

    def pop_due(self, now: Seconds) -> Timer | None:
        """The next deadline that has come, taken out; None when there is none."""
        at = self.next_at
        if at is None or at > now:
            return None
        timer = heapq.heappop(self._heap)[2]
        timer.alive = False
        return timer

    def alive(self) -> int:
        """How many deadlines count; for tests."""
        return sum(timer.alive for _, _, timer in self._heap)
