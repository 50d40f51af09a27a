"""A funnel for a period and slices, out of the log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from sqlalchemy import Engine

from pbx.errors import FunnelError
from pbx.funnel.count import Counted, Cut, Reading, cohort, entered, in_period
from pbx.funnel.passed import Codes, Mask, Passages, passages
from pbx.funnel.stages import Funnel
from pbx.journal.database import told_as_ours
from pbx.reports.columns import ColumnStore
from pbx.reports.facts import milliseconds
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


@dataclass(frozen=True, slots=True)
class FunnelReport:
    """``groups``: by label, when that was asked for; ``total``: all together."""

    query: FunnelQuery
    total: Counted
    groups: Mapping[str, Counted]


def funnel_report(
    log: Engine, store: ColumnStore, query: FunnelQuery, now: datetime
) -> FunnelReport:
    """Count it.  Raises FunnelError for a slice that there is not, JournalError."""
    for name in (*((query.by,) if query.by else ()), *query.where):
        if name not in SLICES:
            raise FunnelError(f"no slice {name!r}: {', '.join(SLICES)}")
    found = _passages(log, store, query, now)
    cut, labels = _cut(query, found)
    period = query.period
    if query.reading is Reading.EVENTS:
        told = in_period(query.funnel, found, period.since, period.until, cut)
    else:
        since, until, end = map(milliseconds, (period.since, period.until, now))
        told = cohort(query.funnel, entered(found, since, until, end), now, cut)
    groups = {labels[one]: told.groups[one] for one in told.there.tolist()} if query.by else {}
    return FunnelReport(query, told.total, groups)


def _passages(log: Engine, store: ColumnStore, query: FunnelQuery, now: datetime) -> Passages:
    period = query.period
    with told_as_ours(log), log.connect() as connection:
        if query.reading is Reading.EVENTS:
            # Somewhat more than the period, for the times between stages.
            since = period.since - query.funnel.undecided_for
            return passages(connection, store, query.funnel, since, period.until)
        # Who came to a stage before they entered with a call does not count; who entered with a
        # stage may have done so ever.
        told_since = period.since if query.funnel.of_calls else None
        until = max(now, period.since)
        return passages(connection, store, query.funnel, period.since, until, told_since)


def _cut(query: FunnelQuery, found: Passages) -> tuple[Cut, list[str]]:
    """Who counts, in which group, and the groups' labels in their order."""
    managers = [agent or NOTHING for agent in found.agents]
    departments = [query.departments.get(agent) or NOTHING for agent in found.agents]
    sources = [source or NOTHING for source in found.sources]
    agents = [query.agents is None or agent in query.agents for agent in found.agents]

    def fits(name: str, labels: Sequence[str]) -> list[bool]:
        wanted = query.where.get(name)
        return [wanted is None or label in wanted for label in labels]

    counts: Mask = np.array(agents, np.bool_)
    counts &= np.array(fits("manager", managers), np.bool_)
    counts &= np.array(fits("department", departments), np.bool_)
    by_agent = {"manager": managers, "department": departments}.get(query.by)
    labels, of_agent = _numbered(by_agent, len(managers))
    if query.by == "source":
        labels, of_source = _numbered(sources, len(sources))
    else:
        _, of_source = _numbered(None, len(sources))
    return (
        Cut(
            counts,
            np.array(fits("source", sources), np.bool_),
            of_agent,
            of_source,
            max(1, len(labels)),
        ),
        labels,
    )


def _numbered(labels: Sequence[str] | None, length: int) -> tuple[list[str], Codes]:
    """The labels there are, sorted, and of each text the place of its label; None: one for all."""
    if labels is None:
        return [], np.zeros(length, np.int32)
    every = sorted(set(labels))
    place = {label: code for code, label in enumerate(every)}
    return every, np.array([place[label] for label in labels], np.int32)
