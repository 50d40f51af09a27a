"""A report as an address asks for it: the same words on the page, in the API and in mails.

::

    period=last-week&by=queue,hour&manager=anna&manager=boris&measures=offered,asa_s&compare=1
    since=2026-11-01&until=2026-11-15T18:00        in place of period; a day as the end: its end

House rules: what is read and written again is the same, so an address is a report's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from pbx.errors import ReportError
from pbx.reports.measures import MEASURES, USUAL, Of
from pbx.reports.period import Period
from pbx.reports.report import Only, Query
from pbx.reports.slices import SLICES, understood

WITHIN_S = 20.0
MOST_SLICES = 3
"""To cut by at once: more is no table that anybody reads."""
MOST_LABELS = 200
"""In all filters together: an address has an end."""
_LONGEST = 300
"""Of a label, characters."""
_YEARS = range(2000, 2068)
"""What files of columns can tell apart (columns.py)."""
_MOST_WITHIN_S = 3600.0

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Span:
    """``before``: what it is compared with.  One that goes on ends now, and the one before it at
    the same time of its last day: half a day is not held against a whole one."""

    period: Period
    before: Period


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _days(first: date, end: date, zone: tzinfo) -> Span:
    """Whole days, ``end`` not among them."""
    period = Period(_midnight(first, zone), _midnight(end, zone))
    return Span(period, period.before(zone))


def _until_now(first: date, earlier: date, now: datetime, zone: tzinfo) -> Span:
    """From a day to now; ``earlier``: the first day of the same before."""
    local = now.astimezone(zone)
    end = datetime.combine(earlier + (local.date() - first), local.time(), zone).astimezone(UTC)
    since = _midnight(first, zone)
    # The shorter of two months ends where the longer begins.
    before = Period.of(_midnight(earlier, zone), min(end, since))
    return Span(Period.of(since, max(now, since)), before)


def _month_before(first: date) -> date:
    return (first - timedelta(days=1)).replace(day=1)


def _today(now: datetime, zone: tzinfo) -> Span:
    day = now.astimezone(zone).date()
    return _until_now(day, day - timedelta(days=1), now, zone)


def _yesterday(now: datetime, zone: tzinfo) -> Span:
    day = now.astimezone(zone).date()
    return _days(day - timedelta(days=1), day, zone)


def _monday(now: datetime, zone: tzinfo) -> date:
    day = now.astimezone(zone).date()
    return day - timedelta(days=day.weekday())


def _week(now: datetime, zone: tzinfo) -> Span:
    first = _monday(now, zone)
    return _until_now(first, first - timedelta(days=7), now, zone)


def _last_week(now: datetime, zone: tzinfo) -> Span:
    end = _monday(now, zone)
    return _days(end - timedelta(days=7), end, zone)


def _month(now: datetime, zone: tzinfo) -> Span:
    first = now.astimezone(zone).date().replace(day=1)
    return _until_now(first, _month_before(first), now, zone)


def _last_month(now: datetime, zone: tzinfo) -> Span:
    end = now.astimezone(zone).date().replace(day=1)
    first = _month_before(end)
    period = Period(_midnight(first, zone), _midnight(end, zone))
    return Span(period, Period(_midnight(_month_before(first), zone), period.since))


PERIODS: Mapping[str, Callable[[datetime, tzinfo], Span]] = {
    "today": _today,
    "yesterday": _yesterday,
    "week": _week,
    "last-week": _last_week,
    "month": _month,
    "last-month": _last_month,
}
"""Those with a name; all by the company's clock."""
USUAL_PERIOD = "week"


@dataclass(frozen=True, slots=True)
class AskedPeriod:
    """``name``: of PERIODS, or "" where ``since`` and ``until`` say it, as they were written."""

    name: str = USUAL_PERIOD
    since: str = ""
    until: str = ""

    @classmethod
    def read(cls, given: Mapping[str, Sequence[str]]) -> AskedPeriod:
        """Raises ReportError."""
        name, since, until = (_one(given, key) for key in ("period", "since", "until"))
        if since:
            moment(since, UTC, end=False)
            if until:
                moment(until, UTC, end=True)
            return cls("", since, until)
        if name and name not in PERIODS:
            raise ReportError(f"no period {name!r}: {', '.join(PERIODS)}, or since and until")
        return cls(name or USUAL_PERIOD)

    def pairs(self) -> list[tuple[str, str]]:
        """As in an address."""
        if self.name:
            return [("period", self.name)]
        found = [("since", self.since)]
        return [*found, ("until", self.until)] if self.until else found

    def span(self, now: datetime, zone: tzinfo) -> Span:
        """By the clock of ``zone``.  Raises ReportError when it ends before it begins."""
        if self.name:
            return PERIODS[self.name](now, zone)
        since = moment(self.since, zone, end=False)
        until = moment(self.until, zone, end=True) if self.until else max(now, since)
        try:
            period = Period.of(since, until)
        except ValueError as error:
            raise ReportError(str(error)) from error
        return Span(period, period.before(zone))


@dataclass(frozen=True, slots=True)
class Asked:
    """``sort``: a slice's or a measure's name, with ``-`` before it the largest first; "" as is
    usual.  ``plot``: the measure that is drawn, "" for the first."""

    period: AskedPeriod = AskedPeriod()
    by: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    measures: tuple[str, ...] = USUAL
    compare: bool = False
    within_s: float = WITHIN_S
    sort: str = ""
    plot: str = ""

    @classmethod
    def read(cls, pairs: Pairs) -> Asked:
        """Out of an address.  What is not known is no part of it.  Raises ReportError."""
        given = gathered(pairs)
        by = _named(given, "by", SLICES, "slice")
        if len(by) > MOST_SLICES:
            raise ReportError(f"more than {MOST_SLICES} slices at once")
        measures = _named(given, "measures", MEASURES, "measure") or USUAL
        sort = _one(given, "sort")
        if sort.removeprefix("-") not in (*by, *measures):
            sort = ""
        plot = _one(given, "plot")
        return cls(
            AskedPeriod.read(given),
            by,
            filters(given, SLICES),
            measures,
            _one(given, "compare") not in ("", "0"),
            _within(_one(given, "within")),
            sort,
            plot if plot in measures[1:] else "",
        )

    def pairs(self) -> list[tuple[str, str]]:
        """As in an address; what is usual is left out."""
        found = self.period.pairs()
        if self.by:
            found.append(("by", ",".join(self.by)))
        found += [(name, label) for name, labels in self.where.items() for label in labels]
        if self.measures != USUAL:
            found.append(("measures", ",".join(self.measures)))
        if self.compare:
            found.append(("compare", "1"))
        if self.within_s != WITHIN_S:
            found.append(("within", f"{self.within_s:g}"))
        found += [
            (key, value) for key, value in (("sort", self.sort), ("plot", self.plot)) if value
        ]
        return found

    def query(
        self,
        now: datetime,
        zone: tzinfo,
        departments: Mapping[str, str],
        only: Only | None = None,
    ) -> Query:
        """What is asked of the log.  Raises ReportError."""
        span = self.period.span(now, zone)
        return Query(
            span.period,
            zone,
            by=self.by,
            where=self.where,
            measures=self.measures,
            compare=self.compare,
            within_s=self.within_s,
            departments=departments,
            against=span.before,
            only=only,
        )

    def untold(self) -> tuple[str, ...]:
        """The measures that can't be told by these slices: managers' time knows no queues."""
        if all(SLICES[name].of_states for name in (*self.by, *self.where)):
            return ()
        return tuple(name for name in self.measures if MEASURES[name].of is Of.STATES)


def gathered(pairs: Pairs) -> dict[str, list[str]]:
    """By name; an empty value is as good as none."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if value.strip():
            found.setdefault(name, []).append(value.strip())
    return found


def filters(
    given: Mapping[str, Sequence[str]], slices: Iterable[str]
) -> dict[str, tuple[str, ...]]:
    """Slices and the labels of which one must fit.  Raises ReportError."""
    asked = {name: given[name] for name in slices if name in given}
    every = [label for labels in asked.values() for label in labels]
    if len(every) > MOST_LABELS or any(len(label) > _LONGEST for label in every):
        raise ReportError(f"more than {MOST_LABELS} labels in filters, or too long ones")
    return {
        name: tuple(dict.fromkeys(understood(name, label) for label in labels))
        for name, labels in asked.items()
    }


def moment(text: str, zone: tzinfo, *, end: bool) -> datetime:
    """``2026-11-23`` (its beginning; as an end: its end), ``2026-11-23T09:30``.  UTC, aware.

    Raises ReportError.
    """
    try:
        if len(text) == len("2026-11-23"):
            day = date.fromisoformat(text)
            found = datetime.combine(day + timedelta(days=int(end)), time.min, zone)
        else:
            found = datetime.fromisoformat(text)
        if found.year not in _YEARS:
            raise ValueError
    except (ValueError, OverflowError):
        raise ReportError(f"{text!r} is no time: 2026-11-23 or 2026-11-23T09:30") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)


def _one(given: Mapping[str, Sequence[str]], name: str) -> str:
    return given.get(name, ("",))[-1]


def _named(
    given: Mapping[str, Sequence[str]], name: str, known: Iterable[str], what: str
) -> tuple[str, ...]:
    """Names with commas, or one by one as a form sends them; each once."""
    asked = [one.strip() for text in given.get(name, ()) for one in text.split(",")]
    for one in asked:
        if one and one not in known:
            raise ReportError(f"no {what} {one!r}: {', '.join(known)}")
    return tuple(dict.fromkeys(one for one in asked if one))


def _within(text: str) -> float:
    if not text:
        return WITHIN_S
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 < found <= _MOST_WITHIN_S:
        raise ReportError(f"within: {text!r} is no number of seconds up to an hour")
    return found
