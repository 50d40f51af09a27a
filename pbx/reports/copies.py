"""Makes the files of columns that are missing, so that nobody waits for them.

House rules: this only does what the next report would do; whoever asks meanwhile makes what they
need themselves.  The newest days come first: they are asked for most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, Engine

from pbx.journal.database import told_as_ours
from pbx.reports.columns import ColumnStore, Layout, Row
from pbx.reports.source import CALLS, PARTS, STATES, Source

_DIFFERENT = 10
"""Files that a check names."""


class Days(Protocol):
    """What files are made of, over one connection."""

    def days(self, layout: Layout) -> Mapping[int, int | None]:
        """The days there are, and their versions; None: keep no file now."""

    def rows(self, layout: Layout, day: int) -> Iterable[Row]:
        """Of a day."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Files of these layouts are made of what ``of`` gives."""

    layouts: tuple[Layout, ...]
    of: Callable[[Connection, ColumnStore], Days]


REPORTS = Kept((CALLS, PARTS, STATES), Source)


@dataclass(frozen=True, slots=True)
class Missing:
    """A file that is not there, or not of its day's version."""

    kept: Kept
    layout: Layout
    day: int


def missing(log: Engine, store: ColumnStore, every: Sequence[Kept]) -> list[Missing]:
    """The newest first.  Raises JournalError."""
    found = []
    with told_as_ours(log), log.connect() as connection:
        for kept in every:
            days = kept.of(connection, store)
            found += [
                Missing(kept, layout, day)
                for layout in kept.layouts
                for day, version in days.days(layout).items()
                if version is not None and not store.has(layout, day, version)
            ]
    return sorted(found, key=lambda one: -one.day)


def make(log: Engine, store: ColumnStore, one: Missing) -> float:
    """Make it; gives how long that took, seconds.  Raises JournalError, OSError."""
    began = time.perf_counter()
    with told_as_ours(log), log.connect() as connection:
        days = one.kept.of(connection, store)
        version = days.days(one.layout).get(one.day)
        if version is not None:
            store.keep(one.layout, one.day, version, days.rows(one.layout, one.day))
    return time.perf_counter() - began


def make_all(
    log: Engine,
    store: ColumnStore,
    every: Sequence[Kept],
    told: Callable[[int], None] = lambda _: None,
) -> int:
    """All that is missing; gives how many.  ``told``: hears how many are made.  Raises
    JournalError, OSError."""
    found = missing(log, store, every)
    for number, one in enumerate(found, start=1):
        make(log, store, one)
        told(number)
    return len(found)


@dataclass(frozen=True, slots=True)
class Compared:
    """``files``: of the version that counts.  ``wrong``: those that say something else than the
    log; the first of them are in ``examples``."""

    files: int
    wrong: int
    examples: tuple[str, ...]


def compare(
    log: Engine,
    store: ColumnStore,
    every: Sequence[Kept],
    told: Callable[[int], None] = lambda _: None,
) -> Compared:
    """Hold each file against the log.  Raises JournalError."""
    files, wrong = 0, []
    with told_as_ours(log):
        for kept in every:
            for layout in kept.layouts:
                with log.connect() as connection:
                    days = sorted(kept.of(connection, store).days(layout))
                for day in days:
                    with log.connect() as connection:
                        source = kept.of(connection, store)
                        version = source.days(layout).get(day)
                        if version is None or not store.has(layout, day, version):
                            continue
                        same = store.holds(layout, day, version, source.rows(layout, day))
                    files += 1
                    if not same:
                        wrong.append(f"{layout.kind}-{day}: is not what the log says")
                    told(files)
    return Compared(files, len(wrong), tuple(wrong[:_DIFFERENT]))
