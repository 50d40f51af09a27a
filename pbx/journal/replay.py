"""The facts of the last while, read from the log in their order.

What the distribution works out of facts as they come (how fast a queue serves, who dropped out and
keeps the place), an engine that has just started works out of these in the same way.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Select, func, or_, select, union_all

from pbx.journal.database import told_as_ours
from pbx.journal.tables import agent_states, calls, offers, waits
from routing import facts
from routing.callers import LEFT
from routing.estimate import WINDOW_S
from routing.memory import Dropped
from routing.values import AgentId, AgentState, CallId, OfferId, QueueId, Seconds

LONGEST_WAIT = timedelta(hours=4)
"""Waits longer than this do not count."""
MOST = 200_000
"""Waits of those who dropped out, at most."""

_GAP = timedelta(seconds=1)
"""A state of an agent that ends later than so long before the next one is followed by it."""

_AT_ONCE = 500
"""Rows in memory together, of a kind."""

_Thing = TypeVar("_Thing")
_At = tuple[datetime, int, _Thing]


def recall_service(
    engine: Engine, *, queues: Collection[QueueId], now: datetime
) -> Iterator[tuple[Seconds, facts.Fact]]:
    """What ``ServiceRates`` has to be told of ``queues`` in the time before ``now``, in order, read
    as it is asked for: a busy half hour is a hundred thousand facts.

    To be asked before what a crash left open is closed: it lasted until the engine before us died.
    At the end nobody waits and nobody is on duty: what goes on is told again by who finds it.
    Raises JournalError.
    """
    since = now - timedelta(seconds=WINDOW_S)
    with told_as_ours(engine), engine.connect() as connection:
        died = _last_sign_of_life(connection, now)
        found = (
            _waits(connection, queues, since, died),
            _offers(connection, queues, since, died),
            _duty(connection, since, died),
        )
        for at, _, fact in heapq.merge(*found, key=lambda one: one[:2]):
            yield at.timestamp(), fact


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
) -> Iterator[_At[facts.Fact]]:
    row = waits.c
    query = (
        select(row.call_id, row.queue, row.started_at, row.ended_at, row.reason, row.position)
        .where(
            row.queue.in_(queues),
            row.started_at >= since - LONGEST_WAIT,
            _since(row.ended_at, since),
        )
        .order_by(row.started_at)
    )

    def parts() -> Iterator[Sequence[_At[facts.Fact]]]:
        for call_id, queue, began, until, reason, position in _rows(connection, query):
            who, where, ended = CallId(call_id), QueueId(queue), until or max(began, died)
            started = facts.WaitStarted(who, where, position, 0, began.timestamp())
            over = facts.WaitEnded(who, where, (ended - began).total_seconds(), reason or "")
            yield (began, _BEGAN, started), (ended, _OVER, over)

    return _in_order(parts())


def _offers(
    connection: Connection, queues: Collection[QueueId], since: datetime, died: datetime
) -> Iterator[_At[facts.Fact]]:
    row = offers.c
    query = (
        select(row.offer_id, row.call_id, row.queue, row.at, row.ended_at, row.result)
        .where(row.queue.in_(queues), row.at >= since - LONGEST_WAIT, _since(row.ended_at, since))
        .order_by(row.at)
    )

    def parts() -> Iterator[Sequence[_At[facts.Fact]]]:
        for offer_id, call_id, queue, at, until, result in _rows(connection, query):
            offer, who, ended = OfferId(offer_id), CallId(call_id), until or max(at, died)
            made = facts.OfferMade(offer, who, QueueId(queue), "", (), (), "")
            yield (
                (at, _OFFER, made),
                (ended, _OFFER_OVER, facts.OfferEnded(offer, who, result or "")),
            )

    return _in_order(parts())


@dataclass(slots=True)
class _Ended:
    """An agent's state; ``followed_at``: the beginning of the next one, as soon as it is read."""

    agent_id: AgentId
    state: AgentState
    followed_at: datetime | None = None


def _duty(connection: Connection, since: datetime, died: datetime) -> Iterator[_At[facts.Fact]]:
    row = agent_states.c
    of_one = select(row.agent, row.state, row.started_at, row.ended_at)
    # Not "or": then the whole log is looked through in the order asked for.
    either = union_all(
        of_one.where(row.ended_at >= since), of_one.where(row.ended_at.is_(None))
    ).subquery()
    query = select(either).order_by(either.c.started_at)

    def parts() -> Iterator[Sequence[_At[facts.Fact | _Ended]]]:
        last: dict[str, _Ended] = {}
        for agent, state, began, until in _rows(connection, query):
            who, new = AgentId(agent), AgentState(state)
            if agent in last:
                last[agent].followed_at = began
            last[agent] = _Ended(who, new)
            goes = facts.AgentChanged(who, AgentState.OFFLINE, new, "recalled")
            yield (began, _DUTY, goes), (until or max(began, died), _ENDED, last[agent])

    for at, order, what in _in_order(parts(), hold=_GAP):
        if not isinstance(what, _Ended):
            yield at, order, what
        elif what.followed_at is None or what.followed_at - at > _GAP:
            gone = facts.AgentChanged(what.agent_id, what.state, AgentState.OFFLINE, "recalled")
            yield at, order, gone


def _rows(connection: Connection, query: Select[Any]) -> Iterator[Any]:
    yield from connection.execution_options(yield_per=_AT_ONCE).execute(query)


def _in_order(
    parts: Iterable[Sequence[_At[_Thing]]], *, hold: timedelta = timedelta(0)
) -> Iterator[_At[_Thing]]:
    """What is in ``parts`` in the order of time; they come in the order of their first moments.

    In memory is what is going on.  ``hold``: a moment is given only when all parts that begin
    within so long after it have been taken.
    """
    going: list[tuple[datetime, int, int, _Thing]] = []
    number = itertools.count()
    for part in parts:
        begins = part[0][0]
        for at, order, what in part:
            heapq.heappush(going, (at, order, next(number), what))
        while going[0][0] + hold < begins:
            at, order, _, what = heapq.heappop(going)
            yield at, order, what
    while going:
        at, order, _, what = heapq.heappop(going)
        yield at, order, what


def recall_dropped(
    engine: Engine, *, queues: Collection[QueueId], since: datetime
) -> list[Dropped]:
    """Waits in ``queues`` of those who hung up in one since then, in order: see ``Dropped``.

    Raises JournalError.
    """
    row = waits.c
    left = (
        select(calls.c.number)
        .join(waits, waits.c.call_id == calls.c.call_id)
        .where(row.queue.in_(queues), row.ended_at >= since, row.reason == LEFT)
    )
    query = (
        select(calls.c.number, row.call_id, row.queue, row.started_at, row.ended_at, row.reason)
        .join(calls, calls.c.call_id == row.call_id)
        .where(
            calls.c.number != "",
            calls.c.number.in_(left),
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
