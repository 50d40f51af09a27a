"""The day's figures, as a report of the day would tell them (docs/metrics.md): from its facts.

House rules: asked of the log, never counted along, so they are right after a crash, a rebuild and a
correction, too.  They are asked for only when the day's facts have a new version.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Engine, and_, case, func, not_, or_, select

from pbx.days import day_began
from pbx.journal.database import told_as_ours
from pbx.journal.tables import call_facts, fact_days, missed
from pbx.live.figures import Calls, Missed, day
from pbx.live.rows import Row, stamp
from pbx.reports.book import DAY_MS, Kind
from pbx.reports.facts import milliseconds
from routing.values import Outcome

WITHIN_MS = 20_000
"""The field's 80/20, as in reports, milliseconds."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What figures were made of: while it is the same, so are they."""

    midnight: datetime
    versions: tuple[tuple[int, int], ...]


class TodayReader:
    """Blocking: for a thread.  ``zone``: whose midnight it is."""

    def __init__(self, log: Engine) -> None:
        self._log = log
        self._mark: Mark | None = None
        self._calls: dict[str, Calls] = {}

    def read(self, zone: ZoneInfo, now: datetime) -> Row:
        """The figures as the log has them now.  Raises JournalError."""
        with told_as_ours(self._log), self._log.connect() as connection:
            mark = _mark(connection, day_began(now, zone), now)
            if mark != self._mark:
                self._calls = calls_since(connection, mark.midnight)
                self._mark = mark
            return day(self._calls, _open_missed(connection))


def _mark(connection: Connection, since: datetime, now: datetime) -> Mark:
    first, last = (milliseconds(at) // DAY_MS for at in (since, now + timedelta(days=1)))
    query = (
        select(fact_days.c.day, fact_days.c.version)
        .where(
            fact_days.c.kind == Kind.CALLS.value,
            fact_days.c.day >= first,
            fact_days.c.day <= last,
        )
        .order_by(fact_days.c.day)
    )
    return Mark(since, tuple((day, version) for day, version in connection.execute(query)))


def calls_since(connection: Connection, since: datetime) -> dict[str, Calls]:
    """Of calls that began then or later, by their queue ("": they reached none)."""
    fact = call_facts.c
    answered = fact.outcome == Outcome.ANSWERED.value
    waited = fact.outcome == Outcome.ABANDONED_WAITING.value
    short = and_(waited, fact.short)
    lost = or_(fact.outcome == Outcome.ABANDONED_IN_MENU.value, and_(waited, not_(fact.short)))
    query = (
        select(
            fact.queue,
            func.count().label("offered"),
            _number(answered).label("answered"),
            _number(lost).label("lost"),
            _number(short).label("short"),
            _number(and_(answered, fact.wait_ms <= WITHIN_MS)).label("within"),
            _number(and_(fact.reached, not_(short))).label("to_managers"),
            func.max(case((fact.reached, fact.wait_ms))).label("longest_ms"),
        )
        .where(fact.began_ms >= milliseconds(since))
        .group_by(fact.queue)
        .order_by(fact.queue)
    )
    return {
        row.queue: Calls(
            offered=row.offered,
            answered=row.answered,
            lost=row.lost,
            short=row.short,
            within=row.within,
            to_managers=row.to_managers,
            longest_wait_s=None if row.longest_ms is None else row.longest_ms / 1000,
        )
        for row in connection.execute(query)
    }


def _open_missed(connection: Connection) -> list[Missed]:
    query = (
        select(missed.c.queue, missed.c.agent, func.count(), func.min(missed.c.opened_at))
        .where(missed.c.closed_at.is_(None))
        .group_by(missed.c.queue, missed.c.agent)
        .order_by(missed.c.queue, missed.c.agent)
    )
    return [
        Missed(queue or "", agent, number, stamp(oldest) or "")
        for queue, agent, number, oldest in connection.execute(query)
    ]


def _number(which: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.coalesce(func.sum(case((which, 1), else_=0)), 0)
