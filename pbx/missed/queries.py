"""Questions about missed calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, and_, func, or_, select

from pbx.journal.database import told_as_ours
from pbx.journal.tables import missed
from pbx.missed.rules import Task

NOBODY = "nobody"
"""As an owner in a filter: tasks that are neither a manager's nor a queue's."""


@dataclass(frozen=True, slots=True)
class TaskSight:
    """Whose tasks somebody may see: those of ``agents`` and those of ``queues``; with
    ``shared_only`` of the queues' only those that are no manager's."""

    agents: frozenset[str]
    queues: frozenset[str]
    shared_only: bool = False


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks; None asks for nothing.

    ``open_only``: those nobody has closed; ``closed_only``: the others.  ``owner``: a manager's or
    a queue's key, or NOBODY.  ``queue``: the call waited there, whoever owns it.  ``since`` and
    ``until``: opened then or later, before then.  ``sight``: of those, what may be seen; None is
    everything.  ``newest_first``: ``before`` begins after the task that was opened then and has
    this id.  ``limit``: so many; None for all.
    """

    open_only: bool = True
    owner: str | None = None
    queue: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    closed_only: bool = False
    task_id: str | None = None
    number: str | None = None
    sight: TaskSight | None = None
    newest_first: bool = False
    before: tuple[datetime, str] | None = None
    limit: int | None = None


def list_tasks(engine: Engine, wanted: TaskFilter) -> list[Task]:
    """Tasks, the oldest first unless asked otherwise.  Raises JournalError."""
    here = missed.c
    order = (here.opened_at, here.task_id)
    query = select(missed).where(*_conditions(wanted)).limit(wanted.limit)
    if wanted.newest_first:
        query = query.order_by(*(column.desc() for column in order))
    else:
        query = query.order_by(*order)
    with told_as_ours(engine), engine.connect() as connection:
        return [Task(**row._mapping) for row in connection.execute(query)]


def _conditions(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    here = missed.c
    found: list[ColumnElement[bool]] = []
    if wanted.open_only:
        found.append(here.closed_at.is_(None))
    if wanted.closed_only:
        found.append(here.closed_at.is_not(None))
    if wanted.task_id is not None:
        found.append(here.task_id == wanted.task_id)
    if wanted.number is not None:
        found.append(here.number == wanted.number)
    if wanted.queue is not None:
        found.append(here.queue == wanted.queue)
    if wanted.since is not None:
        found.append(here.opened_at >= wanted.since)
    if wanted.until is not None:
        found.append(here.opened_at < wanted.until)
    if wanted.owner == NOBODY:
        found += [here.agent.is_(None), here.queue.is_(None)]
    elif wanted.owner is not None:
        of_queue = and_(here.agent.is_(None), here.queue == wanted.owner)
        found.append(or_(here.agent == wanted.owner, of_queue))
    if (sight := wanted.sight) is not None:
        of_queues: ColumnElement[bool] = here.queue.in_(sorted(sight.queues))
        if sight.shared_only:
            of_queues = and_(of_queues, here.agent.is_(None))
        found.append(or_(here.agent.in_(sorted(sight.agents)), of_queues))
    if wanted.before is not None:
        at, task_id = wanted.before
        same = and_(here.opened_at == at, here.task_id < task_id)
        found += [here.opened_at <= at, or_(here.opened_at < at, same)]
    return found


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
