"""Stages that managers dial after a talk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, select

from pbx.funnel.book import note_in, written
from pbx.funnel.stages import StageEvent
from pbx.funnel.telling import MANAGER, of_talk
from pbx.journal import port as journal
from pbx.journal.port import Stamped
from pbx.journal.tables import LegKind, calls, legs, own_talks

_log = structlog.get_logger(__name__)

STILL = timedelta(hours=12)
"""A talk of before is not meant any more."""


@dataclass(frozen=True, slots=True)
class _Talk:
    """``call_id``: "" where the manager called; then ``talk_id`` names it."""

    talk_id: str
    call_id: str
    number: str
    source: str
    began_at: datetime


class DialledStages:
    """Follows the log (pbx.journal.follower): a stage dialled is an event of the funnel, once for
    each talk."""

    wants: tuple[type, ...] = (journal.StageDialled,)

    def follow(self, connection: Connection, entries: Sequence[Stamped]) -> None:
        """Write what these entries tell; without a talk, or a number, there is nothing to tell."""
        for stamped in entries:
            entry = stamped.entry
            assert isinstance(entry, journal.StageDialled)
            talk = _last_talk(connection, entry.agent_id, stamped.at)
            if talk is None or not talk.number:
                _log.warning("stage_of_no_talk", agent=entry.agent_id, stage=entry.stage)
                continue
            key = of_talk(talk.talk_id, entry.agent_id, entry.stage)
            if written(connection, [key]):
                continue
            event = StageEvent(
                key=key,
                stage=entry.stage,
                subject=talk.number,
                at=stamped.at,
                number=talk.number,
                agent=entry.agent_id,
                source=talk.source,
                call_id=talk.call_id,
                via=MANAGER,
            )
            note_in(connection, [event], stamped.at)


def _last_talk(connection: Connection, agent: str, at: datetime) -> _Talk | None:
    """With whom they talked last, in a call of ours or in one that they made."""
    led = connection.execute(
        select(calls.c.call_id, calls.c.number, calls.c.source, legs.c.joined_at)
        .join(calls, calls.c.call_id == legs.c.call_id)
        .where(
            legs.c.agent == agent,
            legs.c.kind == LegKind.DEVICE.value,
            legs.c.joined_at.between(at - STILL, at),
        )
        .order_by(legs.c.joined_at.desc())
        .limit(1)
    ).first()
    made = connection.execute(
        select(own_talks.c.talk_id, own_talks.c.number, own_talks.c.at)
        .where(own_talks.c.agent == agent, own_talks.c.at.between(at - STILL, at))
        .order_by(own_talks.c.at.desc())
        .limit(1)
    ).first()
    talks = []
    if led is not None:
        talks.append(_Talk(led.call_id, led.call_id, led.number, led.source, led.joined_at))
    if made is not None:
        talks.append(_Talk(made.talk_id, "", made.number, "", made.at))
    return max(talks, key=lambda one: one.began_at, default=None)
