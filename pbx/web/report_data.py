"""What the page of reports asks of the log: table, course of time, bars, the week's hours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import Engine

from pbx.reports.asked import Asked
from pbx.reports.columns import ColumnStore
from pbx.reports.measures import MEASURES, Of
from pbx.reports.period import Period
from pbx.reports.report import Only, Query, Report, reports
from pbx.web.access import Principal

MAKING = "reports.note.making"
"""Said where an answer took too long while the files that make it quick are not all there yet."""
_HOURS_UP_TO = timedelta(days=2, hours=2)
_DAYS_UP_TO = timedelta(days=93)
_WEEKS_UP_TO = timedelta(days=732)
_HALF_HOUR = timedelta(minutes=30)
"""No zone's hours begin elsewhere than at a quarter; half an hour finds each of them."""
_DAY = timedelta(days=1)

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of the course of time: ``key`` in the report, and the days or hours it is."""

    key: Key
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Answer:
    """``by_first``: by the first slice alone, None where nothing is cut.  ``steps_before``: of the
    period before, in the same order as ``steps``."""

    table: Report
    course: Report
    steps: tuple[Step, ...]
    steps_before: tuple[Step, ...]
    by_first: Report | None
    week: Report


def limits(principal: Principal) -> Only | None:
    """What reports may count for somebody; None: everything."""
    if principal.sees_everything():
        return None
    staff = principal.staff
    return Only(
        frozenset(one for one in staff.departments if principal.sees_agent(one)),
        frozenset(one for one in staff.queues if principal.sees_queue(one)),
    )


def ask(log: Engine, store: ColumnStore, asked: Asked, query: Query, now: datetime) -> Answer:
    """All of it.  Raises ReportError, JournalError."""
    drawn = asked.plot or asked.measures[0]
    parts = any(MEASURES[name].of is Of.PARTS for name in asked.measures)
    # How much there was is always told: a share of three calls is no share.
    measures = dict.fromkeys((*asked.measures, "offered", *(("rung",) if parts else ())))
    some = replace(query, measures=(drawn,))
    by = step_of(query.period)
    asked_for = [
        replace(query, measures=tuple(measures)),
        replace(some, by=by),
        replace(some, by=("weekday", "hour"), compare=False),
    ]
    if len(query.by) > 1:
        asked_for.append(replace(some, by=query.by[:1]))
    table, course, week, *more = reports(log, store, asked_for, now)
    end = min(query.period.until, max(now, query.period.since))
    before = table.before
    first = table if len(query.by) == 1 else None
    return Answer(
        table,
        course,
        steps(query.period.since, end, query.zone, by),
        steps(before.since, before.until, query.zone, by) if before is not None else (),
        more[0] if more else first,
        week,
    )


def step_of(period: Period) -> tuple[str, ...]:
    """How fine the course of time is: slices."""
    length = period.until - period.since
    if length <= _HOURS_UP_TO:
        return ("day", "hour")
    if length <= _DAYS_UP_TO:
        return ("day",)
    return ("week",) if length <= _WEEKS_UP_TO else ("month",)


def steps(since: datetime, until: datetime, zone: tzinfo, by: tuple[str, ...]) -> tuple[Step, ...]:
    """The pieces of a period in their order, also those in which nothing happened."""
    if until <= since:
        return ()
    found: dict[Key, Step] = {}
    if by == ("day", "hour"):
        at = since
        while at < until:
            hour = at.astimezone(zone).replace(minute=0, second=0, microsecond=0, tzinfo=None)
            key = (hour.date().isoformat(), f"{hour:%H}")
            after = hour + timedelta(hours=1)
            found.setdefault(key, Step(key, _minute(hour), _minute(after)))
            at += _HALF_HOUR
        return tuple(found.values())
    last = (until - timedelta(seconds=1)).astimezone(zone).date()
    day = since.astimezone(zone).date()
    while day <= last:
        step = _piece(day, by[0])
        found.setdefault(step.key, step)
        day += _DAY
    return tuple(found.values())


def _piece(day: date, by: str) -> Step:
    match by:
        case "day":
            return Step((day.isoformat(),), day.isoformat(), day.isoformat())
        case "week":
            year, week, weekday = day.isocalendar()
            first = day - timedelta(days=weekday - 1)
            end = first + timedelta(days=6)
            return Step((f"{year}-W{week:02}",), first.isoformat(), end.isoformat())
    first = day.replace(day=1)
    end = (first + timedelta(days=32)).replace(day=1) - _DAY
    return Step((f"{day:%Y-%m}",), first.isoformat(), end.isoformat())


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}"
