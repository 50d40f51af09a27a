"""Questions about the funnel's events."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, and_, or_, select

from pbx.funnel.stages import StageEvent
from pbx.journal.database import told_as_ours
from pbx.journal.tables import stage_events


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; None asks for nothing.

    ``since`` (inclusive) and ``until`` (exclusive) are about the time of passing.  ``number``: the
    contact's, E.164.  ``agents``: only theirs.  ``before``: the page after the event of that time
    and key.  ``limit``: the newest so many.
    """

    since: datetime | None = None
    until: datetime | None = None
    stage: str | None = None
    number: str | None = None
    deal: str | None = None
    call_id: str | None = None
    agents: Collection[str] | None = None
    before: tuple[datetime, str] | None = None
    limit: int = 100


def list_events(engine: Engine, wanted: EventFilter) -> list[StageEvent]:
    """The newest first.  Raises JournalError."""
    here = stage_events.c
    query = (
        select(
            here.key,
            here.stage,
            here.subject,
            here.at,
            here.number,
            here.agent,
            here.source,
            here.call_id,
            here.via,
        )
        .where(*_conditions(wanted))
        .order_by(here.at.desc(), here.key.desc())
        .limit(wanted.limit)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return [StageEvent(*row) for row in connection.execute(query)]


def _conditions(wanted: EventFilter) -> list[ColumnElement[bool]]:
    here = stage_events.c
    found: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(here.at >= wanted.since)
    if wanted.until is not None:
        found.append(here.at < wanted.until)
    if wanted.stage is not None:
        found.append(here.stage == wanted.stage)
    if wanted.number is not None:
        found.append(or_(here.subject == wanted.number, here.number == wanted.number))
    if wanted.deal is not None:
        found.append(here.subject == f"deal:{wanted.deal}")
    if wanted.call_id is not None:
        found.append(here.call_id == wanted.call_id)
    if wanted.agents is not None:
        found.append(here.agent.in_(sorted(wanted.agents)))
    if wanted.before is not None:
        at, key = wanted.before
        found += [here.at <= at, or_(here.at < at, and_(here.at == at, here.key < key))]
    return found
