"""Rows in groups: the few ways of counting that all measures are made of."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from pbx.reports.columns import Frame, Ints

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]
"""A value for each group; not a number where it is not defined."""
Exact = npt.NDArray[np.int64]


class Groups:
    """Rows of a frame, and for each the group it is in.

    ``now_s``: seconds since 1970.  ``within_s``: the service level's target.
    """

    def __init__(self, frame: Frame, group: Ints, number: int, *, now_s: int, within_s: float):
        self._frame = frame
        self._group = group
        self.number = number
        self.now_s = now_s
        self.within_ms = round(within_s * 1000)
        self._kept: dict[tuple[str, str], Mask] = {}

    def __getitem__(self, column: str) -> Ints:
        """A column of numbers."""
        return self._frame.numbers[column]

    def of(self, column: str, text: str) -> Mask:
        """The rows with this text."""
        key = column, text
        if key not in self._kept:
            texts = self._frame.texts[column]
            code = texts.index(text) if text in texts else -1
            self._kept[key] = self._frame.numbers[column] == code
        return self._kept[key]

    @cached_property
    def everything(self) -> Exact:
        """Rows in each group."""
        return np.bincount(self._group, minlength=self.number)

    def count(self, keep: Mask) -> Exact:
        """Of these rows, in each group."""
        return np.bincount(self._group[keep], minlength=self.number)

    def total(self, values: Ints, keep: Mask) -> Exact:
        """Sum of whole numbers; exact up to 2 to the 53."""
        found = np.bincount(self._group[keep], weights=values[keep], minlength=self.number)
        return found.astype(np.int64)

    def most(self, values: Ints, keep: Mask) -> Values:
        """The largest."""
        found = np.full(self.number, np.nan)
        np.fmax.at(found, self._group[keep], values[keep].astype(np.float64))
        return found

    def percentile(self, values: Ints, keep: Mask, share: float) -> Values:
        """The smallest value that at least this share of the rows does not exceed (nearest rank:
        exact, and always one that occurred).  ``values``: 0 to 2 to the 31."""
        group = self._group[keep].astype(np.int64)
        key = np.sort(group << 32 | values[keep].astype(np.int64))
        ends = np.cumsum(np.bincount(group, minlength=self.number))
        sizes = np.diff(ends, prepend=0)
        # In whole numbers: 0.9 times 10 is 9 there.
        rank = -(-sizes * round(share * 1000) // 1000)
        found = np.full(self.number, np.nan)
        some = sizes > 0
        places = (ends - sizes + np.maximum(rank, 1) - 1)[some]
        found[some] = key[places] & 0xFFFFFFFF
        return found

    def at_once(self, began_s: Ints, ended_s: Ints) -> Exact:
        """The most that went on at the same moment; what ends as another begins is not with it."""
        group = self._group.astype(np.int64)
        times = np.concatenate((began_s, np.maximum(ended_s, began_s + 1))).astype(np.int64)
        begins = np.concatenate((np.ones(len(group), np.int64), np.zeros(len(group), np.int64)))
        # By group, then time, then ends before beginnings: one number sorts faster than three.
        key = np.sort(np.concatenate((group, group)) << 35 | times << 1 | begins)
        of = key >> 35
        running = np.cumsum((key & 1) * 2 - 1)  # every group ends at none
        found = np.zeros(self.number, np.int64)
        if len(of):
            first = np.flatnonzero(np.diff(of, prepend=-1))
            found[of[first]] = np.maximum.reduceat(running, first)
        return found


def share(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Values:
    """Not a number where there is no whole."""
    found = np.full(len(whole), np.nan)
    np.divide(part, whole, out=found, where=whole != 0)
    return found
