"""What the log says about callers: when they call, how long they talk, how patient they are.

How long those would have waited who were answered is not known: their waits are taken as censored,
and patience is estimated by the product-limit formula (E. Kaplan, P. Meier, JASA 53, 1958).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import groupby

from sqlalchemy import ColumnElement, Engine, Table, select

from pbx.errors import JournalError
from pbx.journal.tables import calls, waits
from pbx.simulate.draws import Empirical
from pbx.simulate.parameters import History
from pbx.simulate.staff import Forecast, by_half_hour
from routing.values import Seconds

NEWEST = 200_000
"""Rows looked at: the newest of the log."""
FEWEST = 10
"""Talks, or callers who gave up, from which a distribution is taken."""


def history(log: Engine) -> History:
    """Talks and patience as the log has them.  Raises JournalError when there are too few."""
    talks, waited = _talks(log, _Part()), _waits(log, _Part())
    if len(talks) < FEWEST or sum(gave_up for _, gave_up in waited) < FEWEST:
        raise JournalError(f"the log has fewer than {FEWEST} talks, or callers who gave up")
    return History(talk=Empirical.of(talks), patience=kaplan_meier(waited))


@dataclass(frozen=True, slots=True)
class _Part:
    """Of the log what began in this time, and came to this queue; None: all."""

    since: datetime | None = None
    until: datetime | None = None
    queue: str | None = None

    def of(self, table: Table) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.since is not None:
            found.append(table.c.started_at >= self.since)
        if self.until is not None:
            found.append(table.c.started_at < self.until)
        if self.queue is not None:
            found.append(table.c.queue == self.queue)
        return found


def forecast(
    log: Engine,
    *,
    since: datetime | None,
    until: datetime | None = None,
    queue: str | None = None,
    zone: tzinfo | None,
    wrap_up_s: Seconds,
) -> Forecast:
    """The mean day of the log: only days on which somebody called count."""
    part = _Part(since, until, queue)
    query = (
        select(waits.c.started_at)
        .where(*part.of(waits))
        .order_by(waits.c.started_at.desc())
        .limit(NEWEST)
    )
    with log.connect() as connection:
        starts = [one.astimezone(zone) for (one,) in connection.execute(query)]
        if not starts and queue is not None:
            known = connection.execute(select(waits.c.queue).distinct().order_by(waits.c.queue))
            names = ", ".join(name for (name,) in known) or "none"
            raise JournalError(
                f"the log has no calls of that time in queue {queue!r}; queues it has: {names}"
            )
    talks = _talks(log, part)
    if not starts or not talks:
        raise JournalError("the log has no calls of that time to go by")
    days = len({one.date() for one in starts})
    waited = _waits(log, part)
    gave_up = sum(left for _, left in waited)
    # Of exponential times that are censored the best estimate is all waiting by who gave up.
    patience_s = sum(time_s for time_s, _ in waited) / gave_up if gave_up else None
    return Forecast(
        by_half_hour((one.hour * 3600.0 + one.minute * 60 for one in starts), days),
        sum(talks) / len(talks) + wrap_up_s,
        patience_s or None,
    )


def kaplan_meier(waited: Iterable[tuple[Seconds, bool]]) -> Empirical:
    """Patience from waits (how long, whether the caller gave up then).

    Who would have waited longer than anybody who gave up is taken to wait on: all, where nobody
    did.
    """
    ordered = sorted(waited)
    left, stays = len(ordered), 1.0
    values: list[Seconds] = []
    shares: list[float] = []
    for time_s, group in groupby(ordered, key=lambda one: one[0]):
        ends = [gave_up for _, gave_up in group]
        if any(ends):
            stays *= 1.0 - sum(ends) / left
            values.append(time_s)
            shares.append(1.0 - stays)
        left -= len(ends)
    return Empirical(values, shares, math.inf)


def _talks(log: Engine, part: _Part) -> Sequence[Seconds]:
    query = (
        select(calls.c.talk_s)
        .where(calls.c.talk_s > 0, *part.of(calls))
        .order_by(calls.c.started_at.desc())
        .limit(NEWEST)
    )
    with log.connect() as connection:
        return [float(one) for (one,) in connection.execute(query)]


def _waits(log: Engine, part: _Part) -> list[tuple[Seconds, bool]]:
    query = (
        select(waits.c.waited_s, waits.c.reason)
        .where(waits.c.waited_s.is_not(None), *part.of(waits))
        .order_by(waits.c.started_at.desc())
        .limit(NEWEST)
    )
    with log.connect() as connection:
        return [(float(time_s), why == "left") for time_s, why in connection.execute(query)]
