"""Files of columns: of a day, and of many days joined (a block).

House rules: a file is a copy, never the truth.  Its first line says of which versions it is and
what it holds; what can't be read, is not whole or says something else is as if it were not there.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from pbx.reports.frames import SMALL, DayColumns, Frame, Ints, Layout, some_columns

_FORMAT = 1
"""Of a day's file; a file of another format is made anew."""
_BLOCK_FORMAT = 1
_MAX_HEADER = 64 * 1024 * 1024
_WIDTHS: Mapping[int, np.dtype[Any]] = {1: np.dtype("<u1"), 2: np.dtype("<u2"), 4: SMALL}
"""Of a block's columns, by bytes."""
_BROKEN = (OSError, ValueError, KeyError, TypeError)

Versions = Mapping[int, int]
"""Days' versions."""


def has_day(path: Path, layout: Layout, version: int) -> bool:
    """There is a file of this version.  It may turn out to be damaged when it is read."""
    return _is(path, _day_mark(layout, version))


def read_day(path: Path, layout: Layout, columns: Sequence[str], version: int) -> DayColumns | None:
    """None when there is no such file, or it is not of this version, or not whole."""
    try:
        with path.open("rb") as file:
            header = _header(file, _day_mark(layout, version))
            begin, rows = file.tell(), int(header["rows"])
            size = rows * SMALL.itemsize
            if file.seek(0, os.SEEK_END) != begin + size * len(layout.columns):
                return None
            texts = {one: header["texts"][one] for one in layout.texts}
            file.seek(begin)
            # Where most is wanted, all of it at once is quicker.
            if 2 * len(columns) > len(layout.columns):
                whole = np.empty((len(layout.columns), rows), SMALL)
                _fill(file, whole)
                return some_columns(layout, columns, DayColumns(whole, texts))
            matrix = np.empty((len(columns), rows), SMALL)
            for line, name in enumerate(columns):
                file.seek(begin + size * layout.columns.index(name))
                _fill(file, matrix[line])
            return DayColumns(matrix, texts)
    except _BROKEN:
        return None


def write_day(path: Path, layout: Layout, day: DayColumns, version: int) -> None:
    """Raises OSError."""
    header = {"is": _day_mark(layout, version), "rows": day.rows, "texts": day.texts}
    _write(path, header, [day.matrix])


def has_block(path: Path, layout: Layout, versions: Versions) -> bool:
    """There is a block of these days and versions.  It may turn out to be damaged."""
    return _is(path, _block_mark(layout, versions))


def read_block(
    path: Path, layout: Layout, columns: Sequence[str], versions: Versions, span: range
) -> Frame | None:
    """The rows of those of its days that are in ``span``.  None when there is no such file, or it
    is not of these versions, or not whole."""
    try:
        with path.open("rb") as file:
            header = _header(file, _block_mark(layout, versions))
            ends = dict(zip(sorted(versions), header["ends"], strict=True))
            rows = max(ends.values())
            begin = max((end for day, end in ends.items() if day < span.start), default=0)
            end = max(end for day, end in ends.items() if day < span.stop)
            place, places = file.tell(), {}
            widths = {name: _WIDTHS[header["widths"][name]] for name in layout.columns}
            for name, width in widths.items():
                places[name] = place
                place += rows * width.itemsize
            if file.seek(0, os.SEEK_END) != place:
                return None
            numbers: dict[str, Ints] = {}
            for name in columns:
                column: Ints = np.empty(end - begin, widths[name])
                file.seek(places[name] + begin * column.itemsize)
                _fill(file, column)
                numbers[name] = column
            texts = {one: header["texts"][one] for one in layout.texts if one in numbers}
            return Frame(end - begin, numbers, texts)
    except _BROKEN:
        return None


def write_block(
    path: Path, layout: Layout, frame: Frame, lengths: Sequence[int], versions: Versions
) -> None:
    """Of days of these versions with so many rows each.  Raises OSError."""
    header = {
        "is": _block_mark(layout, versions),
        "ends": np.cumsum(lengths).tolist(),
        "widths": {name: frame.numbers[name].itemsize for name in layout.columns},
        "texts": frame.texts,
    }
    _write(path, header, [frame.numbers[name] for name in layout.columns])


def _is(path: Path, mark: list[Any]) -> bool:
    try:
        with path.open("rb") as file:
            _header(file, mark)
    except (OSError, ValueError):
        return False
    return True


def _day_mark(layout: Layout, version: int) -> list[Any]:
    return [_FORMAT, version, list(layout.columns)]


def _block_mark(layout: Layout, versions: Versions) -> list[Any]:
    of_days = [list(one) for one in sorted(versions.items())]
    return ["block", _BLOCK_FORMAT, of_days, list(layout.columns)]


def _header(file: BufferedReader, mark: list[Any]) -> dict[str, Any]:
    """Raises ValueError where it is not of this version."""
    found = orjson.loads(file.readline(_MAX_HEADER))
    if not isinstance(found, dict) or found.get("is") != mark:
        raise ValueError("of another version")
    return found


def _fill(file: BufferedReader, array: np.ndarray[Any, Any]) -> None:
    """Raises ValueError where the file ends before."""
    if array.size and file.readinto(array.data.cast("B")) != array.nbytes:
        raise ValueError("the file ends early")


def _write(path: Path, header: dict[str, Any], content: Iterable[np.ndarray[Any, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(header) + b"\n")
            for array in content:
                file.write(np.ascontiguousarray(array).data)
            file.flush()
            # Else a machine that loses its power may have the name without the content.
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
