"""Every caller's way through the menus, one after another: for counting, however long the log.

Calls that we made (callbacks, click-to-call) have none and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, func, select

from pbx.journal.database import told_as_ours
from pbx.journal.tables import calls, steps

ASIDE = ("announcement", "estimate", "lookup")
"""Steps that tell what a waiting caller heard, or what a CRM said, not where the caller went."""
_ROWS = 2_000


@dataclass(frozen=True, slots=True)
class Walked:
    """One call: the steps it passed, in order, each with what was pressed (None: nothing).

    ``last_node``: where the caller was at the end, also when no step of it was noted any more.
    ``agent``: who talked with the caller, None for nobody.
    """

    call_id: str
    did: str
    outcome: str | None
    last_node: str | None
    queue: str | None
    agent: str | None
    steps: tuple[tuple[str, str | None], ...]


def count_walks(engine: Engine, since: datetime | None, until: datetime | None) -> int:
    """How many calls ``walks`` will give.  Raises JournalError."""
    with told_as_ours(engine), engine.connect() as connection:
        query = select(func.count()).select_from(calls).where(*_when(since, until))
        return int(connection.execute(query).scalar_one())


def walks(engine: Engine, since: datetime | None, until: datetime | None) -> Iterator[Walked]:
    """Calls that began in this time, read as they are asked for.  Raises JournalError."""
    on = (steps.c.call_id == calls.c.call_id) & steps.c.kind.not_in(ASIDE)
    query = (
        select(
            calls.c.call_id,
            calls.c.did,
            calls.c.outcome,
            calls.c.last_node,
            calls.c.queue,
            calls.c.agent,
            steps.c.node,
            steps.c.digits,
        )
        .select_from(calls.outerjoin(steps, on))
        .where(*_when(since, until))
        .order_by(calls.c.started_at, calls.c.call_id, steps.c.at, steps.c.step_id)
        .execution_options(yield_per=_ROWS)
    )
    with told_as_ours(engine), engine.connect() as connection:
        head: tuple[str, str, str | None, str | None, str | None, str | None] | None = None
        taken: list[tuple[str, str | None]] = []
        for call_id, did, outcome, last, queue, agent, node, digits in connection.execute(query):
            if head is None or head[0] != call_id:
                if head is not None:
                    yield Walked(*head, tuple(taken))
                head, taken = (call_id, did, outcome, last, queue, agent), []
            if node is not None:
                taken.append((node, digits))
        if head is not None:
            yield Walked(*head, tuple(taken))


def _when(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [calls.c.callback_of.is_(None)]
    if since is not None:
        found.append(calls.c.started_at >= since)
    if until is not None:
        found.append(calls.c.started_at < until)
    return found
