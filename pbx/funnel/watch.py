"""Looks for stages that have fallen: the counts for sag.py, out of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Engine

from pbx.errors import FunnelError
from pbx.funnel.count import Ways, entered
from pbx.funnel.passed import NEVER, Codes, Mask, Passages, passages
from pbx.funnel.sag import Judged, Trial, judge
from pbx.funnel.stages import Funnel
from pbx.journal.database import told_as_ours
from pbx.reports.columns import ColumnStore
from pbx.reports.facts import milliseconds

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
"""A Monday: windows of a look are counted from here."""


@dataclass(frozen=True, slots=True)
class Look:
    """``window``: of the recent ones; looks are a window apart, so that no two share people.
    ``before``: how many windows they are compared with.  ``settle``: how long somebody has to come
    one stage further; a window is looked at when that is over."""

    window: timedelta = timedelta(days=7)
    before: int = 8
    settle: timedelta = timedelta(days=7)

    def due(self, now: datetime, epoch: datetime) -> datetime:
        """The end of the last window that is settled; windows are counted from ``epoch``."""
        whole = (now - self.settle - epoch) // self.window
        return epoch + whole * self.window

    def first(self, until: datetime) -> datetime:
        """The beginning of the first window that the one ending then is compared with."""
        return until - (1 + self.before) * self.window


Label = Callable[[str, str], str | None]
"""Of an entry with this manager and this source, in a slice; None: it is in none."""


@dataclass(frozen=True, slots=True)
class Watch:
    """``slices``: names, and how an entry's label in each is told."""

    funnel: Funnel
    look: Look
    slices: Mapping[str, Label] = field(default_factory=dict)


def watch(
    log: Engine, store: ColumnStore, wanted: Watch, epoch: datetime, now: datetime
) -> list[Judged]:
    """One look, at the last settled window.  Raises JournalError."""
    until = wanted.look.due(now, epoch)
    first, last = wanted.look.first(until), until + wanted.look.settle
    told_since = first if wanted.funnel.of_calls else None
    with told_as_ours(log), log.connect() as connection:
        found = passages(connection, store, wanted.funnel, first, last, told_since)
    return judge(trials(wanted, found, until))


def trials(wanted: Watch, found: Passages, until: datetime) -> list[Trial]:
    """The counts of a look at the window that ends at ``until``: whole company, then slices."""
    last = milliseconds(until + wanted.look.settle)
    ways = entered(found, 0, last, last)
    passed = list(_passed(wanted, ways, until))
    everybody = np.zeros(len(ways.agent), np.int64)
    trials = _trials(wanted, [""], everybody, passed)
    for name, label_of in wanted.slices.items():
        labels, group = _labelled(label_of, found, ways)
        trials += _trials(wanted, [f"{name}={one}" for one in labels], group, passed)
    return trials


@dataclass(frozen=True, slots=True)
class _Stage:
    """Who passed the one before: in the windows before, or in the recent one, and who of them came
    further within the time to settle."""

    before: Mask
    recent: Mask
    came: Mask


def _passed(wanted: Watch, ways: Ways, until: datetime) -> Iterator[_Stage]:
    look, at = wanted.look, ways.at
    since_ms, until_ms = milliseconds(until - look.window), milliseconds(until)
    first_ms = milliseconds(look.first(until))
    settle_ms = look.settle // timedelta(milliseconds=1)
    for place in range(1, len(at)):
        here = at[place - 1]
        there = (here != NEVER) & (here >= first_ms) & (here < until_ms)
        came = np.zeros(len(here), np.bool_)
        for later in at[place:]:
            came |= (later != NEVER) & (later >= here) & (later - here <= settle_ms)
        recent = here >= since_ms
        yield _Stage(there & ~recent, there & recent, came)


def _labelled(label_of: Label, found: Passages, ways: Ways) -> tuple[list[str], Codes]:
    """The labels that there are, and of each entry the place of its own; -1: it has none."""
    many = len(found.sources)
    pairs, which = np.unique(ways.agent.astype(np.int64) * many + ways.source, return_inverse=True)
    told = [
        label_of(found.agents[pair // many], found.sources[pair % many]) for pair in pairs.tolist()
    ]
    labels = sorted({one for one in told if one is not None})
    place = {label: code for code, label in enumerate(labels)}
    codes = np.array([-1 if one is None else place[one] for one in told], np.int64)
    return labels, codes[which] if len(which) else which


def _trials(
    wanted: Watch, labels: list[str], group: Codes, passed: Iterable[_Stage]
) -> list[Trial]:
    def sums(who: Mask) -> list[int]:
        numbers: list[int] = np.bincount(group[who & (group >= 0)], minlength=len(labels)).tolist()
        return numbers

    counts = [
        [
            sums(one.before),
            sums(one.before & one.came),
            sums(one.recent),
            sums(one.recent & one.came),
        ]
        for one in passed
    ]
    return [
        Trial(label, stage, *(numbers[which] for numbers in of_stage))
        for which, label in enumerate(labels)
        for stage, of_stage in zip(wanted.funnel.stages[1:], counts, strict=True)
    ]


def slices_of(names: Iterable[str], departments: Mapping[str, str]) -> dict[str, Label]:
    """Ways to tell an entry's label.  Raises FunnelError for a slice that there is not."""
    known: dict[str, Label] = {
        "manager": lambda agent, _: agent or None,
        "source": lambda _, source: source or None,
        "department": lambda agent, _: departments.get(agent),
    }
    found = {}
    for name in names:
        if name not in known:
            raise FunnelError(f"no slice {name!r}: {', '.join(known)}")
        found[name] = known[name]
    return found
