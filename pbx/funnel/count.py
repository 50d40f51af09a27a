"""A funnel's numbers out of its events.  Pure.

Two honest readings, which answer different questions:

- *events*: what happened in the period.  Each passing counts, whoever passed; the meetings of this
  month may belong to calls of the month before, so a conversion can exceed 100 %.
- *cohort*: who entered in the period, and how far they have come until now.  Conversions are of
  the same people; those who may still come further are told as open.

House rules: columns, not one event after the other; what comes out is what the events counted one
by one would give (tests/funnel/brute.py).  Times are milliseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from pbx.funnel.passed import NEVER, Calls, Codes, Mask, Passages, Times, Told
from pbx.funnel.stages import Funnel
from pbx.reports.facts import milliseconds
from pbx.reports.frames import Ints

WEAK_FROM = 10
"""Fewer that could have passed say nothing about where the funnel is weak."""
_BITS = 62
_LATER = np.int64(2**_BITS)
"""After any time."""
_PART = 2**17
"""Rows worked on at a time."""


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


@dataclass(frozen=True, slots=True)
class Cut:
    """Who counts, and in which group: of each manager's and each source's code.

    ``agents``, ``sources``: those that count.  A group's number is the sum of both codes': one of
    the two lists is all 0."""

    agents: Mask
    sources: Mask
    group_of_agent: Codes
    group_of_source: Codes
    groups: int

    def keeps(self, some: Told | Calls | Ways) -> Mask | None:
        """Those that count; None: all."""
        found: Mask | None = None
        for fits, codes in ((self.agents, some.agent), (self.sources, some.source)):
            if not fits.all():
                found = fits[codes] if found is None else found & fits[codes]
        return found

    def group(self, some: Told | Calls | Ways) -> Codes:
        """Of each, its group."""
        if self.group_of_source.any():
            return self.group_of_source[some.source]
        return self.group_of_agent[some.agent]


@dataclass(frozen=True, slots=True)
class Counts:
    """All together, and for each group; ``there``: the groups in which there is somebody."""

    total: Counted
    groups: Sequence[Counted]
    there: npt.NDArray[np.int64]


# Events in the period ---------------------------------------------------------------------


def in_period(
    funnel: Funnel, found: Passages, since: datetime, until: datetime, cut: Cut
) -> Counts:
    """The reading ``events``.  ``found`` may begin before the period, for the times between."""
    table = _Table(Reading.EVENTS, funnel, cut.groups)
    first, end = milliseconds(since), milliseconds(until)
    before: Told | None = None
    place = 0
    if found.calls is not None:
        before = _of_calls(found.calls, found.people, (first, end), cut, table)
        place = len(found.calls.after)
    for stage in found.told:
        kept = _kept(stage, cut, end)
        here = kept.only(kept.at >= first)
        table.counts[place] = np.bincount(cut.group(here), minlength=cut.groups)
        if before is not None:
            table.times(place, *_since(before, here, cut, found.people))
        before = kept
        place += 1
    return table.read()


def _of_calls(of: Calls, people: int, span: tuple[int, int], cut: Cut, table: _Table) -> Told:
    """Counts the stages that calls pass by themselves; gives the passings of the last of them."""
    fits, group = cut.keeps(of), cut.group(of)
    crowd = np.zeros(len(of.began), np.bool_)
    crowd[of.crowded] = True
    crowded = of.crowded if fits is None else of.crowded[fits[of.crowded]]
    until = within = np.zeros(len(of.began), np.bool_)
    for place, after in enumerate(of.after):
        until, within = _passed_within(of.began, after, fits, span)
        parts = _parts(len(after))
        table.counts[place] = sum(
            np.bincount(group[part][within[part]], minlength=cut.groups) for part in parts
        )
        if place:
            here = of.passed(place, of.crowded[within[of.crowded]])
            spans, grouped, groups = _since(of.passed(place - 1, crowded), here, cut, people)
            # Of everybody else the stage before is the same call's.
            alone = within & ~crowd
            before = of.after[place - 1]
            own = [(after[part] - before[part])[alone[part]] for part in parts]
            whose = [group[part][alone[part]] for part in parts]
            table.times(
                place,
                np.concatenate((*own, spans)),
                np.concatenate((*own, grouped)),
                np.concatenate((*whose, groups)),
            )
    return of.passed(len(of.after) - 1, np.flatnonzero(until))


def _passed_within(
    began: Times, after: Codes, fits: Mask | None, span: tuple[int, int]
) -> tuple[Mask, Mask]:
    """Of those that count, who passed a stage before the end of a time, and who within it."""
    first, end = span
    until, within = np.empty(len(began), np.bool_), np.empty(len(began), np.bool_)
    for part in _parts(len(began)):
        at = began[part] + after[part]
        until[part] = (after[part] != NEVER) & (at < end)
        if fits is not None:
            until[part] &= fits[part]
        within[part] = until[part] & (at >= first)
    return until, within


def _parts(length: int) -> list[slice]:
    """Pieces of a long column: what is worked out of one stays in the processor's cache."""
    return [slice(begin, begin + _PART) for begin in range(0, length, _PART)]


def _since(before: Told, here: Told, cut: Cut, people: int) -> tuple[Times, Times, Codes]:
    """From the nearest passing of the stage before by the same contact, for those who have one;
    the same within their group, and which one that is."""
    spans, group = _nearest(before, None, here, None, 1, people)
    if cut.groups == 1:
        return spans, spans, group
    grouped = _nearest(before, cut.group(before), here, cut.group(here), cut.groups, people)
    return spans, *grouped


def _kept(stage: Told, cut: Cut, end_ms: int) -> Told:
    keep = stage.at < end_ms
    if (fits := cut.keeps(stage)) is not None:
        keep &= fits
    return stage.only(keep)


def _nearest(
    before: Told,
    group_before: Codes | None,
    here: Told,
    group: Codes | None,
    groups: int,
    people: int,
) -> tuple[Times, Codes]:
    """That, and of each its group.

    By sorting: one number holds contact, group, time and which of the two stages it is.
    """
    nothing = np.zeros(0, np.int64)
    if not len(here.at) or not len(before.at):
        return nothing, nothing
    asked = np.zeros(people, np.bool_)
    asked[here.who] = True
    some = np.flatnonzero(asked[before.who])
    if not len(some):
        return nothing, nothing
    # Only these contacts, numbered anew: small numbers leave more room for the rest.
    number = np.cumsum(asked) - 1
    at_before = before.at[some]
    start = min(int(at_before.min()), int(here.at.min()))
    length = int(max(at_before.max(), here.at.max())) - start
    bits = length.bit_length() + 1
    key_before, key = number[before.who[some]] * groups, number[here.who] * groups
    if group_before is not None and group is not None:
        key_before += group_before[some]
        key += group
    spans: list[Times] = []
    found: list[Codes] = []
    step = 1 << max(1, _BITS - bits)
    for first in range(0, int(max(key.max(), key_before.max())) + 1, step):
        early = (key_before >= first) & (key_before < first + step)
        late = (key >= first) & (key < first + step)
        packed = np.concatenate(
            (
                (key_before[early] - first) << bits | (at_before[early] - start) << 1,
                (key[late] - first) << bits | (here.at[late] - start) << 1 | 1,
            )
        )
        packed.sort()
        is_here = (packed & 1) != 0
        last = np.maximum.accumulate(np.where(is_here, np.int64(-1), packed))
        there = np.flatnonzero(is_here & (last >= 0) & (last >> bits == packed >> bits))
        spans.append((packed[there] >> 1) - (last[there] >> 1))
        found.append(((packed[there] >> bits) + first) % groups)
    return np.concatenate(spans), np.concatenate(found)


# The cohort -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ways:
    """Those who entered, in columns.  ``at``: a line for each stage, when it was first passed since
    they entered, or NEVER.  ``agent``, ``source``: of the first event."""

    at: Times
    agent: Codes
    source: Codes

    def only(self, keep: Mask | None) -> Ways:
        """Those of which ``keep`` is true; None: all."""
        if keep is None:
            return self
        return Ways(self.at[:, keep], self.agent[keep], self.source[keep])


def entered(found: Passages, since_ms: int, until_ms: int, now_ms: int) -> Ways:
    """The ways of those whose first event at the first stage is from ``since`` to before ``until``,
    as far as they have come until ``now``.

    Where calls pass the first stage, who had called before any call in ``found`` is not new.
    """
    of = found.calls
    top, began = (found.told[0], found.told[0].at) if of is None else (of, of.began)
    here = np.flatnonzero(began <= now_ms)
    # Of each contact the first: who comes later in the list is written before.
    first = np.full(found.people, -1, np.int64)
    first[top.who[here][::-1]] = here[::-1]
    rows = first[first >= 0]
    keep = (began[rows] >= since_ms) & (began[rows] < until_ms)
    if of is not None:
        keep &= of.new[rows]
    rows = rows[keep]
    place = np.full(found.people, -1, np.int32)
    place[top.who[rows]] = np.arange(len(rows), dtype=np.int32)
    lines = [began[rows]]
    if of is not None:
        theirs = place[of.who]
        some = np.flatnonzero(theirs >= 0)
        theirs, at = theirs[some], of.began[some]
        for after in of.after[1:]:
            passed = after[some]
            lines.append(_first(lines[0], theirs, at + passed, now_ms, passed != NEVER))
    for stage in found.told[1:] if of is None else found.told:
        theirs = place[stage.who]
        lines.append(_first(lines[0], theirs, stage.at, now_ms, theirs >= 0))
    return Ways(np.array(lines), top.agent[rows], top.source[rows])


def _first(entry: Times, whose: Codes, at: Times, now_ms: int, keep: Mask) -> Times:
    """When each of those who entered passed a stage first, or NEVER."""
    found = np.full(len(entry), _LATER)
    there = np.flatnonzero(keep & (at <= now_ms))
    whose, at = whose[there], at[there]
    late = at >= entry[whose]
    np.minimum.at(found, whose[late], at[late])
    found[found == _LATER] = NEVER
    return found


def cohort(funnel: Funnel, ways: Ways, now: datetime, cut: Cut) -> Counts:
    """The reading ``cohort``.  Who counts and where is told by who they entered with; whoever took
    them further does not matter."""
    table = _Table(Reading.COHORT, funnel, cut.groups)
    ways = ways.only(cut.keeps(ways))
    group, at, stages = cut.group(ways), ways.at, len(ways.at)
    furthest = np.zeros(at.shape[1], np.int64)
    last = at[0].copy()
    for line in range(1, stages):
        furthest[at[line] != NEVER] = line
        np.maximum(last, at[line], out=last)
    ends = np.bincount(furthest * cut.groups + group, minlength=stages * cut.groups)
    # Who came here or further.
    table.counts[:] = np.cumsum(ends.reshape(stages, cut.groups)[::-1], axis=0)[::-1]
    undecided_ms = round(funnel.undecided_for.total_seconds() * 1000)
    open_ = np.flatnonzero((furthest + 1 < stages) & (milliseconds(now) - last < undecided_ms))
    table.opens[:] = np.bincount(
        (furthest[open_] + 1) * cut.groups + group[open_], minlength=stages * cut.groups
    ).reshape(stages, cut.groups)
    for line in range(1, stages):
        # NEVER is before any time.
        both = np.flatnonzero((at[line - 1] != NEVER) & (at[line] >= at[line - 1]))
        spans = at[line][both] - at[line - 1][both]
        table.times(line, spans, spans, group[both])
    return table.read()


# What both end in -------------------------------------------------------------------------


class _Table:
    """Numbers by stage and group, as they come in."""

    def __init__(self, reading: Reading, funnel: Funnel, groups: int) -> None:
        self._reading = reading
        self._funnel = funnel
        shape = (len(funnel.stages), groups)
        self.counts = np.zeros(shape, np.int64)
        self.opens = np.zeros(shape, np.int64)
        self._medians = np.full(shape, np.nan)
        self._median = np.full(len(funnel.stages), np.nan)

    def times(self, place: int, spans: Ints, grouped: Ints, group: Codes) -> None:
        """Times from the stage before: of all together, and within each group."""
        one = np.zeros(0, np.int64)
        self._median[place] = _medians(spans, one, 1)[0]
        groups = self.counts.shape[1]
        self._medians[place] = (
            self._median[place] if groups == 1 else _medians(grouped, group, groups)
        )

    def read(self) -> Counts:
        """What has come in."""
        groups = self.counts.shape[1]
        told = [
            _counted(
                self._reading,
                self._funnel,
                self.counts[:, one],
                self.opens[:, one],
                self._medians[:, one],
            )
            for one in range(groups)
        ]
        total = _counted(
            self._reading,
            self._funnel,
            self.counts.sum(axis=1),
            self.opens.sum(axis=1),
            self._median,
        )
        return Counts(total, told, np.flatnonzero(self.counts.any(axis=0)))


def _medians(values: Ints, group: Codes, groups: int) -> npt.NDArray[np.float64]:
    """Of each group the value in the middle, the lower of two, in seconds; nan: of none."""
    found = np.full(groups, np.nan)
    if not len(values):
        return found
    if groups == 1:
        middle = (len(values) - 1) // 2
        found[0] = np.partition(values, middle)[middle] / 1000
        return found
    # One number holds group and value: it sorts faster than two.
    least = int(values.min())
    bits = (int(values.max()) - least).bit_length()
    key = group.astype(np.int64) << bits | values - least
    key.sort()
    sizes = np.bincount(group, minlength=groups)
    some = np.flatnonzero(sizes)
    middles = (np.cumsum(sizes) - sizes + (sizes - 1) // 2)[some]
    found[some] = ((key[middles] & (1 << bits) - 1) + least) / 1000
    return found


def _counted(
    reading: Reading,
    funnel: Funnel,
    counts: npt.NDArray[np.int64],
    opens: npt.NDArray[np.int64],
    medians: npt.NDArray[np.float64],
) -> Counted:
    steps = []
    for place, name in enumerate(funnel.stages):
        count, open_ = int(counts[place]), int(opens[place])
        before = int(counts[place - 1]) if place else 0
        top = int(counts[0])
        decided = before - open_
        steps.append(
            Step(
                stage=name,
                title=funnel.titles[name],
                count=count,
                to_previous=count / before if before else None,
                to_top=count / top if top and place else None,
                open=open_,
                decided=count / decided if place and decided > 0 else None,
                median_s=None if np.isnan(medians[place]) else float(medians[place]),
            )
        )
    able = [
        (step.to_previous, place)
        for place, step in enumerate(steps)
        if step.to_previous is not None and place and counts[place - 1] >= WEAK_FROM
    ]
    weak = steps[min(able)[1]].stage if able else None
    return Counted(reading, tuple(steps), weak)
