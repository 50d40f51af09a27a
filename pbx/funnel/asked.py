"""A funnel as an address asks for it: the same words on the page and in the API.

::

    period=last-month&way=incoming&reading=cohort&by=source&manager=anna&manager=boris
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from pbx.errors import FunnelError, ReportError
from pbx.funnel.count import Reading
from pbx.funnel.report import SLICES, FunnelQuery
from pbx.funnel.stages import Funnel, Way
from pbx.plan.model import FunnelPlan
from pbx.reports.asked import AskedPeriod, Pairs, filters, gathered

USUAL_PERIOD = AskedPeriod("month")


@dataclass(frozen=True, slots=True)
class AskedFunnel:
    """``by``: one of SLICES, "" for one funnel of all."""

    period: AskedPeriod = USUAL_PERIOD
    way: Way = Way.SALES
    reading: Reading = Reading.EVENTS
    by: str = ""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, pairs: Pairs) -> AskedFunnel:
        """Out of an address.  What is not known is no part of it.  Raises FunnelError."""
        given = gathered(pairs)
        if "period" not in given and "since" not in given:
            given["period"] = [USUAL_PERIOD.name]
        by = given.get("by", [""])[-1]
        if by and by not in SLICES:
            raise FunnelError(f"no slice {by!r}: {', '.join(SLICES)}")
        try:
            way = Way(given.get("way", [Way.SALES])[-1])
            reading = Reading(given.get("reading", [Reading.EVENTS])[-1])
        except ValueError as error:
            raise FunnelError(
                f"{error}: way is {', '.join(Way)}, reading is {', '.join(Reading)}"
            ) from error
        try:
            return cls(AskedPeriod.read(given), way, reading, by, filters(given, SLICES))
        except ReportError as error:
            raise FunnelError(str(error)) from error

    def pairs(self) -> list[tuple[str, str]]:
        """As in an address; what is usual is left out."""
        found = self.period.pairs()
        if self.way is not Way.SALES:
            found.append(("way", self.way.value))
        if self.reading is not Reading.EVENTS:
            found.append(("reading", self.reading.value))
        if self.by:
            found.append(("by", self.by))
        return [*found, *((name, one) for name, labels in self.where.items() for one in labels)]

    def query(
        self,
        plan: FunnelPlan,
        now: datetime,
        zone: tzinfo,
        departments: Mapping[str, str],
        agents: Collection[str] | None = None,
    ) -> FunnelQuery:
        """What is asked of the log.  Raises FunnelError."""
        try:
            period = self.period.span(now, zone).period
        except ReportError as error:
            raise FunnelError(str(error)) from error
        return FunnelQuery(
            Funnel.of(plan, self.way),
            period,
            self.reading,
            self.by,
            self.where,
            departments,
            agents,
        )
