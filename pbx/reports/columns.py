"""Facts as columns of numbers, a file for each day: what makes a report over years take no time.

House rules: a file is a copy, never the truth.  It bears the version of its day (book.py) and is
made anew when there is a newer one, when it can't be read, or when it is not there; any number of
processes may do so at once.  Texts are numbers into a list of their own in each file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

Ints = npt.NDArray[np.signedinteger[Any]]
"""Whole numbers; durations are milliseconds, times seconds or milliseconds as the name says."""
Texts = Mapping[str, Sequence[str]]

EPOCH_S = 946_684_800
"""2000-01-01 UTC: times in files count from here, so that 32 bits last until 2068."""
_FORMAT = 1
"""Of the files; a file of another format is made anew."""
_MAX_HEADER = 64 * 1024 * 1024
_SMALL = np.dtype("<i4")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a kind of facts: numbers, and texts."""

    kind: str
    numbers: tuple[str, ...]
    texts: tuple[str, ...]

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
        if keep.all():
            return self
        places = np.flatnonzero(keep)
        return Frame(
            len(places),
            {name: column[places] for name, column in self.numbers.items()},
            self.texts,
        )


@dataclass(frozen=True, slots=True)
class DayColumns:
    """A day's rows; ``matrix`` has a line for each column of the layout."""

    matrix: npt.NDArray[np.int32]
    texts: Texts


Row = Sequence[int | str]
"""Values in the order of the layout's columns."""


class ColumnStore:
    """Files in ``folder``; for one log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def beside(cls, state_dir: Path, database: str) -> ColumnStore:
        """The files for the log with this URL."""
        name = hashlib.sha256(database.encode()).hexdigest()[:16]
        return cls(state_dir / "columns" / name)

    def frame(
        self,
        layout: Layout,
        wanted: Iterable[str],
        days: Mapping[int, int | None],
        rows_of: Callable[[int], Iterable[Row]],
        more: Iterable[Row] = (),
    ) -> Frame:
        """The ``wanted`` columns of these days (of the version that is given; None: keep no file).

        ``rows_of``: a day's rows, asked for when the file does not have them.  ``more``: rows of
        no day.
        """
        columns = [name for name in layout.columns if name in set(wanted)]
        parts = [
            self._day(layout, columns, day, version, rows_of)
            for day, version in sorted(days.items())
        ]
        parts.append(_only(layout, columns, day_columns(layout, more)))
        return _joined(layout, columns, parts)

    def has(self, layout: Layout, day: int, version: int) -> bool:
        """There is a file of this version.  It may turn out to be damaged when it is read."""
        try:
            with self._path(layout, day).open("rb") as file:
                _header(file.readline(_MAX_HEADER), layout, version)
        except (OSError, ValueError):
            return False
        return True

    def keep(self, layout: Layout, day: int, version: int, rows: Iterable[Row]) -> None:
        """Make a day's file.  Raises OSError."""
        _write(self._path(layout, day), layout, day_columns(layout, rows), version)

    def holds(self, layout: Layout, day: int, version: int, rows: Iterable[Row]) -> bool:
        """A day's file says what these rows say."""
        found = _read(self._path(layout, day), layout, layout.columns, version)
        whole = day_columns(layout, rows)
        return (
            found is not None
            and bool(np.array_equal(found.matrix, whole.matrix))
            and found.texts == whole.texts
        )

    def _path(self, layout: Layout, day: int) -> Path:
        return self._folder / f"{layout.kind}-{day}.columns"

    def _day(
        self,
        layout: Layout,
        columns: Sequence[str],
        day: int,
        version: int | None,
        rows_of: Callable[[int], Iterable[Row]],
    ) -> DayColumns:
        path = self._path(layout, day)
        if version is not None:
            found = _read(path, layout, columns, version)
            if found is not None:
                return found
        whole = day_columns(layout, rows_of(day))
        if version is not None:
            # A folder that can't be written to makes reports slow, and nothing worse.
            with contextlib.suppress(OSError):
                _write(path, layout, whole, version)
        return _only(layout, columns, whole)


def _only(layout: Layout, columns: Sequence[str], whole: DayColumns) -> DayColumns:
    if len(columns) == len(layout.columns):
        return whole
    places = [layout.columns.index(name) for name in columns]
    return DayColumns(whole.matrix[places], whole.texts)


def day_columns(layout: Layout, rows: Iterable[Row]) -> DayColumns:
    """Rows turned into columns."""
    lists = list(zip(*rows, strict=True)) or [()] * len(layout.columns)
    matrix = np.zeros((len(layout.columns), len(lists[0])), _SMALL)
    texts: dict[str, list[str]] = {}
    for place, name in enumerate(layout.columns):
        if name in layout.texts:
            known = {text: code for code, text in enumerate(sorted(set(lists[place])))}
            texts[name] = list(known)
            matrix[place] = [known[text] for text in lists[place]]
        else:
            matrix[place] = lists[place]
    return DayColumns(matrix, texts)


def _read(path: Path, layout: Layout, columns: Sequence[str], version: int) -> DayColumns | None:
    """None when there is no such file, or it is not of this version, or not whole."""
    try:
        with path.open("rb") as file:
            header = _header(file.readline(_MAX_HEADER), layout, version)
            begin, rows = file.tell(), int(header["rows"])
            size = rows * _SMALL.itemsize
            if file.seek(0, os.SEEK_END) != begin + size * len(layout.columns):
                return None
            texts = {one: header["texts"][one] for one in layout.texts}
            file.seek(begin)
            # Where most is wanted, all of it at once is quicker.
            if 2 * len(columns) > len(layout.columns):
                whole: npt.NDArray[np.int32] = np.empty((len(layout.columns), rows), _SMALL)
                file.readinto(whole.data.cast("B") if rows else b"")
                return _only(layout, columns, DayColumns(whole, texts))
            matrix = np.empty((len(columns), rows), _SMALL)
            for line, name in enumerate(columns):
                file.seek(begin + size * layout.columns.index(name))
                file.readinto(memoryview(matrix[line]).cast("B") if rows else b"")
            return DayColumns(matrix, texts)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _header(line: bytes, layout: Layout, version: int) -> dict[str, Any]:
    """Raises ValueError where it is not of this version."""
    found = orjson.loads(line)
    if not isinstance(found, dict) or found.get("is") != [_FORMAT, version, list(layout.columns)]:
        raise ValueError("of another version")
    return found


def _write(path: Path, layout: Layout, day: DayColumns, version: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {
        "is": [_FORMAT, version, list(layout.columns)],
        "rows": day.matrix.shape[1],
        "texts": day.texts,
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(header) + b"\n")
            file.write(np.ascontiguousarray(day.matrix).tobytes())
            file.flush()
            # Else a machine that loses its power may have the name without the content.
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _joined(layout: Layout, columns: Sequence[str], parts: Sequence[DayColumns]) -> Frame:
    rows = sum(part.matrix.shape[1] for part in parts)
    numbers: dict[str, Ints] = {}
    texts: dict[str, Sequence[str]] = {}
    column: npt.NDArray[np.int32]
    for line, name in enumerate(columns):
        column = np.empty(rows, np.int32)
        known: dict[str, int] = {}
        if name in layout.texts:
            every = sorted({text for part in parts for text in part.texts[name]})
            known = {text: code for code, text in enumerate(every)}
            texts[name] = every
        begin = 0
        for part in parts:
            end = begin + part.matrix.shape[1]
            if known:
                codes = np.array([known[text] for text in part.texts[name]], np.int32)
                column[begin:end] = codes[part.matrix[line]] if end > begin else 0
            else:
                column[begin:end] = part.matrix[line]
            begin = end
        numbers[name] = column
    return Frame(rows, numbers, texts)
