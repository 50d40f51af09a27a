"""Questions about callbacks that the engine makes by itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, select

from pbx.journal.database import told_as_ours
from pbx.journal.tables import callback_tasks


@dataclass(frozen=True, slots=True)
class CallbackTask:
    """A client to be called back, or who was.

    ``call_id``: the call that it was asked for in, or (``missed``) that was missed.  ``since``:
    when that call's wait began.  ``attempts``: how often the client was called; ``reason``: why
    the last one, or the wait in line, ended; ``next_at``: the next does not begin before.
    ``dialled_call``: the call in which the client is being called, or was last.
    """

    callback_id: str
    call_id: str
    number: str
    name: str
    did: str
    queue: str
    missed: bool
    since: datetime
    opened_at: datetime
    attempts: int
    reason: str | None
    next_at: datetime | None
    dialled_call: str | None
    closed_at: datetime | None
    result: str | None


_COLUMNS = [callback_tasks.c[name] for name in CallbackTask.__dataclass_fields__]


def list_callbacks(
    engine: Engine, *, open_only: bool, since: datetime | None = None
) -> list[CallbackTask]:
    """Callbacks in the order in which they stand in line; ``since``: opened then or later.

    Raises JournalError.
    """
    task = callback_tasks.c
    query = select(*_COLUMNS).order_by(task.since, task.callback_id)
    if open_only:
        query = query.where(task.closed_at.is_(None))
    if since is not None:
        query = query.where(task.opened_at >= since)
    with told_as_ours(engine), engine.connect() as connection:
        return [CallbackTask(**row._mapping) for row in connection.execute(query)]
