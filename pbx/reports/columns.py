"""The files of columns of a log: what makes a report over years take no time.

A file for each day, and one for each 32 days joined (a block), which is what questions about
months and years read.  House rules: a file is a copy, never the truth.  It bears the versions of
its days (book.py) and is made anew when there is a newer one, when it can't be read, or when it is
not there; any number of processes may do so at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from pbx.reports.files import (
    Versions,
    has_block,
    has_day,
    read_block,
    read_day,
    write_block,
    write_day,
)
from pbx.reports.frames import DayColumns, Frame, Layout, Row, day_columns, joined, some_columns

BLOCK_DAYS = 32
"""A block is read at one go; more days in one would be made anew more often."""
SETTLED_S = 600.0
"""How long nothing of a block's days has changed before it is made: today's would be in vain."""

Days = Mapping[int, int | None]
"""Days and their versions; None: keep no file now."""
RowsOf = Callable[[int], Iterable[Row]]
"""A day's rows, asked for when no file has them."""


class ColumnStore:
    """Files in ``folder``; for one log."""

    def __init__(
        self, folder: Path, *, block_days: int = BLOCK_DAYS, settled_s: float = SETTLED_S
    ) -> None:
        self._folder = folder
        self._block_days = block_days
        self._settled_ns = int(settled_s * 1e9)

    @classmethod
    def beside(cls, state_dir: Path, database: str) -> ColumnStore:
        """The files for the log with this URL."""
        name = hashlib.sha256(database.encode()).hexdigest()[:16]
        return cls(state_dir / "columns" / name)

    def frames(
        self, layout: Layout, wanted: Iterable[str], every: Days, span: range, rows_of: RowsOf
    ) -> list[Frame]:
        """The ``wanted`` columns of those of ``every`` day that are in ``span``, in pieces in the
        order of time."""
        names = set(wanted)
        columns = [name for name in layout.columns if name in names]
        blocks = self.blocks(every)
        pieces: list[Frame] = []
        loose: list[DayColumns] = []
        days = sorted(day for day in every if day in span)
        for number, some in groupby(days, self._block_of):
            asked = list(some)
            block = self._block(layout, columns, number, asked, blocks[number], rows_of)
            if block is None:
                loose += [self._day(layout, columns, day, every[day], rows_of) for day in asked]
                continue
            if loose:
                pieces.append(joined(layout, columns, loose))
                loose = []
            pieces.append(block)
        if loose:
            pieces.append(joined(layout, columns, loose))
        return [piece for piece in pieces if piece.rows]

    # A day's file ------------------------------------------------------------------------

    def has(self, layout: Layout, day: int, version: int) -> bool:
        """There is a file of this version.  It may turn out to be damaged when it is read."""
        return has_day(self._path(layout, day), layout, version)

    def keep(self, layout: Layout, day: int, version: int, rows: Iterable[Row]) -> None:
        """Make a day's file.  Raises OSError."""
        write_day(self._path(layout, day), layout, day_columns(layout, rows), version)

    def holds(self, layout: Layout, day: int, version: int, right: DayColumns) -> bool:
        """A day's file says what these columns say."""
        found = read_day(self._path(layout, day), layout, layout.columns, version)
        return (
            found is not None
            and bool(np.array_equal(found.matrix, right.matrix))
            and found.texts == right.texts
        )

    # A block -----------------------------------------------------------------------------

    def blocks(self, every: Days) -> dict[int, dict[int, int | None]]:
        """The blocks that these days are in, and of each the days."""
        found: dict[int, dict[int, int | None]] = {}
        for day, version in sorted(every.items()):
            found.setdefault(self._block_of(day), {})[day] = version
        return found

    def settled(self, days: Days) -> dict[int, int] | None:
        """The versions of a block's days; None: to make it now would be in vain."""
        versions = {day: version for day, version in days.items() if version is not None}
        if len(versions) < len(days):
            return None
        # A version is the time of the change (book.py).
        return versions if time.time_ns() - max(versions.values()) >= self._settled_ns else None

    def has_block(self, layout: Layout, number: int, versions: Versions) -> bool:
        """There is a file of these versions.  It may turn out to be damaged when it is read."""
        return has_block(self._block_path(layout, number), layout, versions)

    def keep_block(self, layout: Layout, number: int, versions: Versions, rows_of: RowsOf) -> None:
        """Make a block's file, and those of its days that are missing.  Raises OSError."""
        frame, lengths = self._join(layout, versions, rows_of)
        write_block(self._block_path(layout, number), layout, frame, lengths, versions)

    def block_holds(
        self, layout: Layout, number: int, versions: Versions, right: Sequence[DayColumns]
    ) -> bool:
        """A block's file says what the columns of its days say."""
        span = range(min(versions), max(versions) + 1)
        path = self._block_path(layout, number)
        found = read_block(path, layout, layout.columns, versions, span)
        return found is not None and found.same(joined(layout, layout.columns, right))

    def _join(self, layout: Layout, versions: Versions, rows_of: RowsOf) -> tuple[Frame, list[int]]:
        """These days' rows, and how many each has."""
        days = [
            self._day(layout, layout.columns, day, version, rows_of)
            for day, version in sorted(versions.items())
        ]
        return joined(layout, layout.columns, days), [day.rows for day in days]

    def _block_of(self, day: int) -> int:
        return day // self._block_days

    def _block(
        self,
        layout: Layout,
        columns: Sequence[str],
        number: int,
        asked: Sequence[int],
        days: Days,
        rows_of: RowsOf,
    ) -> Frame | None:
        """None: there is none of these versions, and to make one would be in vain."""
        versions = self.settled(days)
        if versions is None:
            return None
        span = range(asked[0], asked[-1] + 1)
        path = self._block_path(layout, number)
        found = read_block(path, layout, columns, versions, span)
        if found is None and len(asked) == len(days):
            whole, lengths = self._join(layout, versions, rows_of)
            # A folder that can't be written to makes reports slow, and nothing worse.
            with contextlib.suppress(OSError):
                write_block(path, layout, whole, lengths, versions)
            return whole.with_columns(columns)
        return found

    def _block_path(self, layout: Layout, number: int) -> Path:
        return self._folder / f"{layout.kind}-{number}.block"

    def _path(self, layout: Layout, day: int) -> Path:
        return self._folder / f"{layout.kind}-{day}.columns"

    def _day(
        self,
        layout: Layout,
        columns: Sequence[str],
        day: int,
        version: int | None,
        rows_of: RowsOf,
    ) -> DayColumns:
        path = self._path(layout, day)
        if version is not None:
            found = read_day(path, layout, columns, version)
            if found is not None:
                return found
        whole = day_columns(layout, rows_of(day))
        if version is not None:
            with contextlib.suppress(OSError):
                write_day(path, layout, whole, version)
        return some_columns(layout, columns, whole)
