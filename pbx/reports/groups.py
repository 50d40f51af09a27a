"""Rows in groups: the few ways of counting that all measures are made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pbx.reports.columns import Frame, Ints

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]
"""A value for each group; not a number where it is not defined."""
Exact = npt.NDArray[np.int64]
Which = Callable[["Groups"], Mask]
"""Tells which rows are of a sort; always the same function for the same sort."""


class Groups:
    """Rows of a frame, and for each the group it is in.

    ``now_s``: seconds since 1970.  ``within_s``: the service level's target.  What many measures
    ask (which calls were answered, their waits in order) is worked out once.
    """

    def __init__(
        self, frame: Frame, group: Ints, number: int, *, now_s: int, within_s: float
    ) -> None:
        self._frame = frame
        self._group = group
        self.number = number
        self.now_s = now_s
        self.within_ms = round(within_s * 1000)
        self._masks: dict[Which, Mask] = {}
        self._counts: dict[Which, Exact] = {}
        self._sorted: dict[tuple[str, Which], npt.NDArray[np.int64]] = {}

    def __getitem__(self, column: str) -> Ints:
        """A column of numbers."""
        return self._frame.numbers[column]

    def of(self, column: str, text: str) -> Mask:
        """The rows with this text."""
        texts = self._frame.texts[column]
        code = texts.index(text) if text in texts else -1
        found: Mask = self._frame.numbers[column] == code
        return found

    def mask(self, which: Which) -> Mask:
        """The rows of this sort."""
        if which not in self._masks:
            self._masks[which] = which(self)
        return self._masks[which]

    @cached_property
    def everything(self) -> Exact:
        """Rows in each group."""
        return np.bincount(self._group, minlength=self.number)

    def count(self, which: Which) -> Exact:
        """Rows of this sort in each group."""
        if which not in self._counts:
            keep = self.mask(which)
            if self.number == 1:
                self._counts[which] = np.array([np.count_nonzero(keep)])
            else:
                self._counts[which] = np.bincount(self._group[keep], minlength=self.number)
        return self._counts[which]

    def total(self, column: str, which: Which) -> Exact:
        """Sum of whole numbers; exact up to 2 to the 53."""
        keep = self.mask(which)
        values = self[column][keep]
        if self.number == 1:
            return np.array([values.sum(dtype=np.int64)])
        found = np.bincount(self._group[keep], weights=values, minlength=self.number)
        return found.astype(np.int64)

    def most(self, column: str, which: Which) -> Values:
        """The largest."""
        keep = self.mask(which)
        found = np.full(self.number, np.nan)
        np.fmax.at(found, self._group[keep], self[column][keep].astype(np.float64))
        return found

    def percentile(self, column: str, which: Which, percent: int) -> Values:
        """The smallest value that at least this share of the rows does not exceed (nearest rank:
        exact, and always one that occurred).  Values are 0 to 2 to the 31."""
        sizes = self.count(which)
        key = (column, which)
        if key not in self._sorted:
            keep = self.mask(which)
            group = self._group[keep].astype(np.int64)
            self._sorted[key] = np.sort(group << 32 | self[column][keep])
        ends = np.cumsum(sizes)
        rank = np.maximum(-(-sizes * percent // 100), 1)
        found = np.full(self.number, np.nan)
        some = sizes > 0
        found[some] = self._sorted[key][(ends - sizes + rank - 1)[some]] & 0xFFFFFFFF
        return found

    def at_once(self, began_s: Ints, ended_s: Ints) -> Exact:
        """The most that went on at the same moment; what ends as another begins is not with it."""
        group = self._group.astype(np.int64)
        times = np.concatenate((began_s, np.maximum(ended_s, began_s + 1))).astype(np.int64)
        begins = np.concatenate((np.ones(len(group), np.int64), np.zeros(len(group), np.int64)))
        # By group, then time, then ends before beginnings: one number sorts faster than three.
        key = np.sort(np.concatenate((group, group)) << 35 | times << 1 | begins)
        # Every group ends at none, so one sum serves all.
        running = np.cumsum((key & 1) * 2 - 1)
        found = np.zeros(self.number, np.int64)
        some = np.flatnonzero(self.everything)
        if len(some):
            first = 2 * (np.cumsum(self.everything) - self.everything)[some]
            found[some] = np.maximum.reduceat(running, first)
        return found


def share(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Values:
    """Not a number where there is no whole."""
    found = np.full(len(whole), np.nan)
    np.divide(part, whole, out=found, where=whole != 0)
    return found
