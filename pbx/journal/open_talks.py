"""The talks that were going on when the engine before us ended, as far as the log knows them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Engine, and_, func, select

from pbx.journal.database import told_as_ours
from pbx.journal.port import OpenLeg, OpenTalk
from pbx.journal.tables import LegKind, calls, legs, offers, steps, waits
from routing.values import AgentId, CallId, DeviceId, LegId, QueueId

MOST = 10_000
"""Legs taken over, at most."""
_LEADS = ("toqueue", "dialagent", "callout")
"""Kinds of steps that give a caller to people."""


def open_talks(engine: Engine) -> dict[CallId, OpenTalk]:
    """Calls with a leg of which the log knows no end; ask before they are closed.

    Raises JournalError.
    """
    with told_as_ours(engine), engine.connect() as connection:
        open_legs = _open_legs(connection)
        return {
            call_id: _talk(connection, call_id, inside) for call_id, inside in open_legs.items()
        }


def _open_legs(connection: Connection) -> dict[CallId, dict[LegId, OpenLeg]]:
    kinds = (LegKind.DEVICE.value, LegKind.OUTSIDE.value)
    query = (
        select(legs)
        .join(calls, calls.c.call_id == legs.c.call_id)
        .where(legs.c.ended_at.is_(None), legs.c.kind.in_(kinds), calls.c.ended_at.is_(None))
        .order_by(legs.c.started_at.desc())
        .limit(MOST)
    )
    rows = connection.execute(query).all()
    queues = _queues_of(connection, {row.offer_id for row in rows if row.offer_id})
    found: dict[CallId, dict[LegId, OpenLeg]] = {}
    for row in rows:
        found.setdefault(CallId(row.call_id), {})[LegId(row.leg_id)] = OpenLeg(
            agent_id=AgentId(row.agent) if row.agent else None,
            device_id=DeviceId(row.device or ""),
            queue_id=queues.get(row.offer_id),
            outside=row.kind == LegKind.OUTSIDE.value,
            started_at=row.started_at,
            joined_at=row.joined_at,
        )
    return found


def _queues_of(connection: Connection, offer_ids: Collection[str]) -> dict[str, QueueId]:
    """Of those offers that a queue made."""
    ids = sorted(offer_ids)
    found: dict[str, QueueId] = {}
    for begin in range(0, len(ids), 500):
        query = select(offers.c.offer_id, offers.c.queue).where(
            and_(offers.c.offer_id.in_(ids[begin : begin + 500]), offers.c.queue.is_not(None))
        )
        found |= {row.offer_id: QueueId(row.queue) for row in connection.execute(query)}
    return found


def _talk(connection: Connection, call_id: CallId, inside: dict[LegId, OpenLeg]) -> OpenTalk:
    call = connection.execute(select(calls).where(calls.c.call_id == call_id)).one()
    taken = connection.execute(
        select(steps.c.node, steps.c.kind)
        .where(steps.c.call_id == call_id)
        .order_by(steps.c.at, steps.c.step_id)
    ).all()
    led = [step.node for step in taken if step.kind in _LEADS]
    waited_s = connection.execute(
        select(func.coalesce(func.sum(waits.c.waited_s), 0.0)).where(waits.c.call_id == call_id)
    ).scalar_one()
    talked_s = connection.execute(
        select(func.coalesce(func.sum(legs.c.talk_s), 0.0)).where(
            legs.c.call_id == call_id, legs.c.kind == LegKind.BRIDGE.value
        )
    ).scalar_one()
    return OpenTalk(
        did=call.did,
        number=call.number,
        name=call.name,
        language=call.language,
        callback_of=call.callback_of or "",
        started_at=call.started_at,
        queue_id=QueueId(call.queue) if call.queue else None,
        node_id=led[-1] if led else "",
        passed=tuple(step.node for step in taken),
        wait_s=waited_s,
        talk_s=talked_s,
        legs=inside,
    )
