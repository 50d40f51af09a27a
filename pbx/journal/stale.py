"""Which calls' facts (pbx/reports) have to be made anew."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from pbx.journal.tables import stale_facts

_AT_ONCE = 500


def mark_stale(connection: Connection, call_ids: Collection[str]) -> None:
    """Something about these calls has changed that reports tell of."""
    if not call_ids:
        return
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    rows = [{"call_id": one} for one in sorted(set(call_ids))]
    connection.execute(make(stale_facts).on_conflict_do_nothing(), rows)


def stale(connection: Connection, most: int | None = None) -> set[str]:
    """Calls that are marked, ``most`` of them (None: all)."""
    return set(connection.execute(select(stale_facts.c.call_id).limit(most)).scalars())


def freshen(connection: Connection, call_ids: Collection[str]) -> None:
    """The facts of these calls have been made anew."""
    ids = sorted(call_ids)
    for begin in range(0, len(ids), _AT_ONCE):
        some = ids[begin : begin + _AT_ONCE]
        connection.execute(delete(stale_facts).where(stale_facts.c.call_id.in_(some)))
