"""Looks for stages that have fallen: the counts for sag.py, out of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from pbx.errors import FunnelError
from pbx.funnel.count import Passage, entered
from pbx.funnel.report import newcomers
from pbx.funnel.sag import Judged, Trial, judge
from pbx.funnel.stages import Funnel, StageEvent
from pbx.journal.database import told_as_ours

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


@dataclass(frozen=True, slots=True)
class Watch:
    """``slices``: names, and the label of an entry in each, None: in none."""

    funnel: Funnel
    look: Look
    slices: Mapping[str, Callable[[StageEvent], str | None]] = field(default_factory=dict)


def watch(log: Engine, wanted: Watch, epoch: datetime, now: datetime) -> list[Judged]:
    """One look, at the last settled window.  Raises JournalError."""
    with told_as_ours(log), log.connect() as connection:
        until = wanted.look.due(now, epoch)
        events = newcomers(connection, wanted.funnel, wanted.look.first(until))
    return judge(trials(wanted, events, until))


def trials(wanted: Watch, events: Sequence[StageEvent], until: datetime) -> list[Trial]:
    """The counts of a look at the window that ends at ``until``: whole company, then slices."""
    look = wanted.look
    since = until - look.window
    first = look.first(until)
    last = until + look.settle
    begins = min((one.at for one in events), default=first)
    ways = entered(wanted.funnel, events, begins, last, last)
    found = list(_trials(wanted, "", ways, first, since, until))
    for name, label_of in wanted.slices.items():
        groups: dict[str, list[Passage]] = {}
        for way in ways:
            label = label_of(way.entry)
            if label is not None:
                groups.setdefault(label, []).append(way)
        for label in sorted(groups):
            found += _trials(wanted, f"{name}={label}", groups[label], first, since, until)
    return found


def _trials(
    wanted: Watch,
    label: str,
    ways: Iterable[Passage],
    first: datetime,
    since: datetime,
    until: datetime,
) -> Iterable[Trial]:
    """Who passed a stage in the window, and came to the next within the time to settle."""
    stages = wanted.funnel.stages
    counts = [[0, 0, 0, 0] for _ in stages]
    for way in ways:
        for place in range(1, len(stages)):
            at = way.at[place - 1]
            if at is None or not first <= at < until:
                continue
            after = [one for one in way.at[place:] if one is not None and one >= at]
            came = bool(after) and min(after) - at <= wanted.look.settle
            side = 2 if at >= since else 0
            counts[place][side] += 1
            counts[place][side + 1] += came
    for place in range(1, len(stages)):
        yield Trial(label, stages[place], *counts[place])


def slices_of(
    names: Iterable[str], departments: Mapping[str, str]
) -> dict[str, Callable[[StageEvent], str | None]]:
    """Ways to tell an entry's label.  Raises FunnelError for a slice that there is not."""
    known: dict[str, Callable[[StageEvent], str | None]] = {
        "manager": lambda event: event.agent or None,
        "source": lambda event: event.source or None,
        "department": lambda event: departments.get(event.agent),
    }
    found = {}
    for name in names:
        if name not in known:
            raise FunnelError(f"no slice {name!r}: {', '.join(known)}")
        found[name] = known[name]
    return found
