"""What an entry does to the tables: rows that are added, values that change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Table

Value = object
_NUL_AND_HALVES = {0: None} | dict.fromkeys(range(0xD800, 0xE000))
"""What no database takes: NUL (PostgreSQL) and halves of surrogate pairs (UTF-8)."""


@dataclass(frozen=True, slots=True)
class Added:
    """A new row; nothing happens where a row with its id is already there."""

    table: Table
    row: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Changed:
    """New values for the rows whose ``column`` is ``key``; nothing where there is none."""

    table: Table
    column: str
    key: str
    values: Mapping[str, Value]


Change = Added | Changed


def added(table: Table, **row: Value) -> Added:
    """A new row, its texts made fit for any database."""
    return Added(
        table,
        {name: text(value) if isinstance(value, str) else value for name, value in row.items()},
    )


def text(value: str) -> str:
    """``value`` without what a database would refuse."""
    return value.translate(_NUL_AND_HALVES)
