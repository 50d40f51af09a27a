"""Facts as columns of numbers, in memory.

House rules: texts are numbers into a list of their own in each frame.  Columns may be of any width:
what is calculated with them must not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]
"""Whole numbers; durations are milliseconds, times seconds or milliseconds as the name says."""
Texts = Mapping[str, Sequence[str]]

EPOCH_S = 946_684_800
"""2000-01-01 UTC: times in columns count from here, so that 32 bits last until 2068."""
SMALL = np.dtype("<i4")
_BYTE = np.dtype("<u1")
_TWO_BYTES = np.dtype("<u2")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a kind of facts: numbers, and texts.  ``flags``: numbers that are 0 or 1."""

    kind: str
    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    flags: frozenset[str] = frozenset()

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, in their order."""
        return self.numbers + self.texts


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows as columns.  ``texts``: what the numbers in a column of texts stand for, sorted."""

    rows: int
    numbers: Mapping[str, Ints]
    texts: Texts

    def only(self, keep: npt.NDArray[np.bool_]) -> Frame:
        """The rows of which ``keep`` is true."""
        places = np.flatnonzero(keep)
        if len(places) == self.rows:
            return self
        return Frame(len(places), _Taken(self.numbers, places), self.texts)

    def with_columns(self, names: Sequence[str]) -> Frame:
        """Of these alone."""
        numbers = {name: self.numbers[name] for name in names}
        texts = {name: self.texts[name] for name in names if name in self.texts}
        return Frame(self.rows, numbers, texts)

    def same(self, other: Frame) -> bool:
        """It says what the other says."""
        return (
            self.texts == other.texts
            and self.numbers.keys() == other.numbers.keys()
            and all(
                np.array_equal(column, other.numbers[name]) for name, column in self.numbers.items()
            )
        )


class _Taken(Mapping[str, Ints]):
    """Some rows of columns, taken when a column is asked for."""

    def __init__(self, whole: Mapping[str, Ints], places: npt.NDArray[np.intp]) -> None:
        self._whole = whole
        self._places = places
        self._taken: dict[str, Ints] = {}

    def __getitem__(self, name: str) -> Ints:
        if name not in self._taken:
            self._taken[name] = self._whole[name][self._places]
        return self._taken[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)


@dataclass(frozen=True, slots=True)
class DayColumns:
    """A day's rows; ``matrix`` has a line for each column of the layout."""

    matrix: npt.NDArray[np.int32]
    texts: Texts

    @property
    def rows(self) -> int:
        """How many."""
        rows: int = self.matrix.shape[1]
        return rows


Row = Sequence[int | str]
"""Values in the order of the layout's columns."""


def day_columns(layout: Layout, rows: Iterable[Row]) -> DayColumns:
    """Rows turned into columns."""
    lists = list(zip(*rows, strict=True)) or [()] * len(layout.columns)
    matrix = np.zeros((len(layout.columns), len(lists[0])), SMALL)
    texts: dict[str, list[str]] = {}
    for place, name in enumerate(layout.columns):
        if name in layout.texts:
            known = {text: code for code, text in enumerate(sorted(set(lists[place])))}
            texts[name] = list(known)
            matrix[place] = [known[text] for text in lists[place]]
        else:
            matrix[place] = lists[place]
    return DayColumns(matrix, texts)


def some_columns(layout: Layout, columns: Sequence[str], whole: DayColumns) -> DayColumns:
    """Of all of a layout's columns these."""
    if len(columns) == len(layout.columns):
        return whole
    places = [layout.columns.index(name) for name in columns]
    return DayColumns(whole.matrix[places], whole.texts)


def joined(layout: Layout, columns: Sequence[str], parts: Sequence[DayColumns]) -> Frame:
    """One after the other, each column as narrow as its kind allows."""
    rows = sum(part.rows for part in parts)
    numbers: dict[str, Ints] = {}
    texts: dict[str, Sequence[str]] = {}
    for line, name in enumerate(columns):
        known: dict[str, int] = {}
        if name in layout.texts:
            every = sorted({text for part in parts for text in part.texts[name]})
            known = {text: code for code, text in enumerate(every)}
            texts[name] = every
        column: Ints = np.empty(rows, _width(layout, name, len(known)))
        begin = 0
        for part in parts:
            end = begin + part.rows
            if name in layout.texts:
                codes = np.array([known[text] for text in part.texts[name]], column.dtype)
                column[begin:end] = codes[part.matrix[line]] if part.rows else 0
            else:
                column[begin:end] = part.matrix[line]
            begin = end
        numbers[name] = column
    return Frame(rows, numbers, texts)


def merged(layout: Layout, columns: Sequence[str], pieces: Sequence[Frame]) -> Frame:
    """Pieces one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    numbers: dict[str, Ints] = {}
    texts: dict[str, Sequence[str]] = {}
    for name in columns:
        known: dict[str, int] = {}
        if name in layout.texts:
            every = sorted({text for piece in pieces for text in piece.texts[name]})
            known = {text: code for code, text in enumerate(every)}
            texts[name] = every
        column: Ints = np.empty(
            sum(piece.rows for piece in pieces), _width(layout, name, len(known))
        )
        begin = 0
        for piece in pieces:
            end = begin + piece.rows
            if name in layout.texts:
                codes = np.array([known[text] for text in piece.texts[name]], column.dtype)
                np.take(codes, piece.numbers[name], out=column[begin:end])
            else:
                column[begin:end] = piece.numbers[name]
            begin = end
        numbers[name] = column
    return Frame(sum(piece.rows for piece in pieces), numbers, texts)


def _width(layout: Layout, name: str, texts: int) -> np.dtype[Any]:
    """What holds the column's numbers, with so many texts."""
    if name in layout.flags:
        return _BYTE
    if name not in layout.texts:
        return SMALL
    if texts <= 2**8:
        return _BYTE
    return _TWO_BYTES if texts <= 2**16 else SMALL
