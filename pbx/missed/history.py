"""What the log knows of numbers: their missed calls and their talks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select

from pbx.journal.tables import LegKind, calls, legs, own_talks, steps
from pbx.missed.rules import How, MissedCall, Talk
from routing.values import Outcome

LONGEST_CALL = timedelta(days=2)
"""No call lasts longer: one that ended after a moment began less than so long before it."""
_TURNED_AWAY = exists().where(
    steps.c.call_id == calls.c.call_id,
    or_(
        steps.c.kind == "unknown_number",
        and_(steps.c.kind == "hangup", steps.c.detail == "rejected"),
    ),
)
"""Steps of calls that were refused on purpose: to a number that is not the plan's, or by ``reject:
true`` (pbx/engine/core.py, ivr/walk.py)."""
MISSED: tuple[ColumnElement[bool], ...] = (
    calls.c.number != "",
    calls.c.callback_of.is_(None),
    calls.c.ended_at.is_not(None),
    calls.c.outcome != Outcome.ANSWERED.value,
    or_(calls.c.outcome != Outcome.REJECTED.value, ~_TURNED_AWAY),
)
"""Of clients' calls: nobody talked to them, and there is a number to call back."""


def numbers_of(
    connection: Connection, call_ids: Iterable[str]
) -> Mapping[str, tuple[str, datetime | None]]:
    """Number and end of each of these calls that showed a number."""
    query = select(calls.c.call_id, calls.c.number, calls.c.ended_at).where(
        calls.c.call_id.in_(list(call_ids)), calls.c.number != ""
    )
    return {row.call_id: (row.number, row.ended_at) for row in connection.execute(query)}


def missed_calls(
    connection: Connection, numbers: Sequence[str], since: datetime | None
) -> dict[str, list[MissedCall]]:
    """By number: calls that ended at ``since`` or later (None: ever) without a talk."""
    query = select(calls).where(calls.c.number.in_(numbers), *MISSED)
    if since is not None:
        query = query.where(calls.c.ended_at >= since, calls.c.started_at >= since - LONGEST_CALL)
    found: dict[str, list[MissedCall]] = {}
    for row in connection.execute(query):
        call = MissedCall(
            row.call_id, row.started_at, row.ended_at, row.did, row.name, row.queue, row.outcome
        )
        found.setdefault(row.number, []).append(call)
    return found


def talks(
    connection: Connection, numbers: Sequence[str], since: datetime | None
) -> dict[str, list[Talk]]:
    """By number: talks that began at ``since`` or later (None: ever)."""
    held = (
        select(calls.c.number, legs.c.joined_at.label("at"), legs.c.agent)
        .join(calls, calls.c.call_id == legs.c.call_id)
        .where(
            calls.c.number.in_(numbers),
            legs.c.kind == LegKind.BRIDGE.value,
            legs.c.joined_at.is_not(None),
        )
    )
    ours = select(own_talks.c.number, own_talks.c.at, own_talks.c.agent).where(
        own_talks.c.number.in_(numbers)
    )
    if since is not None:
        held = held.where(calls.c.started_at >= since - LONGEST_CALL, legs.c.joined_at >= since)
        ours = ours.where(own_talks.c.at >= since)
    theirs = held.where(calls.c.callback_of.is_(None))
    back = held.where(calls.c.callback_of.is_not(None))
    found: dict[str, list[Talk]] = {}
    for how, query in ((How.CLIENT, theirs), (How.MANAGER, back), (How.MANAGER, ours)):
        for row in connection.execute(query):
            found.setdefault(row.number, []).append(Talk(row.at, how, row.agent))
    return found
