"""What the distribution shall remember of the past, read from the log when the engine starts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Engine, exists, select

from pbx.journal.database import told_as_ours
from pbx.journal.port import REFUSED, CallbackOpened, OpenCallback, OpenPause, OpenWait
from pbx.journal.tables import LegKind, callback_tasks, calls, legs, offers, pauses, steps, waits
from routing.last_talks import MOST, LastTalks
from routing.memory import AgentRecord, Memory
from routing.values import AgentId, CallId, QueueId

MAX_OPEN = 10_000
"""Waits, and callbacks, taken over, at most."""
RECALLED = MOST // 2
"""Numbers of which the last talk is recalled, at most: as many again have room before the oldest
are forgotten."""
_AT_ONCE = 500
"""Rows in memory together."""


def recall(
    engine: Engine, *, queues: Iterable[QueueId], day_began: datetime, talks_since: datetime
) -> Memory:
    """Who was chosen last in each of ``queues``, who talked last with each number since
    ``talks_since``, and each agent's day since ``day_began`` (all aware).  Of more than
    RECALLED numbers those of the latest talks; what is read is never in memory as a whole.

    ``AgentRecord.last_ended_at`` reaches back to the earlier of the two times: who talked last
    yesterday has waited less long than who did not work at all.  Raises JournalError.
    """
    with told_as_ours(engine), engine.connect() as connection:
        last_chosen = {
            queue: agent
            for queue in queues
            if (agent := _last_chosen(connection, queue)) is not None
        }
        talks, records = _talks(connection, day_began, talks_since)
    return Memory(last_chosen, talks, records)


def open_waits(engine: Engine) -> dict[CallId, OpenWait]:
    """The waits of which the log knows no end; ask before they are closed.  Raises JournalError."""
    with told_as_ours(engine), engine.connect() as connection:
        rows = connection.execute(
            select(waits.c.call_id, waits.c.queue, waits.c.started_at)
            .join(calls, calls.c.call_id == waits.c.call_id)
            .where(waits.c.ended_at.is_(None), calls.c.ended_at.is_(None))
            .order_by(waits.c.started_at)
            .limit(MAX_OPEN)
        ).all()
        found: dict[CallId, OpenWait] = {}
        for call_id, queue, since in rows:
            taken = connection.execute(
                select(steps.c.node, steps.c.kind)
                .where(steps.c.call_id == call_id)
                .order_by(steps.c.at, steps.c.step_id)
            ).all()
            entries = [step.node for step in taken if step.kind == "toqueue"]
            if entries:
                passed = tuple(step.node for step in taken)
                found[CallId(call_id)] = OpenWait(QueueId(queue), since, entries[-1], passed)
    return found


def open_callbacks(engine: Engine) -> list[OpenCallback]:
    """The callbacks of which the log knows no end, the oldest first.  Raises JournalError."""
    task = callback_tasks.c
    talked = exists().where(
        legs.c.call_id == task.dialled_call, legs.c.kind == LegKind.BRIDGE.value
    )
    query = (
        select(callback_tasks, talked.label("talked"))
        .where(task.closed_at.is_(None))
        .order_by(task.since, task.callback_id)
        .limit(MAX_OPEN)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return [
            OpenCallback(
                opened=CallbackOpened(
                    callback_id=row.callback_id,
                    call_id=CallId(row.call_id),
                    number=row.number,
                    queue_id=QueueId(row.queue),
                    did=row.did,
                    name=row.name,
                    language=row.language,
                    needs=tuple((skill, level) for skill, level in row.needs),
                    priority=row.priority,
                    since=row.since,
                    missed=row.missed,
                ),
                opened_at=row.opened_at,
                attempts=row.attempts,
                next_at=row.next_at,
                dialled_call=row.dialled_call or "",
                talked=row.talked,
            )
            for row in connection.execute(query)
        ]


def open_pauses(engine: Engine) -> list[OpenPause]:
    """The pauses of which the log knows no end, the oldest first.  Raises JournalError."""
    query = select(pauses).where(pauses.c.ended_at.is_(None))
    with told_as_ours(engine), engine.connect() as connection:
        return [
            OpenPause(row.pause_id, AgentId(row.agent), row.reason, row.began_by, row.began_at)
            for row in connection.execute(query.order_by(pauses.c.began_at, pauses.c.pause_id))
        ]


def recall_outside(
    engine: Engine, *, devices: Collection[str], since: datetime
) -> list[tuple[datetime, AgentId | None]]:
    """When outside numbers were called since ``since`` (aware) and for which agent, in order of
    time.  ``devices``: dial strings that lead outside.  Raises JournalError."""
    query = (
        select(legs.c.started_at, legs.c.agent, legs.c.kind, legs.c.address, legs.c.cause)
        .where(
            legs.c.started_at >= since,
            legs.c.kind.in_((LegKind.DEVICE.value, LegKind.OUTSIDE.value)),
        )
        .order_by(legs.c.started_at)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return [
            (started_at, agent)
            for started_at, agent, kind, address, cause in connection.execute(query)
            if (kind == LegKind.OUTSIDE.value or address in devices)
            and not (cause or "").startswith(REFUSED)
        ]


def _last_chosen(connection: Connection, queue: QueueId) -> AgentId | None:
    newest = (
        select(offers.c.chosen)
        .where(offers.c.queue == queue)
        .order_by(offers.c.at.desc(), offers.c.row_id.desc())
        .limit(1)
    )
    chosen = connection.execute(newest).scalar()
    return AgentId(chosen[-1]) if chosen else None


def _talks(
    connection: Connection, day_began: datetime, talks_since: datetime
) -> tuple[LastTalks, dict[AgentId, AgentRecord]]:
    """The newest first: the first talk of a number is its last."""
    query = (
        select(calls.c.number, legs.c.agent, legs.c.ended_at, legs.c.talk_s)
        .join(calls, calls.c.call_id == legs.c.call_id)
        .where(
            legs.c.kind == LegKind.DEVICE.value,
            legs.c.ended_at >= min(day_began, talks_since),
            legs.c.joined_at.is_not(None),
            legs.c.agent.is_not(None),
        )
        .order_by(legs.c.ended_at.desc(), legs.c.leg_id.desc())
    )
    talks = LastTalks()
    known = 0
    records: dict[AgentId, AgentRecord] = {}
    for number, agent, ended_at, talk_s in connection.execution_options(yield_per=_AT_ONCE).execute(
        query
    ):
        today, at = ended_at >= day_began, ended_at.timestamp()
        if known == RECALLED and not today:
            break
        agent_id = AgentId(agent)
        if number and ended_at >= talks_since and known < RECALLED and number not in talks:
            talks.note(number, agent_id, at)
            known += 1
        if (record := records.get(agent_id)) is None:
            record = records[agent_id] = AgentRecord(last_ended_at=at)
        if today:
            talk_s = record.talk_s + (talk_s or 0.0)
            records[agent_id] = replace(record, calls=record.calls + 1, talk_s=talk_s)
    return talks, records
