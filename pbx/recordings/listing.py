"""Questions to the log about recordings, and the removal of those whose time is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, and_, func, or_, select, update

from pbx.journal.database import told_as_ours
from pbx.journal.queries import CallFilter, Sight, conditions
from pbx.journal.tables import calls, legs, recordings
from pbx.recordings.names import file_of

_AT_ONCE = 200
"""Files removed between two notes of it in the log."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording and the talk that it is of.  ``length_s``: None while it is not finished, or for
    a ``problem``.  ``removed_at``: when its file was pruned."""

    leg_id: str
    call_id: str | None
    started_at: datetime
    number: str | None
    did: str | None
    queue: str | None
    agent: str | None
    path: str
    length_s: float | None
    problem: str | None
    keep_until: datetime
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was, or would be, removed; ``failed``: paths that could not be, with the reason."""

    paths: tuple[str, ...]
    length_s: float
    failed: tuple[tuple[str, str], ...]


def list_recordings(engine: Engine, wanted: CallFilter) -> list[Recorded]:
    """Recordings of these calls, the oldest first; ``wanted.agent``: who talked, and the limit is
    of recordings.  Raises JournalError."""
    rows = recordings_page(engine, wanted)
    rows.reverse()
    return rows


@dataclass(frozen=True, slots=True)
class Hearing:
    """Whose talks somebody may hear: those of ``agents``, and in calls of ``outside`` those that
    are no manager's."""

    agents: frozenset[str]
    outside: Sight | None = None


def recordings_page(
    engine: Engine,
    wanted: CallFilter,
    *,
    hearing: Hearing | None = None,
    before: tuple[datetime, str] | None = None,
) -> list[Recorded]:
    """The newest first; ``wanted`` as for ``list_recordings``.  ``hearing`` None: all.

    ``before``: older than the recording that began then, of this leg.  Raises JournalError.
    """
    where = conditions(replace(wanted, agent=None))
    if wanted.agent is not None:
        where.append(legs.c.agent == wanted.agent)
    if before is not None:
        at, leg_id = before
        same = and_(recordings.c.started_at == at, recordings.c.leg_id < leg_id)
        where += [recordings.c.started_at <= at, or_(recordings.c.started_at < at, same)]
    if hearing is not None:
        ways: list[ColumnElement[bool]] = [legs.c.agent.in_(sorted(hearing.agents))]
        if hearing.outside is not None:
            seen = conditions(CallFilter(sight=hearing.outside))
            ways.append(and_(legs.c.agent.is_(None), *seen))
        where.append(or_(*ways))
    query = (
        _recorded()
        .where(*where)
        .order_by(recordings.c.started_at.desc(), recordings.c.leg_id.desc())
        .limit(wanted.limit)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return [Recorded(**row._mapping) for row in connection.execute(query)]


def recorded(engine: Engine, leg_id: str) -> Recorded | None:
    """The recording of a talk; None when the log does not know it.  Raises JournalError."""
    query = _recorded().where(recordings.c.leg_id == leg_id)
    with told_as_ours(engine), engine.connect() as connection:
        row = connection.execute(query).first()
    return None if row is None else Recorded(**row._mapping)


def to_prune(engine: Engine, now: datetime) -> Pruned:
    """What ``prune`` would remove.  Raises JournalError."""
    due = _due(engine, now)
    return Pruned(tuple(one.path for one in due), sum(one.length_s or 0.0 for one in due), ())


def prune(engine: Engine, folder: Path, now: datetime) -> Pruned:
    """Remove the files of recordings whose time is over, and note it.  ``engine`` may write.

    A file that is gone already is as good as removed.  Raises JournalError.
    """
    due = _due(engine, now)
    removed: list[Any] = []
    failed: list[tuple[str, str]] = []
    for begin in range(0, len(due), _AT_ONCE):
        gone = []
        for one in due[begin : begin + _AT_ONCE]:
            try:
                file_of(folder, one.path).unlink(missing_ok=True)
            except (OSError, ValueError) as error:
                failed.append((one.path, str(error)))
            else:
                gone.append(one)
        _note(engine, [one.leg_id for one in gone], now)
        removed += gone
    length_s = sum(one.length_s or 0.0 for one in removed)
    return Pruned(tuple(one.path for one in removed), length_s, tuple(failed))


def _due(engine: Engine, now: datetime) -> Sequence[Any]:
    query = (
        select(recordings.c.leg_id, recordings.c.path, recordings.c.length_s)
        .where(recordings.c.keep_until <= now, recordings.c.removed_at.is_(None))
        .order_by(recordings.c.keep_until, recordings.c.leg_id)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return connection.execute(query).all()


def _note(engine: Engine, leg_ids: Sequence[str], now: datetime) -> None:
    with told_as_ours(engine), engine.begin() as connection:
        connection.execute(
            update(recordings).where(recordings.c.leg_id.in_(leg_ids)).values(removed_at=now)
        )


def _recorded() -> Select[Any]:
    """Recordings with their talk and call."""
    # What was found after a crash knows its call by its leg alone, and maybe not even that.
    call_id = func.coalesce(recordings.c.call_id, legs.c.call_id)
    return select(
        recordings.c.leg_id,
        call_id.label("call_id"),
        recordings.c.started_at,
        calls.c.number,
        calls.c.did,
        calls.c.queue,
        legs.c.agent,
        recordings.c.path,
        recordings.c.length_s,
        recordings.c.problem,
        recordings.c.keep_until,
        recordings.c.removed_at,
    ).select_from(
        recordings.outerjoin(legs, legs.c.leg_id == recordings.c.leg_id).outerjoin(
            calls, calls.c.call_id == call_id
        )
    )
