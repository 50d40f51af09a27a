"""When one waiting caller is told what: pure, one object for each wait.

House rules: one thing at a time, so the next is counted from the end of the one before; a place in
the line that was told is never followed by a worse one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from ivr import phrases
from ivr.nodes import Prompt
from pbx.plan.model import Announcements
from routing.values import Seconds


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be said now; ``position`` and ``estimate_s`` None where they are not told."""

    prompts: tuple[Prompt, ...]
    position: int | None = None
    estimate_s: Seconds | None = None


class Announcer:
    """One caller's announcements.

    At ``next_at`` call ``say``; when what it returned has been heard, ``over``.  ``seed`` makes the
    order of shuffled messages this caller's own.
    """

    def __init__(self, plan: Announcements, began: Seconds, seed: str) -> None:
        self._plan = plan
        self._best: int | None = None
        self._messages = _in_turn(plan.messages, random.Random(seed) if plan.shuffled else None)
        self._numbers_at = began + plan.numbers.first_s if plan.position or plan.estimate else None
        self._message_at = began + plan.between.first_s if plan.messages else None
        self._speaking = False

    @property
    def next_at(self) -> Seconds | None:
        """When something is to be said; None while something is, or when nothing ever will."""
        times = [at for at in (self._numbers_at, self._message_at) if at is not None]
        return min(times, default=None) if not self._speaking else None

    def say(self, now: Seconds, position: int | None, estimate_s: Seconds | None) -> Said:
        """What is due: numbers first, then a message.  ``position`` and ``estimate_s`` as they are
        now, None when not known.  Where nothing is left to say, the next time is set by itself."""
        prompts: list[Prompt] = []
        told_position = told_estimate = None
        if _due(self._numbers_at, now):
            self._numbers_at = None
            if self._plan.position and position is not None and self._no_worse(position):
                told_position = self._best = position
                prompts.append(phrases.position(position))
            if self._plan.estimate and estimate_s is not None:
                told_estimate = estimate_s
                prompts.append(phrases.estimate(estimate_s))
        if _due(self._message_at, now):
            self._message_at = None
            prompts.append(next(self._messages))
        self._speaking = True
        if not prompts:
            self.over(now)
        return Said(tuple(prompts), told_position, told_estimate)

    def over(self, now: Seconds) -> None:
        """What was said is over.  Harmless when nothing was."""
        if not self._speaking:
            return
        self._speaking = False
        plan = self._plan
        if self._numbers_at is None and (plan.position or plan.estimate):
            self._numbers_at = _again(plan.numbers.every_s, now)
        if self._message_at is None and plan.messages:
            self._message_at = _again(plan.between.every_s, now)

    def _no_worse(self, position: int) -> bool:
        return self._best is None or position <= self._best


def _due(at: Seconds | None, now: Seconds) -> bool:
    return at is not None and at <= now


def _again(every_s: Seconds | None, now: Seconds) -> Seconds | None:
    return None if every_s is None else now + every_s


def _in_turn(messages: tuple[Prompt, ...], chance: random.Random | None) -> Iterator[Prompt]:
    """Round after round; shuffled, none comes twice in a row where there are two."""
    left = list(messages)
    last: Prompt | None = None
    while left:
        if chance is not None:
            chance.shuffle(left)
            if left[0] is last:
                left.reverse()
        yield from left
        last = left[-1]
