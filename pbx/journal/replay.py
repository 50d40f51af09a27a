"""The facts of the last while, read from the log in their order.

What the distribution works out of facts as they come (how fast a queue serves, who dropped out and
keeps the place), an engine that has just started works out of these in the same way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, func, or_, select

from pbx.journal.database import told_as_ours
from pbx.journal.tables import agent_states, calls, offers, waits
from routing import facts
from routing.estimate import WINDOW_S
from routing.memory import Dropped
from routing.values import AgentId, AgentState, CallId, OfferId, QueueId, Seconds

LONGEST_WAIT = timedelta(hours=4)
"""Waits longer than this do not count."""
MOST = 200_000
"""Rows of a kind, at most."""

_GAP = timedelta(seconds=1)
"""A state of an agent that ends later than so long before the next one is followed by it."""

_At = tuple[datetime, int, facts.Fact]


def recall_service(
    engine: Engine, *, queues: Collection[QueueId], now: datetime
) -> list[tuple[Seconds, facts.Fact]]:
    """What ``ServiceRates`` has to be told of ``queues`` in the time before ``now``, in order.

    To be asked before what a crash left open is closed: it lasted until the engine before us died.
    At the end nobody waits and nobody is on duty: what goes on is told again by who finds it.
    Raises JournalError.
    """
    since = now - timedelta(seconds=WINDOW_S)
    with told_as_ours(engine), engine.connect() as connection:
        died = _last_sign_of_life(connection, now)
        found = [
            *_waits(connection, queues, since, died),
            *_offers(connection, queues, since, died),
            *_duty(connection, since, died),
        ]
    found.sort(key=lambda one: one[:2])
    return [(at.timestamp(), fact) for at, _, fact in found]


# Facts of one moment, in the order in which the distribution tells them: an offer that ended is
# followed by the next one.
_ENDED, _DUTY, _BEGAN, _OFFER_OVER, _OFFER, _OVER = range(6)


def _last_sign_of_life(connection: Connection, now: datetime) -> datetime:
    """The newest time before ``now`` in the tables that an engine at work writes all the time."""
    newest = [
        connection.execute(select(func.max(column)).where(column < now)).scalar()
        for column in (
            agent_states.c.started_at,
            calls.c.started_at,
            calls.c.ended_at,
            waits.c.ended_at,
        )
    ]
    return max((at for at in newest if at is not None), default=now)


def _since(column: ColumnElement[datetime | None], since: datetime) -> ColumnElement[bool]:
    """What ended since then, or was never told to have ended."""
    return or_(column >= since, column.is_(None))


def _waits(
    connection: Connection, queues: Collection[QueueId], since: datetime, died: datetime
) -> Iterator[_At]:
    row = waits.c
    query = (
        select(row.call_id, row.queue, row.started_at, row.ended_at, row.reason, row.position)
        .where(
            row.queue.in_(queues),
            row.started_at >= since - LONGEST_WAIT,
            _since(row.ended_at, since),
        )
        .order_by(row.started_at.desc())
        .limit(MOST)
    )
    for call_id, queue, began, until, reason, position in connection.execute(query):
        who, where, ended = CallId(call_id), QueueId(queue), until or max(began, died)
        started = facts.WaitStarted(who, where, position, 0, began.timestamp())
        waited_s = (ended - began).total_seconds()
        yield began, _BEGAN, started
        yield ended, _OVER, facts.WaitEnded(who, where, waited_s, reason or "")


def _offers(
    connection: Connection, queues: Collection[QueueId], since: datetime, died: datetime
) -> Iterator[_At]:
    row = offers.c
    query = (
        select(row.offer_id, row.call_id, row.queue, row.at, row.ended_at, row.result)
        .where(row.queue.in_(queues), row.at >= since - LONGEST_WAIT, _since(row.ended_at, since))
        .order_by(row.at.desc())
        .limit(MOST)
    )
    for offer_id, call_id, queue, at, until, result in connection.execute(query):
        offer, who, ended = OfferId(offer_id), CallId(call_id), until or max(at, died)
        yield at, _OFFER, facts.OfferMade(offer, who, QueueId(queue), "", (), (), "")
        yield ended, _OFFER_OVER, facts.OfferEnded(offer, who, result or "")


def _duty(connection: Connection, since: datetime, died: datetime) -> Iterator[_At]:
    row = agent_states.c
    query = (
        select(row.agent, row.state, row.started_at, row.ended_at)
        .where(_since(row.ended_at, since))
        .order_by(row.started_at.desc())
        .limit(MOST)
    )
    followed: dict[str, datetime] = {}  # the newest comes first
    for agent, state, began, until in connection.execute(query):
        who, new, ended = AgentId(agent), AgentState(state), until or max(began, died)
        yield began, _DUTY, facts.AgentChanged(who, AgentState.OFFLINE, new, "recalled")
        following, followed[agent] = followed.get(agent), began
        if following is None or following - ended > _GAP:
            yield ended, _ENDED, facts.AgentChanged(who, new, AgentState.OFFLINE, "recalled")


def recall_dropped(
    engine: Engine, *, queues: Collection[QueueId], since: datetime
) -> list[Dropped]:
    """Who waited in ``queues`` and hung up since then, and who was served, in order: see
    ``Dropped``.  Raises JournalError."""
    row = waits.c
    query = (
        select(calls.c.number, row.call_id, row.queue, row.started_at, row.ended_at, row.reason)
        .join(calls, calls.c.call_id == row.call_id)
        .where(
            calls.c.number != "",
            calls.c.callback_of.is_(None),
            row.queue.in_(queues),
            row.started_at >= since - LONGEST_WAIT,
            row.ended_at.is_not(None),
        )
        .order_by(row.started_at.desc(), row.wait_id.desc())
        .limit(MOST)
    )
    with told_as_ours(engine), engine.connect() as connection:
        rows = connection.execute(query).all()
    first: dict[tuple[str, str], datetime] = {}
    for one in rows:  # a wait that went on after a restart is of two rows: the first one counts
        first[one.call_id, one.queue] = one.started_at
    return [
        Dropped(
            QueueId(one.queue),
            one.number,
            first[one.call_id, one.queue].timestamp(),
            one.ended_at.timestamp(),
            one.reason or "",
        )
        for one in reversed(rows)
    ]
