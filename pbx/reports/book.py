"""Keeps the facts of calls beside the log: as calls end, after a crash, and anew from all of it.

House rules: what is written is what ``facts_of`` says of the log, so doing it again changes
nothing.  Each change gives its day a new version; whoever keeps something made of a day's facts
(columns.py) sees by it that there is newer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Connection, Engine, bindparam, delete, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from pbx.journal import port as journal
from pbx.journal.database import told_as_ours
from pbx.journal.port import Stamped
from pbx.journal.stale import freshen, stale
from pbx.journal.tables import agent_states, call_facts, calls, fact_days, stage_events
from pbx.reports.contacts import know_all, know_callers, unknown
from pbx.reports.facts import AT_ONCE, facts_of, milliseconds, neighbours
from routing import facts
from routing.values import AgentState

DAY_MS = 86_400_000
CRASHED_WITHIN = timedelta(days=7)
"""How far back a start looks for what a crash has left open and the start has closed."""
MARKED_AT_ONCE = 500
"""Of the calls marked by others, how many are made anew in one transaction of the log's: a rebuild
of missed calls may mark a hundred thousand, and reports know how to do without."""
_LOCK = 0x6661637473
"""PostgreSQL's advisory lock while facts are written: "facts" in ASCII."""
_SHOWN = 10
"""Differences that a check names."""


class Kind(StrEnum):
    """What a version in ``fact_days`` is of."""

    CALLS = "calls"
    """Facts of calls that began on this day (UTC)."""
    STATES = "states"
    """Managers' states that began on this day (UTC)."""
    STAGES = "stages"
    """Stages of the funnel that were told, passed on this day (UTC)."""


@dataclass(frozen=True, slots=True)
class Checked:
    """``calls``: that have ended.  ``wrong``: of these, with facts that are not what the log says,
    or without, or with facts and no call; and calls and stages of contacts that nobody knows.  The
    first of them are in ``examples``."""

    calls: int
    wrong: int
    examples: tuple[str, ...]


class FactBook:
    """Follows the log (pbx.journal.follower), behind what keeps missed calls."""

    wants: tuple[type, ...] = (
        journal.CallStarted,
        journal.CallEnded,
        journal.OutsideLegFinished,
        journal.OutsideRefused,
        journal.OwnTalkStarted,
        journal.Transferred,
        facts.LegJoined,
        facts.LegFinished,
        facts.AgentChanged,
    )

    def follow(self, connection: Connection, entries: Sequence[Stamped]) -> None:
        """Make the facts anew of all calls that these entries tell of."""
        touched: set[str] = set()
        arrived: list[str] = []
        days: set[int] = set()
        for stamped in entries:
            match stamped.entry:
                case journal.OwnTalkStarted():
                    pass  # what it means for missed calls is in ``stale``
                case facts.AgentChanged() as change:
                    days |= _days_of(change, stamped.at)
                    if change.old is AgentState.WRAP_UP:
                        touched |= _wrapped_up(connection, change, stamped.at)
                case journal.CallStarted(call_id):
                    arrived.append(call_id)
                    touched.add(call_id)
                case journal.CallEnded(call_id):
                    # Its beginning may be lost: then this is when it came into the log.
                    arrived.append(call_id)
                    touched.add(call_id)
                case entry:
                    touched.add(_call_of(entry))
        touched |= neighbours(connection, arrived)
        lock(connection)
        marked = stale(connection, MARKED_AT_ONCE)
        refresh(connection, touched | marked)
        freshen(connection, marked)
        new_version(connection, Kind.STATES, days)

    def catch_up(self, engine: Engine, now: datetime) -> None:
        """Make the facts of what a crash left open and the start has closed.

        To be called when that is done.  Raises JournalError.
        """
        since = now - CRASHED_WITHIN
        # Of other calls they were made when the log was written: those in progress have none.
        query = (
            select(calls.c.call_id)
            .join(call_facts, call_facts.c.call_id == calls.c.call_id, isouter=True)
            .where(
                calls.c.reconstructed.is_(True),
                calls.c.ended_at >= since,
                call_facts.c.call_id.is_(None),
            )
        )
        with told_as_ours(engine):
            with engine.begin() as connection:
                lock(connection)
                ids = sorted(connection.execute(query).scalars())
                first, last = (milliseconds(at) // DAY_MS for at in (since, now))
                new_version(connection, Kind.STATES, range(first, last + 1))
            for some in _parts(ids):
                with engine.begin() as connection:
                    lock(connection)
                    refresh(connection, some)
            while self._freshened(engine):
                pass

    def _freshened(self, engine: Engine) -> int:
        """Make the facts of some that are marked; gives the number."""
        with engine.begin() as connection:
            lock(connection)
            marked = stale(connection, MARKED_AT_ONCE)
            refresh(connection, marked)
            freshen(connection, marked)
            return len(marked)


def refresh(connection: Connection, call_ids: Collection[str]) -> None:
    """Write the facts of these calls as the log has them now; none of those in progress."""
    if not call_ids:
        return
    new = {fact.call_id: fact.row() for fact in facts_of(connection, call_ids)}
    old = {row.call_id: dict(row._mapping) for row in _kept(connection, sorted(call_ids))}
    changed = [call_id for call_id in new.keys() | old if new.get(call_id) != old.get(call_id)]
    if not changed:
        return
    _forget(connection, sorted(old.keys() & changed))
    rows = [new[call_id] for call_id in changed if call_id in new]
    if rows:
        know_callers(connection, sorted(new.keys() - old.keys()))
        connection.execute(insert(call_facts), rows)
    both = [found[one] for one in changed for found in (old, new) if one in found]
    new_version(connection, Kind.CALLS, {_day(row) for row in both})


def calls_in(engine: Engine) -> int:
    """How many calls the log has.  Raises JournalError."""
    with told_as_ours(engine), engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(calls)).scalar_one()


def rebuild(engine: Engine, told: Callable[[int], None] = lambda _: None) -> int:
    """All facts anew from the whole log, a piece at a time; gives the number of calls.

    ``told``: hears how many are done.  The log may be written meanwhile.  Raises JournalError.
    """
    done = 0
    with told_as_ours(engine):
        for ids in _all_ids(engine):
            with engine.begin() as connection:
                lock(connection)
                refresh(connection, ids)
            done += len(ids)
            told(done)
        with engine.begin() as connection:
            lock(connection)
            orphans = select(call_facts.c.call_id).where(
                call_facts.c.call_id.not_in(select(calls.c.call_id))
            )
            refresh(connection, set(connection.execute(orphans).scalars()))
            freshen(connection, stale(connection))
            if unknown(connection):
                know_all(connection)
                new_version(connection, Kind.CALLS, _days_of_kind(connection, Kind.CALLS))
            _all_new(connection, Kind.STATES, agent_states.c.started_at)
            _all_new(connection, Kind.STAGES, stage_events.c.at)
    return done


def check(engine: Engine, told: Callable[[int], None] = lambda _: None) -> Checked:
    """Compare every fact with what the log says.  Raises JournalError."""
    seen = wrong = 0
    examples: list[str] = []
    with told_as_ours(engine):
        for ids in _all_ids(engine):
            with engine.connect() as connection:
                right = {fact.call_id: fact.row() for fact in facts_of(connection, ids)}
                have = {row.call_id: dict(row._mapping) for row in _kept(connection, ids)}
            # What is marked is known not to be up to date; reports make it anew themselves.
            with engine.connect() as connection:
                marked = stale(connection)
            bad = [
                one
                for one in sorted(right.keys() | have)
                if right.get(one) != have.get(one) and one not in marked
            ]
            seen += len(right)
            wrong += len(bad)
            examples += (_difference(one, right.get(one), have.get(one)) for one in bad)
            del examples[_SHOWN:]
            told(seen)
        with engine.connect() as connection:
            query = select(call_facts.c.call_id).where(
                call_facts.c.call_id.not_in(select(calls.c.call_id))
            )
            orphans = connection.execute(query).scalars().all()
            strangers = unknown(connection)
    if strangers:
        examples.insert(0, f"{strangers} calls and stages of contacts that have no number")
    examples += (f"{one}: has facts, but is not in the log" for one in orphans)
    return Checked(seen, wrong + len(orphans) + strangers, tuple(examples[:_SHOWN]))


def new_version(connection: Connection, kind: Kind, days: Iterable[int]) -> None:
    """These days' facts are not what they were."""
    # Later than any before, also of a day that was forgotten: a counter would start again.
    version = time.time_ns()
    rows = [{"kind": kind.value, "day": day, "version": version} for day in sorted(days)]
    if not rows:
        return
    make: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    given = make(fact_days)
    newer = given.on_conflict_do_update(
        index_elements=["kind", "day"], set_={"version": given.excluded.version}
    )
    connection.execute(newer, rows)


def _all_new(connection: Connection, kind: Kind, time: Column[datetime]) -> None:
    """New versions of all days of rows with these times."""
    first = connection.execute(select(func.min(time))).scalar()
    last = connection.execute(select(func.max(time))).scalar()
    if first is not None and last is not None:
        days = range(milliseconds(first) // DAY_MS, milliseconds(last) // DAY_MS + 1)
        new_version(connection, kind, days)


def _days_of_kind(connection: Connection, kind: Kind) -> set[int]:
    query = select(fact_days.c.day).where(fact_days.c.kind == kind.value)
    return set(connection.execute(query).scalars())


def lock(connection: Connection) -> None:
    """Until the transaction's end nobody else writes facts."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def _call_of(entry: object) -> str:
    assert isinstance(
        entry,
        journal.OutsideLegFinished
        | journal.OutsideRefused
        | journal.Transferred
        | facts.LegJoined
        | facts.LegFinished,
    )
    return entry.call_id


def _days_of(change: facts.AgentChanged, at: datetime) -> set[int]:
    """The days on which the state that ends here and the one that begins began."""
    began = at - timedelta(seconds=change.lasted_s)
    return {milliseconds(one) // DAY_MS for one in (began, at)}


def _wrapped_up(connection: Connection, change: facts.AgentChanged, at: datetime) -> set[str]:
    """The calls of the manager's last wrap-ups."""
    since = at - timedelta(seconds=change.lasted_s + 5.0)
    given = {"agent": change.agent_id, "since": since}
    return set(connection.execute(_WRAP_UPS, given).scalars())


_WRAP_UPS = (
    select(agent_states.c.call_id)
    .where(
        agent_states.c.agent == bindparam("agent"),
        agent_states.c.state == AgentState.WRAP_UP.value,
        agent_states.c.started_at >= bindparam("since", type_=agent_states.c.started_at.type),
        agent_states.c.call_id.is_not(None),
    )
    .limit(AT_ONCE)
)
"""Made once: it is asked at the end of each wrap-up."""


def _all_ids(engine: Engine) -> Iterator[list[str]]:
    """The ids of all calls, some at a time, each time as the log is then."""
    last = ""
    while True:
        query = (
            select(calls.c.call_id)
            .where(calls.c.call_id > last)
            .order_by(calls.c.call_id)
            .limit(AT_ONCE)
        )
        with engine.connect() as connection:
            ids = list(connection.execute(query).scalars())
        if not ids:
            return
        yield ids
        last = ids[-1]


def _kept(connection: Connection, ids: Sequence[str]) -> Iterator[Any]:
    for some in _parts(ids):
        yield from connection.execute(select(call_facts).where(call_facts.c.call_id.in_(some)))


def _forget(connection: Connection, ids: Sequence[str]) -> None:
    for some in _parts(ids):
        connection.execute(delete(call_facts).where(call_facts.c.call_id.in_(some)))


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(ids), AT_ONCE):
        yield ids[begin : begin + AT_ONCE]


def _day(row: dict[str, Any]) -> int:
    began: int = row["began_ms"]
    return began // DAY_MS


def _difference(
    call_id: str, right: dict[str, object] | None, have: dict[str, object] | None
) -> str:
    if right is None:
        return f"{call_id}: has facts, but has not ended"
    if have is None:
        return f"{call_id}: has no facts"
    names = [name for name in right if right[name] != have[name]]
    return "; ".join(f"{call_id}: {name} is {have[name]!r}, not {right[name]!r}" for name in names)
