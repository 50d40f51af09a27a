"""A funnel for a period and slices, out of the log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine

from pbx.errors import FunnelError
from pbx.funnel.book import call_events, stage_events_of
from pbx.funnel.count import Counted, Reading, cohort, in_period
from pbx.funnel.stages import CallStage, Funnel, StageEvent
from pbx.journal.database import told_as_ours
from pbx.reports.period import Period
from pbx.reports.slices import NOTHING

SLICES = ("manager", "source", "department")
"""What a funnel can be cut by; in a cohort it is the entry's that counts."""


@dataclass(frozen=True, slots=True)
class FunnelQuery:
    """``by``: one of SLICES, "" for the whole company.  ``where``: slices and the labels of which
    one must fit.  ``departments``: by manager.  ``agents``: only what these managers did; None:
    what anybody did, and what happened by itself."""

    funnel: Funnel
    period: Period
    reading: Reading = Reading.EVENTS
    by: str = ""
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    departments: Mapping[str, str] = field(default_factory=dict)
    agents: Collection[str] | None = None

    def label(self, event: StageEvent, name: str) -> str:
        """The event's in a slice."""
        match name:
            case "manager":
                return event.agent or NOTHING
            case "source":
                return event.source or NOTHING
        return self.departments.get(event.agent) or NOTHING

    def fits(self, event: StageEvent) -> bool:
        """It is in the slices."""
        if self.agents is not None and event.agent not in self.agents:
            return False
        return all(self.label(event, name) in labels for name, labels in self.where.items())


@dataclass(frozen=True, slots=True)
class FunnelReport:
    """``groups``: by label, when that was asked for; ``total``: all together."""

    query: FunnelQuery
    total: Counted
    groups: Mapping[str, Counted]


def funnel_report(log: Engine, query: FunnelQuery, now: datetime) -> FunnelReport:
    """Count it.  Raises FunnelError for a slice that there is not, JournalError."""
    for name in (*((query.by,) if query.by else ()), *query.where):
        if name not in SLICES:
            raise FunnelError(f"no slice {name!r}: {', '.join(SLICES)}")
    with told_as_ours(log), log.connect() as connection:
        if query.reading is Reading.EVENTS:
            # Somewhat more than the period, for the times between stages.
            since = query.period.since - query.funnel.undecided_for
            events, _ = events_of(connection, query.funnel, since)
        else:
            events = newcomers(connection, query.funnel, query.period.since)
    groups: dict[str, list[StageEvent]] = {}
    if query.by:
        for event in _starting(query, events):
            groups.setdefault(query.label(event, query.by), []).append(event)
    return FunnelReport(
        query,
        _counted(query, events, None, now),
        {label: _counted(query, events, label, now) for label in sorted(groups)},
    )


def events_of(
    connection: Connection, funnel: Funnel, since: datetime
) -> tuple[list[StageEvent], set[str]]:
    """Events of a funnel's stages, those that calls pass by themselves since then only; and the
    subjects that had called before."""
    events = stage_events_of(connection, funnel.stages)
    if CallStage.CALLED not in funnel.stages:
        return events, set()
    passed, old = call_events(connection, funnel.talk, since)
    return events + passed, old


def newcomers(connection: Connection, funnel: Funnel, since: datetime) -> list[StageEvent]:
    """The events of those who did not enter with a call before then."""
    events, old = events_of(connection, funnel, since)
    return [one for one in events if one.subject not in old] if old else events


def _starting(query: FunnelQuery, events: Iterable[StageEvent]) -> list[StageEvent]:
    """The events whose labels make groups."""
    since, until = query.period.since, query.period.until
    return [
        one
        for one in events
        if since <= one.at < until
        and query.fits(one)
        and (query.reading is Reading.EVENTS or one.stage == query.funnel.stages[0])
    ]


def _counted(
    query: FunnelQuery, events: Sequence[StageEvent], label: str | None, now: datetime
) -> Counted:
    period = query.period

    def wanted(event: StageEvent) -> bool:
        return query.fits(event) and (label is None or query.label(event, query.by) == label)

    if query.reading is Reading.EVENTS:
        some = filter(wanted, events)
        return in_period(query.funnel, some, period.since, period.until)
    return cohort(query.funnel, events, period.since, period.until, now, wanted)
