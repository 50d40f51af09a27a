"""A funnel's numbers out of its events.  Pure.

Two honest readings, which answer different questions:

- *events*: what happened in the period.  Each passing counts, whoever passed; the meetings of this
  month may belong to calls of the month before, so a conversion can exceed 100 %.
- *cohort*: who entered in the period, and how far they have come until now.  Conversions are of
  the same people; those who may still come further are told as open.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pbx.funnel.stages import Funnel, StageEvent

WEAK_FROM = 10
"""Fewer that could have passed say nothing about where the funnel is weak."""


class Reading(StrEnum):
    """How a funnel is counted."""

    EVENTS = "events"
    COHORT = "cohort"


@dataclass(frozen=True, slots=True)
class Step:
    """A stage.  ``count``: passings (events), or who came here or further (cohort).

    ``to_previous`` and ``to_top``: count / that of the stage before, of the first; None: of none.
    ``open``: who passed the stage before and may still come here (cohort).  ``decided``: count /
    those who passed the stage before and are not open.  ``median_s``: from the stage before to
    this one, of those who passed both.
    """

    stage: str
    title: str
    count: int
    to_previous: float | None = None
    to_top: float | None = None
    open: int = 0
    decided: float | None = None
    median_s: float | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """``weak``: the stage with the lowest conversion from the one before, where that had at least
    WEAK_FROM to give; None where none had."""

    reading: Reading
    steps: tuple[Step, ...]
    weak: str | None


def in_period(
    funnel: Funnel, events: Iterable[StageEvent], since: datetime, until: datetime
) -> Counted:
    """The reading ``events``.  ``events`` may begin before the period, for the times between."""
    by_stage: dict[str, list[StageEvent]] = {name: [] for name in funnel.stages}
    for event in events:
        if event.stage in by_stage and event.at < until:
            by_stage[event.stage].append(event)
    counts = [sum(one.at >= since for one in by_stage[name]) for name in funnel.stages]
    times: list[list[float]] = [[] for _ in funnel.stages]
    for place, (before, name) in enumerate(
        zip(funnel.stages, funnel.stages[1:], strict=False), start=1
    ):
        passed: dict[str, list[datetime]] = {}
        for one in by_stage[before]:
            passed.setdefault(one.subject, []).append(one.at)
        for one in by_stage[name]:
            earlier = sorted(passed.get(one.subject, ()))
            nearest = bisect_right(earlier, one.at)
            if one.at >= since and nearest:
                times[place].append((one.at - earlier[nearest - 1]).total_seconds())
    return _counted(Reading.EVENTS, funnel, counts, [0] * len(counts), times)


def cohort(
    funnel: Funnel,
    events: Iterable[StageEvent],
    since: datetime,
    until: datetime,
    now: datetime,
    wanted: Callable[[StageEvent], bool] = lambda _: True,
) -> Counted:
    """The reading ``cohort``: subjects whose first event at the first stage is in the period.

    ``events``: all until now, also from before the period: who had entered then is not new.
    ``wanted``: of entries; whoever took a subject further does not matter.
    """
    ways = [way for way in entered(funnel, events, since, until, now) if wanted(way.entry)]
    counts, opens = [0] * len(funnel.stages), [0] * len(funnel.stages)
    times: list[list[float]] = [[] for _ in funnel.stages]
    for way in ways:
        for place in range(way.furthest + 1):
            counts[place] += 1
        if way.furthest + 1 < len(counts) and now - way.last < funnel.undecided_for:
            opens[way.furthest + 1] += 1
        for place in range(1, len(counts)):
            here, before = way.at[place], way.at[place - 1]
            if here is not None and before is not None and here >= before:
                times[place].append((here - before).total_seconds())
    return _counted(Reading.COHORT, funnel, counts, opens, times)


@dataclass(frozen=True, slots=True)
class Passage:
    """One subject's way: when each stage was first passed since they entered, None: not.

    ``furthest``: the place of the last stage among these.  ``entry``: the first event.
    """

    entry: StageEvent
    at: tuple[datetime | None, ...]
    furthest: int
    last: datetime


def entered(
    funnel: Funnel, events: Iterable[StageEvent], since: datetime, until: datetime, now: datetime
) -> list[Passage]:
    """The ways of those who entered in the period, as far as they have come until ``now``."""
    places = {name: place for place, name in enumerate(funnel.stages)}
    by_subject: dict[str, list[StageEvent]] = {}
    for event in events:
        if event.stage in places and event.at <= now:
            by_subject.setdefault(event.subject, []).append(event)
    found = []
    for theirs in by_subject.values():
        # Of the same moment the earlier stage is first.
        theirs.sort(key=lambda one: (one.at, places[one.stage]))
        entry = next((one for one in theirs if places[one.stage] == 0), None)
        if entry is None or not since <= entry.at < until:
            continue
        at: list[datetime | None] = [None] * len(places)
        for one in theirs:
            if one.at >= entry.at and at[places[one.stage]] is None:
                at[places[one.stage]] = one.at
        passed = [(place, when) for place, when in enumerate(at) if when is not None]
        last = max(when for _, when in passed)
        found.append(Passage(entry, tuple(at), passed[-1][0], last))
    return found


def _counted(
    reading: Reading,
    funnel: Funnel,
    counts: Sequence[int],
    opens: Sequence[int],
    times: Sequence[Sequence[float]],
) -> Counted:
    steps = []
    for place, name in enumerate(funnel.stages):
        before = counts[place - 1] if place else 0
        top = counts[0]
        count = counts[place]
        decided = before - opens[place]
        steps.append(
            Step(
                stage=name,
                title=funnel.titles[name],
                count=count,
                to_previous=count / before if before else None,
                to_top=count / top if top and place else None,
                open=opens[place],
                decided=count / decided if place and decided > 0 else None,
                median_s=_median(times[place]),
            )
        )
    able = [
        (step.to_previous, place)
        for place, step in enumerate(steps)
        if step.to_previous is not None and place and counts[place - 1] >= WEAK_FROM
    ]
    weak = steps[min(able)[1]].stage if able else None
    return Counted(reading, tuple(steps), weak)


def _median(values: Sequence[float]) -> float | None:
    return sorted(values)[(len(values) - 1) // 2] if values else None
