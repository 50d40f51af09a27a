"""Closes what a crash left open in the log, with what is known of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, case, func, literal, select, union_all, update

from pbx.journal.tables import (
    LegKind,
    agent_states,
    calls,
    legs,
    messages,
    offers,
    steps,
    waits,
)
from pbx.switch.port import UNSEEN
from routing.values import Disposition, Outcome

LOST = "lost"
"""How a wait, an offer or an agent's state ended of which the end was not seen."""


def close_open(connection: Connection, now: datetime) -> int:
    """Close all calls, legs, waits, offers and agents' states that are open: those that began
    after ``now``, too, for the machine's clock may have been put back since.

    A call's end is the last that was heard of it; it was answered when a talk took place.  Gives
    the number of calls.
    """
    unfinished = connection.execute(
        select(calls.c.call_id, calls.c.started_at).where(calls.c.ended_at.is_(None))
    ).all()
    for call_id, started_at in unfinished:
        _close_call(connection, call_id, started_at)
    _close_strays(connection, now)
    return len(unfinished)


def _close_call(connection: Connection, call_id: str, started_at: datetime) -> None:
    last = _last_heard(connection, call_id) or started_at
    parts = connection.execute(select(legs).where(legs.c.call_id == call_id)).all()
    talks = [leg for leg in parts if leg.kind == LegKind.BRIDGE]
    waited_s = connection.execute(
        select(func.coalesce(func.sum(waits.c.waited_s), 0.0)).where(waits.c.call_id == call_id)
    ).scalar_one()
    talk_s = sum(_talk_s(leg, last) for leg in talks)
    left_message = connection.execute(
        select(func.count()).select_from(messages).where(messages.c.call_id == call_id)
    ).scalar_one()
    without_talk = Outcome.VOICEMAIL if left_message else Outcome.FAILED
    outcome = Outcome.ANSWERED if talks else without_talk
    for leg in parts:
        if leg.ended_at is None:
            values = _end_of(leg, last)
            if leg.kind == LegKind.INBOUND and outcome is not Outcome.FAILED:
                values |= {"disposition": Disposition.ANSWERED.value, "talk_s": talk_s}
            connection.execute(update(legs).where(legs.c.leg_id == leg.leg_id).values(**values))
    connection.execute(
        update(calls)
        .where(calls.c.call_id == call_id)
        .values(
            ended_at=last,
            outcome=outcome.value,
            wait_s=waited_s,
            talk_s=talk_s,
            cause=UNSEEN,
            reconstructed=True,
        )
    )


def _end_of(leg: Row[Any], last: datetime) -> dict[str, object]:
    at = max(last, leg.started_at)
    disposition = Disposition.FAILED if leg.joined_at is None else Disposition.ANSWERED
    return {
        "ended_at": at,
        "disposition": disposition.value,
        "cause": UNSEEN,
        "ring_s": ((leg.joined_at or at) - leg.started_at).total_seconds(),
        "talk_s": _talk_s(leg, last),
    }


def _talk_s(leg: Row[Any], last: datetime) -> float:
    """The length of a talk that may still be open."""
    if leg.joined_at is None:
        return 0.0
    end: datetime = leg.ended_at or max(last, leg.started_at)
    joined_at: datetime = leg.joined_at
    return max(0.0, (end - joined_at).total_seconds())


def _last_heard(connection: Connection, call_id: str) -> datetime | None:
    """The last time that anything was noted of the call."""
    times = union_all(
        select(steps.c.at.label("at")).where(steps.c.call_id == call_id),
        *(
            select(column.label("at")).where(legs.c.call_id == call_id)
            for column in (legs.c.started_at, legs.c.rang_at, legs.c.joined_at, legs.c.ended_at)
        ),
        *(
            select(column.label("at")).where(waits.c.call_id == call_id)
            for column in (waits.c.started_at, waits.c.ended_at)
        ),
        select(messages.c.at.label("at")).where(messages.c.call_id == call_id),
    ).subquery()
    return connection.execute(select(func.max(times.c.at))).scalar()


def _close_strays(connection: Connection, now: datetime) -> None:
    """What else is open: of calls just closed, and agents' states to the last sign of life."""
    of_call = select(calls.c.ended_at).where(calls.c.call_id == waits.c.call_id).scalar_subquery()
    connection.execute(
        update(waits)
        .where(waits.c.ended_at.is_(None))
        .values(ended_at=func.coalesce(of_call, waits.c.started_at), reason=LOST)
    )
    of_call = select(calls.c.ended_at).where(calls.c.call_id == offers.c.call_id).scalar_subquery()
    connection.execute(
        update(offers)
        .where(offers.c.ended_at.is_(None))
        .values(ended_at=func.coalesce(of_call, offers.c.at), result=LOST)
    )
    began = agent_states.c.started_at
    last = literal(_last_sign_of_life(connection, now), began.type)
    connection.execute(
        update(agent_states)
        .where(agent_states.c.ended_at.is_(None))
        .values(ended_at=case((began > last, began), else_=last))
    )


def _last_sign_of_life(connection: Connection, now: datetime) -> datetime:
    """The newest time before ``now`` in the tables that every engine writes all the time."""
    newest = [
        connection.execute(select(func.max(column)).where(column < now)).scalar()
        for column in (agent_states.c.started_at, calls.c.started_at, calls.c.ended_at)
    ]
    return max((at for at in newest if at is not None), default=now)
