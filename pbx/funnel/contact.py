"""What stages a contact has passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, func, or_, select

from pbx.journal.database import told_as_ours
from pbx.journal.tables import stage_events

_MOST = 200


@dataclass(frozen=True, slots=True)
class Passed:
    """A stage passed.  ``call_id``: in this call, "" where none is known."""

    stage: str
    subject: str
    at: datetime
    agent: str
    call_id: str
    via: str


def passed_by(engine: Engine, number: str, call_id: str = "") -> list[Passed]:
    """Stages of a contact and their deals, and those of this call, in the order of time.

    Raises JournalError.
    """
    here = stage_events.c
    ways = [here.call_id == call_id] if call_id else []
    if number:
        ways += [here.subject == number, here.number == number]
    query = (
        select(here.stage, here.subject, here.at, here.agent, here.call_id, here.via)
        .where(or_(*ways))
        .order_by(here.at.desc(), here.event_id.desc())
        .limit(_MOST)
    )
    if not ways:
        return []
    with told_as_ours(engine), engine.connect() as connection:
        rows = [Passed(*row) for row in connection.execute(query)]
    rows.reverse()
    return rows


def passed_with(engine: Engine, agent: str, since: datetime) -> dict[str, int]:
    """How many contacts and deals passed each stage with this manager since then.

    Raises JournalError.
    """
    here = stage_events.c
    query = (
        select(here.stage, func.count(here.subject.distinct()).label("number"))
        .where(here.at >= since, here.agent == agent)
        .group_by(here.stage)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return {row.stage: row.number for row in connection.execute(query)}


def marks(engine: Engine, call_ids: Sequence[str]) -> set[tuple[str, str]]:
    """Calls and the stages that were told of them.  Raises JournalError."""
    here = stage_events.c
    query = select(here.call_id, here.stage).where(here.call_id.in_(call_ids))
    with told_as_ours(engine), engine.connect() as connection:
        return {(row.call_id, row.stage) for row in connection.execute(query)}
