"""Numbers for those who call and those who pass a stage: files of columns have these in place of
telephone numbers.

House rules: who has a number keeps it.  They are given one after the other, so that a list with a
place for each is no longer than need be: what is there already is never tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, select, update
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
    _give_deals(connection, _deals(connection, _UNGIVEN))


def know_passed(connection: Connection, event_ids: Sequence[str]) -> list[str]:
    """Those of these stages.  Gives the deals of which it is known since now whose they are: what
    was told of them before is a part of another's way."""
    deals: dict[str, str] = {}
    for begin in range(0, len(event_ids), _AT_ONCE):
        here = stage_events.c.event_id.in_(event_ids[begin : begin + _AT_ONCE])
        _add(connection, select(stage_events.c.subject).where(here))
        deals |= {deal: number for deal, number in _deals(connection, here) if deal not in deals}
    _give_deals(connection, list(deals.items()))
    return list(deals)


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
    found = [connection.execute(one).scalar_one() for one in (of_calls, of_stages)]
    return sum(found) + len(_deals(connection, _UNGIVEN))


_UNGIVEN = contacts.c.person_id.is_(None)


def _deals(connection: Connection, wanted: ColumnElement[bool]) -> list[tuple[str, str]]:
    """Deals that are nobody's, and the number that each was first told with, in the order in which
    they were first told."""
    here = stage_events.c
    query = (
        select(here.subject, here.number)
        .join(contacts, contacts.c.subject == here.subject)
        .where(here.subject.startswith("deal:"), here.number != "", _UNGIVEN, wanted)
        .order_by(here.noted_at, here.at, here.event_id)
    )
    found: dict[str, str] = {}
    for deal, number in connection.execute(query):
        found.setdefault(deal, number)
    return list(found.items())


def _give_deals(connection: Connection, deals: Sequence[tuple[str, str]]) -> None:
    """Deals to the contacts whose they are; a contact's first one continues their way."""
    for begin in range(0, len(deals), _AT_ONCE):
        some = deals[begin : begin + _AT_ONCE]
        numbers = sorted({number for _, number in some})
        told = select(stage_events.c.number).where(stage_events.c.number.in_(numbers))
        _add(connection, told)
        people = dict(
            connection.execute(
                select(contacts.c.subject, contacts.c.contact_id).where(
                    contacts.c.subject.in_(numbers)
                )
            ).all()
        )
        had = set(
            connection.execute(
                select(contacts.c.person_id).where(
                    contacts.c.continues, contacts.c.person_id.in_(people.values())
                )
            ).scalars()
        )
        for deal, number in some:
            person = people[number]
            values = {"person_id": person, "continues": person not in had}
            had.add(person)
            connection.execute(update(contacts).where(contacts.c.subject == deal).values(values))


def _add(connection: Connection, subjects: Select[Any]) -> None:
    (subject,) = subjects.selected_columns
    new = subjects.distinct().where(~exists().where(contacts.c.subject == subject))
    make: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # Another process may add the same at the same moment.
    connection.execute(make(contacts).from_select(["subject"], new).on_conflict_do_nothing())
