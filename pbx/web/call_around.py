"""What belongs to a call beside its own story; asked of the log in a thread."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Engine, select

from pbx.funnel.contact import Passed, passed_by
from pbx.journal.database import told_as_ours
from pbx.journal.queries import CallFilter, Sight, list_calls
from pbx.journal.story import CallRow
from pbx.journal.tables import callback_tasks, missed
from pbx.missed.rules import Task
from pbx.webhooks.queries import Delivery, DeliveryFilter, deliveries

_OTHERS = 8
_BACK = timedelta(days=365)
"""How far back the same number's other calls are looked for."""
_DELIVERIES = 60


@dataclass(frozen=True, slots=True)
class CallbackTask:
    """The engine calls the client back.  ``result`` None: not closed yet."""

    callback_id: str
    queue: str
    attempts: int
    result: str | None
    dialled_call: str | None


@dataclass(frozen=True, slots=True)
class Around:
    """``others``: further calls of the number, newest first."""

    others: tuple[CallRow, ...]
    tasks: tuple[Task, ...]
    callbacks: tuple[CallbackTask, ...]
    passed: tuple[Passed, ...]
    told: tuple[Delivery, ...]


def around(engine: Engine, call: CallRow, sight: Sight | None) -> Around:
    """``sight``: of who asks.  Raises JournalError."""
    others: list[CallRow] = []
    if call.number:
        since = call.started_at - _BACK
        wanted = CallFilter(since=since, caller=call.number, sight=sight, limit=_OTHERS + 1)
        others = [one for one in list_calls(engine, wanted) if one.call_id != call.call_id]
    told: list[Delivery] = []
    if sight is None:  # what other programs heard is for those who look after them
        told = deliveries(engine, DeliveryFilter(subject=call.call_id, most=_DELIVERIES))
    return Around(
        others=tuple(reversed(others[-_OTHERS:])),
        tasks=_tasks(engine, call),
        callbacks=_callbacks(engine, call),
        passed=tuple(passed_by(engine, call.number, call.call_id)),
        told=tuple(reversed(told)),
    )


def _tasks(engine: Engine, call: CallRow) -> tuple[Task, ...]:
    """The missed-call tasks that this call opened or went on with."""
    if not call.number or call.callback_of:
        return ()
    query = (
        select(missed)
        .where(
            missed.c.number == call.number,
            missed.c.first_at <= (call.ended_at or call.started_at),
            missed.c.last_at >= call.started_at,
        )
        .order_by(missed.c.opened_at)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return tuple(Task(**row._mapping) for row in connection.execute(query))


def _callbacks(engine: Engine, call: CallRow) -> tuple[CallbackTask, ...]:
    table = callback_tasks.c
    query = select(
        table.callback_id, table.queue, table.attempts, table.result, table.dialled_call
    ).order_by(table.opened_at)
    if call.origin == "callback":
        query = query.where(table.callback_id == call.callback_of)
    else:
        query = query.where(table.call_id == call.call_id)
    with told_as_ours(engine), engine.connect() as connection:
        return tuple(CallbackTask(*row) for row in connection.execute(query))
