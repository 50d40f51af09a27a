"""Numbers for those who call and those who pass a stage: files of columns have these in place of
telephone numbers.

House rules: who has a number keeps it.  They are given one after the other, so that a list with a
place for each is no longer than need be: what is there already is never tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite

from pbx.journal.port import CallStarted, Stamped
from pbx.journal.tables import calls, contacts, stage_events

_AT_ONCE = 400


class CallerBook:
    """Follows the log (pbx.journal.follower): who calls is known from the beginning of their first
    call.  Lists of calls look for numbers among contacts (pbx/journal/queries.py)."""

    wants: tuple[type, ...] = (CallStarted,)

    def follow(self, connection: Connection, entries: Sequence[Stamped]) -> None:
        """Those of these calls."""
        started = [one.entry for one in entries if isinstance(one.entry, CallStarted)]
        know_callers(connection, sorted({one.call_id for one in started if one.number}))


def know_callers(connection: Connection, call_ids: Sequence[str]) -> None:
    """Those of these calls who show a number."""
    for begin in range(0, len(call_ids), _AT_ONCE):
        some = call_ids[begin : begin + _AT_ONCE]
        shown = select(calls.c.number).where(calls.c.call_id.in_(some), calls.c.number != "")
        _add(connection, shown)


def know_all(connection: Connection) -> None:
    """Everybody."""
    _add(connection, select(calls.c.number).where(calls.c.number != ""))
    _add(connection, select(stage_events.c.subject))


def know_passed(connection: Connection, event_ids: Sequence[str]) -> None:
    """Those of these stages."""
    for begin in range(0, len(event_ids), _AT_ONCE):
        some = event_ids[begin : begin + _AT_ONCE]
        _add(connection, select(stage_events.c.subject).where(stage_events.c.event_id.in_(some)))


def unknown(connection: Connection) -> int:
    """How many calls and stages are of nobody whom we know: none, where all is right."""
    of_calls = (
        select(func.count())
        .select_from(calls)
        .where(calls.c.number != "", ~exists().where(contacts.c.subject == calls.c.number))
    )
    of_stages = (
        select(func.count())
        .select_from(stage_events)
        .where(~exists().where(contacts.c.subject == stage_events.c.subject))
    )
    return connection.execute(of_calls).scalar_one() + connection.execute(of_stages).scalar_one()


def _add(connection: Connection, subjects: Select[Any]) -> None:
    (subject,) = subjects.selected_columns
    new = subjects.distinct().where(~exists().where(contacts.c.subject == subject))
    make: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # Another process may add the same at the same moment.
    connection.execute(make(contacts).from_select(["subject"], new).on_conflict_do_nothing())
