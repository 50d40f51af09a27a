"""Rows in groups: the few ways of counting that all measures are made of.

House rules: what is counted of pieces is what would be counted of all rows at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pbx.reports.frames import Ints
from pbx.reports.rows import Codes, Rows, Which

Values = npt.NDArray[np.float64]
"""A value for each group; not a number where it is not defined."""
Exact = npt.NDArray[np.int64]
_CELLS = 2**16
"""Counters at most for sorts that are counted together: they stay in the processor's cache."""
_TOGETHER = 8
"""Sorts that one byte can tell."""


class Groups:
    """Rows in pieces, in the order of time, and for each row the group it is in; None: there is
    one group."""

    def __init__(self, pieces: Sequence[Rows], groups: Sequence[Codes] | None, number: int) -> None:
        self._pieces = pieces
        self._groups = groups
        self.number = number
        self._everything: Exact | None = None
        self._counts: dict[Which, Exact] = {}
        self._totals: dict[tuple[str, Which], Exact] = {}
        self._most: dict[tuple[str, Which], Values] = {}
        self._sorted: dict[tuple[str, Which], npt.NDArray[Any]] = {}

    @property
    def everything(self) -> Exact:
        """Rows in each group."""
        if self._everything is None:
            if self._groups is None:
                rows = sum(piece.frame.rows for piece in self._pieces)
                self._everything = np.array([rows], np.int64)
            else:
                self._count_some(())
        assert self._everything is not None
        return self._everything

    def count(self, which: Which) -> Exact:
        """Rows of this sort in each group."""
        if which not in self._counts:
            self.count_all((which,))
        return self._counts[which]

    def count_all(self, every: Iterable[Which]) -> None:
        """Count the rows of these sorts, of several in one go."""
        left = [which for which in dict.fromkeys(every) if which not in self._counts]
        if self._groups is None:
            for which in left:
                found = sum(int(np.count_nonzero(piece.mask(which))) for piece in self._pieces)
                self._counts[which] = np.array([found], np.int64)
            return
        most = (_CELLS // self.number).bit_length() - 1
        together = min(_TOGETHER, max(1, most))
        for begin in range(0, len(left), together):
            self._count_some(left[begin : begin + together])

    def _count_some(self, some: Sequence[Which]) -> None:
        """A cell for each group and each set of sorts that a row may be of."""
        sets = 1 << len(some)
        cells = np.zeros(self.number * sets, np.int64)
        for piece, group in self._each():
            of_sorts = np.zeros(piece.frame.rows, np.uint8)
            for bit, which in enumerate(some):
                of_sorts |= piece.mask(which).view(np.uint8) << np.uint8(bit)
            cells += np.bincount(group * sets + of_sorts, minlength=len(cells))
        table = cells.reshape(self.number, sets)
        self._everything = table.sum(axis=1)
        for bit, which in enumerate(some):
            self._counts[which] = table[:, (np.arange(sets) >> bit & 1) == 1].sum(axis=1)

    def total(self, column: str, which: Which) -> Exact:
        """Sum of whole numbers; exact up to 2 to the 53."""
        key = column, which
        if key not in self._totals:
            self._totals[key] = self._sum(column, which)
        return self._totals[key]

    def _sum(self, column: str, which: Which) -> Exact:
        if self._groups is None:
            one = sum(
                int((piece[column] * piece.mask(which)).sum(dtype=np.int64))
                for piece in self._pieces
            )
            return np.array([one], np.int64)
        found = np.zeros(self.number, np.int64)
        for piece, group in self._each():
            values = piece[column] * piece.mask(which)
            sums = np.bincount(group, weights=values, minlength=self.number)
            found += sums.astype(np.int64)
        return found

    def most(self, column: str, which: Which) -> Values:
        """The largest; values are 0 or more."""
        key = column, which
        if key not in self._most:
            self._most[key] = self._largest(column, which)
        return self._most[key]

    def _largest(self, column: str, which: Which) -> Values:
        found = np.full(self.number, -1, np.int64)
        for piece, group in self._some():
            values = np.where(piece.mask(which), piece[column], -1)
            if group is None:
                found[0] = max(found[0], values.max(initial=-1))
                continue
            # Few are larger than what was found before.
            larger = np.flatnonzero(values > found[group])
            np.maximum.at(found, group[larger], values[larger].astype(np.int64))
        return np.where(found < 0, np.nan, found)

    def percentile(self, column: str, which: Which, percent: int) -> Values:
        """The smallest value that at least this share of the rows does not exceed (nearest rank:
        exact, and always one that occurred).  Values are 0 to 2 to the 31."""
        sizes = self.count(which)
        key = (column, which)
        if key not in self._sorted:
            self._sorted[key] = self._in_order(column, which)
        ends = np.cumsum(sizes)
        rank = np.maximum(-(-sizes * percent // 100), 1)
        found = np.full(self.number, np.nan)
        some = sizes > 0
        values = self._sorted[key][(ends - sizes + rank - 1)[some]]
        found[some] = values.astype(np.int64) & 0xFFFFFFFF
        return found

    def _in_order(self, column: str, which: Which) -> npt.NDArray[Any]:
        """The values of a sort by group and size; the group is above 32 bits."""
        every: list[npt.NDArray[Any]] = [np.zeros(0, np.int32)]
        for piece, group in self._some():
            keep, values = piece.mask(which), piece[column]
            every.append(values[keep] if group is None else (group << 32 | values)[keep])
        found = np.concatenate(every)
        found.sort()
        return found

    def at_once(self, began: str, ended: str) -> Exact:
        """The most that went on at the same moment; what ends as another begins is not with it.
        The columns are times in seconds."""
        found = np.zeros(self.number, np.int64)
        going_on: Ints = np.zeros(0, np.int32)
        theirs = np.zeros(0, np.intp)
        for piece, group in self._some():
            began_s = piece[began]
            first, last = int(began_s.min()), int(began_s.max())
            # What began in a piece before has begun when this one does.
            going_on, theirs = going_on[going_on > first], theirs[going_on > first]
            begins = np.concatenate((np.zeros(len(going_on), np.int32), began_s - first))
            ends = np.concatenate((going_on, np.maximum(piece[ended], began_s + 1))) - first
            which = None if group is None else np.concatenate((theirs, group))
            _most_at_once(found, begins, np.minimum(ends, last - first + 1), which)
            later = ends > last - first
            going_on = ends[later] + first
            theirs = np.zeros(len(going_on), np.intp) if which is None else which[later]
        return found

    def _some(self) -> Iterator[tuple[Rows, Codes | None]]:
        """The pieces, each with its groups."""
        if self._groups is None:
            return iter([(piece, None) for piece in self._pieces])
        return self._each()

    def _each(self) -> Iterator[tuple[Rows, Codes]]:
        assert self._groups is not None
        return zip(self._pieces, self._groups, strict=True)


class Whole(Groups):
    """All rows together, as far as it can be told of their groups."""

    def __init__(self, pieces: Sequence[Rows], groups: Groups) -> None:
        super().__init__(pieces, None, 1)
        self._finer = groups

    def count(self, which: Which) -> Exact:
        """Rows of this sort."""
        return np.array([self._finer.count(which).sum()])

    def total(self, column: str, which: Which) -> Exact:
        """Sum of whole numbers."""
        return np.array([self._finer.total(column, which).sum()])

    def most(self, column: str, which: Which) -> Values:
        """The largest."""
        return np.array([np.fmax.reduce(self._finer.most(column, which))])


def _most_at_once(found: Exact, begins: Ints, ends: Ints, group: Codes | None) -> None:
    """Raise what is ``found`` to the most that goes on at the same moment."""
    bits = int(ends.max()).bit_length() + 1
    # By group, then time, then ends before beginnings: one number sorts faster than three.
    small = len(found).bit_length() + bits < 32
    width = np.dtype(np.int32 if small else np.int64)
    key: Ints = np.concatenate((begins, ends)).astype(width, copy=False)
    key <<= 1
    key[: len(begins)] |= 1
    if group is not None:
        above = group.astype(width) << bits
        key[: len(begins)] |= above
        key[len(begins) :] |= above
    key.sort()
    # Every group ends at none, so one sum serves all.
    running = np.cumsum((key & 1) * 2 - 1, dtype=np.int32)
    if group is None:
        found[0] = max(found[0], running.max())
        return
    sizes = np.bincount(group, minlength=len(found))
    some = np.flatnonzero(sizes)
    starts = 2 * (np.cumsum(sizes) - sizes)[some]
    found[some] = np.maximum(found[some], np.maximum.reduceat(running, starts))


def share(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Values:
    """Not a number where there is no whole."""
    found = np.full(len(whole), np.nan)
    np.divide(part, whole, out=found, where=whole != 0)
    return found
