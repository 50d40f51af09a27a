"""Callers waiting, in the order in which they are served: waiting time, with a start for priority.

A step of priority is worth ``step_s`` seconds of waiting: who has it is served as if they had come
so much earlier.  So everybody's worth grows by 1 / step_s steps a second, and nobody starves: who
comes later than a caller's priority is worth is served after them, whatever their own priority
below that.  As all of them age alike, their order never changes while they wait, and a sorted list
is all that it takes.

Between queues a queue's weight is such a start, too, of all its callers: it is added where their
heads are compared for an agent who serves both, so it never touches the order within a queue, and
another weight holds at once for who waits already.  The same bound holds: who comes later than
the difference of the starts never passes.

A line is kept per queue and per set of needs that holds now, so that who serves a caller is found
without looking at callers whom the agent can't help.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping

from routing.values import CallId, QueueId, Seconds, SkillNeed

Needs = tuple[SkillNeed, ...]
Turn = tuple[Seconds, Seconds, int, CallId]
"""(place since less the start for priority, waiting since, order of arrival, call): sorts as
callers are served."""
MAX_OLD_PLACES = 10_000
"""Old places that are kept, of all queues together."""


def turn_of(
    call_id: CallId,
    *,
    priority: int,
    step_s: Seconds,
    place_since: Seconds,
    waiting_since: Seconds,
    order: int,
) -> Turn:
    """The place in the order of service.

    ``place_since``: when the wait began that the caller is credited with, ``waiting_since`` when
    it really did: they differ for who had dropped out and came back.
    """
    return (place_since - priority * step_s, waiting_since, order, call_id)


def among_queues(turn: Turn, head_start_s: Seconds) -> Turn:
    """The turn as it compares with those of other queues."""
    return (turn[0] - head_start_s, *turn[1:])


def meets(skills: Mapping[str, int], needs: Needs) -> bool:
    """Whether someone with these skills can help a caller with these needs."""
    return all(skills.get(need.skill, 0) >= need.min_level for need in needs)


class WaitingLine:
    """The callers of one queue who want (more) agents now."""

    def __init__(self) -> None:
        self._lines: dict[Needs, list[Turn]] = {}

    def add(self, needs: Needs, turn: Turn) -> None:
        """A caller wants an agent; O(log n)."""
        insort(self._lines.setdefault(needs, []), turn)

    def remove(self, needs: Needs, turn: Turn) -> None:
        """The caller wants none any more; O(log n).  Harmless if not there."""
        line = self._lines.get(needs)
        if line is None:
            return
        place = bisect_left(line, turn)
        if place < len(line) and line[place] == turn:
            del line[place]
            if not line:
                del self._lines[needs]

    def for_agent(self, skills: Mapping[str, int]) -> list[list[Turn]]:
        """The lines of callers whom an agent with these skills can help, each in order."""
        return [line for needs, line in self._lines.items() if meets(skills, needs)]

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())


class OldPlaces:
    """Places of callers who hung up while they waited, for when they call again.  Bounded: the
    oldest are forgotten first."""

    def __init__(self) -> None:
        self._kept: dict[tuple[QueueId, str], tuple[Seconds, Seconds]] = {}

    def keep(self, queue_id: QueueId, number: str, place_since: Seconds, now: Seconds) -> None:
        """A caller dropped out; one without a number can't be known again.  O(1)."""
        if not number:
            return
        self._kept.pop((queue_id, number), None)
        self._kept[queue_id, number] = (place_since, now)
        if len(self._kept) > MAX_OLD_PLACES:
            del self._kept[next(iter(self._kept))]

    def take(
        self, queue_id: QueueId, number: str, now: Seconds, within_s: Seconds | None
    ) -> Seconds:
        """Since when who comes now counts as waiting: since then, if they dropped out within this
        time (None: places are not given back), else since now.  Only once.  O(1)."""
        kept = self._kept.pop((queue_id, number), None)
        if kept is None or within_s is None:
            return now
        place_since, left_at = kept
        return place_since if now - left_at <= within_s else now

    def __len__(self) -> int:
        return len(self._kept)
