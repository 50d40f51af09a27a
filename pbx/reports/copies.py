"""Makes the files of columns that are missing, so that nobody waits for them.

House rules: this only does what the next report would do; whoever asks meanwhile makes what they
need themselves.  The newest days come first: they are asked for most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sqlalchemy import Connection, Engine

from pbx.journal.database import told_as_ours
from pbx.reports.columns import ColumnStore
from pbx.reports.frames import Layout, Row, day_columns
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
    """A day's file that is not there, or not of its day's version; with ``block``, that of the
    block which this day is the last of."""

    kept: Kept
    layout: Layout
    day: int
    block: int | None = None


def missing(log: Engine, store: ColumnStore, every: Sequence[Kept]) -> list[Missing]:
    """The newest first, and blocks after the days that they are made of.  Raises JournalError."""
    found = []
    with told_as_ours(log), log.connect() as connection:
        for kept in every:
            source = kept.of(connection, store)
            for layout in kept.layouts:
                days = source.days(layout)
                found += [
                    Missing(kept, layout, day)
                    for day, version in days.items()
                    if version is not None and not store.has(layout, day, version)
                ]
                found += [
                    Missing(kept, layout, max(some), number)
                    for number, some in store.blocks(days).items()
                    if (versions := store.settled(some)) is not None
                    and not store.has_block(layout, number, versions)
                ]
    return sorted(found, key=lambda one: (one.block is not None, -one.day))


def make(log: Engine, store: ColumnStore, one: Missing) -> float:
    """Make it; gives how long that took, seconds.  Raises JournalError, OSError."""
    began = time.perf_counter()
    with told_as_ours(log), log.connect() as connection:
        source = one.kept.of(connection, store)
        days = source.days(one.layout)
        rows_of = partial(source.rows, one.layout)
        if one.block is not None:
            versions = store.settled(store.blocks(days).get(one.block, {one.day: None}))
            if versions is not None:
                store.keep_block(one.layout, one.block, versions, rows_of)
        elif (version := days.get(one.day)) is not None:
            store.keep(one.layout, one.day, version, rows_of(one.day))
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
    files = 0
    wrong: list[str] = []
    with told_as_ours(log):
        for kept in every:
            for layout in kept.layouts:
                with log.connect() as connection:
                    blocks = store.blocks(kept.of(connection, store).days(layout))
                for number in blocks:
                    with log.connect() as connection:
                        source = kept.of(connection, store)
                        held = _Held(store, layout, number, source)
                        files += held.files
                        wrong += held.wrong
                    told(files)
    return Compared(files, len(wrong), tuple(wrong[:_DIFFERENT]))


class _Held:
    """The files of a block's days, and the block's own, held against the log."""

    def __init__(self, store: ColumnStore, layout: Layout, number: int, source: Days) -> None:
        days = store.blocks(source.days(layout)).get(number, {})
        versions = {day: version for day, version in days.items() if version is not None}
        there = {day for day, version in versions.items() if store.has(layout, day, version)}
        whole = len(versions) == len(days) and store.has_block(layout, number, versions)
        right = {
            day: day_columns(layout, source.rows(layout, day))
            for day in versions
            if whole or day in there
        }
        self.files = len(there) + whole
        self.wrong = [
            f"{layout.kind}-{day}: is not what the log says"
            for day in sorted(there)
            if not store.holds(layout, day, versions[day], right[day])
        ]
        if whole and not store.block_holds(layout, number, versions, list(right.values())):
            self.wrong.append(f"{layout.kind}-{number}, a block: is not what the log says")
