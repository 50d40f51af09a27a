"""Writes a batch of changes over one connection."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, Update, bindparam, case, update
from sqlalchemy.dialects import postgresql, sqlite

from pbx.journal.change import Added, Change, Changed, Value


def write_changes(connection: Connection, changes: Iterable[Change]) -> None:
    """All new rows, then all changes of values, each value's last one.

    Writing the same again changes nothing.  So that one statement serves many rows, the changes
    of a row are put together: a call that began and ended in a batch is changed once.
    """
    rows: dict[Table, list[dict[str, Value]]] = {}
    values: dict[tuple[Table, str, str], dict[str, Value]] = {}
    for change in changes:
        match change:
            case Added(table, row):
                rows.setdefault(table, []).append(dict(row))
            case Changed(table, column, key, new):
                values.setdefault((table, column, key), {}).update(new)
    for table, new_rows in rows.items():
        connection.execute(_insert(table, connection.dialect.name), new_rows)
    alike: dict[tuple[Table, str, tuple[str, ...]], list[dict[str, Value]]] = {}
    for (table, column, key), new in values.items():
        names = tuple(sorted(new))
        parameters = {f"new_{name}": value for name, value in new.items()} | {"key_": key}
        alike.setdefault((table, column, names), []).append(parameters)
    for (table, column, names), many in alike.items():
        connection.execute(_update(table, column, names), many)


@lru_cache(maxsize=64)
def _insert(table: Table, dialect: str) -> Any:
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return make(table).on_conflict_do_nothing()


@lru_cache(maxsize=256)
def _update(table: Table, column: str, names: tuple[str, ...]) -> Update:
    where = table.c[column] == bindparam("key_")
    return update(table).where(where).values({name: _value(table, name) for name in names})


def _value(table: Table, name: str) -> ColumnElement[Any]:
    new = bindparam(f"new_{name}", type_=table.c[name].type)
    began = table.c.get("started_at")
    if name != "ended_at" or began is None:
        return new
    # The engine's own clock never goes back, but between two runs of it somebody may have put
    # the machine's back: no end comes before its beginning.
    return case((began > new, began), else_=new)
