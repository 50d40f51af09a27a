"""Rows of a piece of facts, and which of them are of which sort."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pbx.reports.frames import EPOCH_S, Frame, Ints

Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.intp]
Which = Callable[["Rows"], Mask]
"""Tells which rows are of a sort; always the same function for the same sort."""
QUARTER_S = 900
"""Where any zone's hours begin."""


class Rows:
    """A piece.  ``now_s``: seconds since 2000, as columns have them.  ``within_s``: the service
    level's target.  What many measures and many questions ask is worked out once."""

    def __init__(self, frame: Frame, now_s: int, within_s: float) -> None:
        self.frame = frame
        self.now_s = now_s
        self.within_ms = round(within_s * 1000)
        self._masks: dict[Which, Mask] = {}

    def __getitem__(self, column: str) -> Ints:
        """A column of numbers."""
        return self.frame.numbers[column]

    def of(self, column: str, text: str) -> Mask:
        """The rows with this text."""
        texts = self.frame.texts[column]
        if text not in texts:
            return np.zeros(self.frame.rows, np.bool_)
        found: Mask = self.frame.numbers[column] == texts.index(text)
        return found

    def mask(self, which: Which) -> Mask:
        """The rows of this sort."""
        if which not in self._masks:
            self._masks[which] = which(self)
        return self._masks[which]

    @cached_property
    def quarter(self) -> Ints:
        """Of each row the quarter of an hour in which it began, as a place in ``quarters_s``."""
        found: Ints = (self["began_s"] - self._first_s) // QUARTER_S
        return found

    @cached_property
    def quarters_s(self) -> npt.NDArray[np.int64]:
        """When each quarter of an hour began, seconds since 1970."""
        last = int(self.quarter.max(initial=-1))
        return np.arange(last + 1, dtype=np.int64) * QUARTER_S + (self._first_s + EPOCH_S)

    @cached_property
    def _first_s(self) -> int:
        """The beginning of the first quarter, as columns have times."""
        return int(self["began_s"].min(initial=2**31 - 1)) // QUARTER_S * QUARTER_S
