"""Questions about missed calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, and_, func, or_, select

from pbx.journal.database import told_as_ours
from pbx.journal.tables import missed
from pbx.missed.rules import Task

NOBODY = "nobody"
"""As an owner in a filter: tasks that are neither a manager's nor a queue's."""


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks; None asks for nothing.

    ``open_only``: those nobody has closed.  ``owner``: a manager's or a queue's key, or NOBODY.
    ``since``: opened then or later.
    """

    open_only: bool = True
    owner: str | None = None
    since: datetime | None = None


def list_tasks(engine: Engine, wanted: TaskFilter) -> list[Task]:
    """Tasks, the oldest first.  Raises JournalError."""
    query = select(missed).order_by(missed.c.opened_at, missed.c.task_id)
    if wanted.open_only:
        query = query.where(missed.c.closed_at.is_(None))
    if wanted.since is not None:
        query = query.where(missed.c.opened_at >= wanted.since)
    if wanted.owner == NOBODY:
        query = query.where(missed.c.agent.is_(None), missed.c.queue.is_(None))
    elif wanted.owner is not None:
        of_queue = and_(missed.c.agent.is_(None), missed.c.queue == wanted.owner)
        query = query.where(or_(missed.c.agent == wanted.owner, of_queue))
    with told_as_ours(engine), engine.connect() as connection:
        return [Task(**row._mapping) for row in connection.execute(query)]


def open_by_queue(engine: Engine) -> Mapping[str, tuple[int, datetime]]:
    """For each queue ("" for none) the number of open tasks and when the oldest was opened.

    Raises JournalError.
    """
    query = (
        select(missed.c.queue, func.count(), func.min(missed.c.opened_at))
        .where(missed.c.closed_at.is_(None))
        .group_by(missed.c.queue)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return {queue or "": (n, oldest) for queue, n, oldest in connection.execute(query)}
