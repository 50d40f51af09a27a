"""What managers have done since a moment; reports have the company's figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, case, func, select

from pbx.journal.database import told_as_ours
from pbx.journal.tables import LegKind, legs
from routing.values import Disposition


@dataclass(frozen=True, slots=True)
class AgentDay:
    """Of the legs that began since then: ``talks``, how long they took so far as they are over, and
    calls that rang to the end of their time (``no_answer``) or were declined (``rejected``)."""

    talks: int = 0
    talk_s: float = 0.0
    no_answer: int = 0
    rejected: int = 0


def agent_days(engine: Engine, agents: Sequence[str], since: datetime) -> dict[str, AgentDay]:
    """By manager; who did nothing is not there.  Raises JournalError."""
    ended = legs.c.disposition

    def number(disposition: Disposition) -> ColumnElement[int]:
        return func.sum(case((ended == disposition.value, 1), else_=0))

    query = (
        select(
            legs.c.agent,
            func.count(legs.c.joined_at),
            func.coalesce(func.sum(legs.c.talk_s), 0.0),
            number(Disposition.NO_ANSWER),
            number(Disposition.REJECTED),
        )
        .where(
            legs.c.kind == LegKind.DEVICE.value,
            legs.c.agent.in_(agents),
            legs.c.started_at >= since,
        )
        .group_by(legs.c.agent)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return {
            agent: AgentDay(talks, float(talk_s), no_answer, rejected)
            for agent, talks, talk_s, no_answer, rejected in connection.execute(query)
        }
