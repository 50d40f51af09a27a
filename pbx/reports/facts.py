"""What reports need of a call that has ended, worked out from the log's rows.

House rules: facts are a function of the log as it stands, never of the order in which it was
written.  So the same function serves a call that has just ended, a rebuild, and the check.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, bindparam, func, or_, select

from pbx.journal.tables import LegKind, agent_states, calls, legs, missed
from pbx.numbers import region_of
from routing.values import AgentState, Disposition, Outcome

RESOLVED_WITHIN = timedelta(days=7)
"""A client who does not call again for so long after a talk had their question answered (first-call
resolution).  The field takes one day to thirty; seven is the usual choice."""
AT_ONCE = 400
"""Calls looked at together: SQLite takes no more than 999 values in one question."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Caller(StrEnum):
    """Whether a number had called before."""

    NEW = "new"
    RETURNING = "returning"
    WITHHELD = "withheld"


class Missed(StrEnum):
    """What became of a missed call, for the first call of a task (pbx/missed); "" is no task."""

    OPEN = "open"
    CLIENT = "client"
    MANAGER = "manager"
    HAND = "hand"


_WORTH = {
    one.value: place
    for place, one in enumerate(
        (
            Disposition.ANSWERED,
            Disposition.NO_ANSWER,
            Disposition.REJECTED,
            Disposition.BUSY,
            Disposition.FAILED,
            Disposition.ANSWERED_ELSEWHERE,
            Disposition.CANCELLED,
        )
    )
}
"""A manager with several phones counts once: by the phone that comes first here."""


@dataclass(frozen=True, slots=True)
class Part:
    """A manager's (or an outside number's: ``agent`` "") part in a call: one offer to them.

    ``result``: a Disposition's value.  ``wrap_ms``: wrap-up right after the talk.
    """

    agent: str
    result: str
    ring_ms: int
    talk_ms: int
    wrap_ms: int


@dataclass(frozen=True, slots=True)
class CallFact:
    """A call that has ended; texts are "" where there is nothing, times ms since 1970.

    ``agent``: who talked last.  ``reached``: it waited in a line, or somebody was rung.
    ``before_s``: since the beginning of the call of that number before this one, None: none.
    ``after_s``: from this one's end to the beginning of the next, when within RESOLVED_WITHIN.
    ``called_back_s``: from the end of the missed call to the talk that made it good.
    """

    call_id: str
    began_ms: int
    ended_ms: int
    did: str
    source: str
    queue: str
    agent: str
    outcome: str
    menu: str
    strategy: str
    region: str
    caller: str
    short: bool
    reached: bool
    before_s: int | None
    after_s: int | None
    wait_ms: int
    talk_ms: int
    transfers: int
    missed: str
    called_back_s: int | None
    parts: tuple[Part, ...]

    def row(self) -> dict[str, Any]:
        """As the table ``call_facts`` keeps it."""
        values: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        return values | {"parts": parts_text(self.parts)}


def facts_of(connection: Connection, call_ids: Iterable[str]) -> list[CallFact]:
    """The facts of those of these calls that have ended."""
    ids = sorted(set(call_ids))
    found: list[CallFact] = []
    for begin in range(0, len(ids), AT_ONCE):
        found += _facts_of_some(connection, ids[begin : begin + AT_ONCE])
    return found


def neighbours(connection: Connection, call_ids: Sequence[str]) -> set[str]:
    """The calls of the same numbers right before and after these, whose facts tell of them."""
    found: set[str] = set()
    for begin in range(0, len(call_ids), AT_ONCE):
        some = call_ids[begin : begin + AT_ONCE]
        query = select(calls.c.call_id, calls.c.number, calls.c.started_at).where(
            calls.c.call_id.in_(some), calls.c.number != ""
        )
        for row in connection.execute(query).all():
            found.update(connection.execute(_AROUND, row._asdict()).scalars())
    return found


def _around() -> Select[Any]:
    """The calls of ``number`` right before and after ``started_at``, but ``call_id``."""
    at = bindparam("started_at", type_=calls.c.started_at.type)
    same = [calls.c.number == bindparam("number"), calls.c.call_id != bindparam("call_id")]
    before = select(func.max(calls.c.started_at)).where(*same, calls.c.started_at <= at)
    after = select(func.min(calls.c.started_at)).where(*same, calls.c.started_at >= at)
    around = or_(
        calls.c.started_at == before.scalar_subquery(),
        calls.c.started_at == after.scalar_subquery(),
    )
    return select(calls.c.call_id).where(*same, around)


_AROUND = _around()
"""Made once: it is asked for each call, and making it takes as long as asking."""


def milliseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // _MILLISECOND


def parts_text(parts: Iterable[Part]) -> str:
    """As JSON: ``[[agent, result, ring, talk, wrap], ...]``."""
    rows = [(one.agent, one.result, one.ring_ms, one.talk_ms, one.wrap_ms) for one in parts]
    return orjson.dumps(rows).decode()


def _facts_of_some(connection: Connection, ids: Sequence[str]) -> list[CallFact]:
    other = calls.alias()
    same = [
        other.c.number == calls.c.number,
        other.c.call_id != calls.c.call_id,
        calls.c.number != "",
    ]
    before = select(func.max(other.c.started_at)).where(
        *same, other.c.started_at <= calls.c.started_at
    )
    after = select(func.min(other.c.started_at)).where(
        *same, other.c.started_at >= calls.c.started_at
    )
    query = select(
        calls,
        before.scalar_subquery().label("before_at"),
        after.scalar_subquery().label("after_at"),
        missed.c.closed_how,
        missed.c.closed_at,
        missed.c.opened_at,
    ).outerjoin_from(calls, missed, missed.c.task_id == calls.c.call_id)
    ended = connection.execute(
        query.where(calls.c.call_id.in_(ids), calls.c.ended_at.is_not(None))
    ).all()
    of_call = _legs_of(connection, ids)
    wraps = _wraps_of(connection, ids)
    return [_fact(row, of_call.get(row.call_id, ()), wraps) for row in ended]


def _legs_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    query = (
        select(legs)
        .where(legs.c.call_id.in_(ids), legs.c.kind.in_(_PARTS))
        .order_by(legs.c.started_at, legs.c.leg_id)
    )
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.call_id, []).append(row)
    return found


_PARTS = (LegKind.DEVICE.value, LegKind.OUTSIDE.value, LegKind.TRANSFER.value)


def _wraps_of(connection: Connection, ids: Sequence[str]) -> dict[tuple[str, str], int]:
    """Wrap-up by call and manager, milliseconds."""
    states = agent_states.c
    query = select(states.call_id, states.agent, states.started_at, states.ended_at).where(
        states.call_id.in_(ids),
        states.state == AgentState.WRAP_UP.value,
        states.ended_at.is_not(None),
    )
    found: dict[tuple[str, str], int] = {}
    for call_id, agent, began, ended in connection.execute(query):
        key = call_id, agent
        found[key] = found.get(key, 0) + (ended - began) // _MILLISECOND
    return found


def _fact(
    row: Row[Any], of_call: Sequence[Row[Any]], wraps: dict[tuple[str, str], int]
) -> CallFact:
    parts = _parts(row.call_id, of_call, wraps)
    after_s = None
    if row.after_at is not None and row.after_at - row.ended_at <= RESOLVED_WITHIN:
        after_s = max(0, _seconds(row.after_at - row.ended_at))
    made_good = row.closed_how in (Missed.CLIENT, Missed.MANAGER)
    return CallFact(
        call_id=row.call_id,
        began_ms=milliseconds(row.started_at),
        ended_ms=milliseconds(row.ended_at),
        did=row.did,
        source=row.source,
        queue=row.queue or "",
        agent=row.agent or "",
        outcome=row.outcome or Outcome.FAILED.value,
        menu=row.menu_path,
        strategy=row.strategy or "",
        region=_region(row.number),
        caller=_caller(row),
        short=row.short,
        reached=row.queue is not None or bool(parts),
        before_s=None if row.before_at is None else _seconds(row.started_at - row.before_at),
        after_s=after_s,
        wait_ms=_ms(row.wait_s),
        talk_ms=_ms(row.talk_s),
        transfers=sum(leg.kind == LegKind.TRANSFER for leg in of_call),
        missed="" if row.opened_at is None else row.closed_how or Missed.OPEN.value,
        called_back_s=_seconds(row.closed_at - row.opened_at) if made_good else None,
        parts=parts,
    )


def _parts(
    call_id: str, of_call: Sequence[Row[Any]], wraps: dict[tuple[str, str], int]
) -> tuple[Part, ...]:
    """One for each offer to a manager, in the order in which they were rung."""
    groups: dict[tuple[str, str], list[Row[Any]]] = {}
    for leg in of_call:
        if leg.kind != LegKind.TRANSFER:
            groups.setdefault((leg.offer_id or leg.leg_id, leg.agent or ""), []).append(leg)
    last_talk = {agent: key for key in groups if (agent := key[1]) and _talked(groups[key])}
    parts = []
    for key, phones in groups.items():
        results = [leg.disposition or Disposition.FAILED.value for leg in phones]
        agent = key[1]
        wraps_here = last_talk.get(agent) == key
        parts.append(
            Part(
                agent=agent,
                result=min(results, key=lambda one: _WORTH[one]),
                ring_ms=max(_ms(leg.ring_s) for leg in phones),
                talk_ms=sum(_ms(leg.talk_s) for leg in phones),
                wrap_ms=wraps.get((call_id, agent), 0) if wraps_here else 0,
            )
        )
    return tuple(parts)


def _talked(phones: Sequence[Row[Any]]) -> bool:
    return any(leg.joined_at is not None for leg in phones)


def _caller(row: Row[Any]) -> str:
    if not row.number:
        return Caller.WITHHELD.value
    return (Caller.NEW if row.before_at is None else Caller.RETURNING).value


@lru_cache(maxsize=20_000)
def _region(number: str) -> str:
    return region_of(number) if number else ""


def _ms(seconds: float | None) -> int:
    return round((seconds or 0.0) * 1000)


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds() // 1)
