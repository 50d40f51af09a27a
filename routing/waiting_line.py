"""Callers waiting, in the order in which they are served: priority, then waiting time.

A line is kept per queue and per set of needs that holds now, so that who serves a caller is found
without looking at callers whom the agent can't help.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping

from routing.values import CallId, Seconds, SkillNeed

Needs = tuple[SkillNeed, ...]
Turn = tuple[int, Seconds, int, CallId]
"""(-priority, waiting since, order of arrival, call): sorts as callers are served."""


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
