"""A report: measures by slices, for a period and the one before it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

import numpy as np
import numpy.typing as npt
from sqlalchemy import Engine

from pbx.errors import ReportError
from pbx.journal.database import told_as_ours
from pbx.reports.columns import ColumnStore, Frame, Ints
from pbx.reports.groups import Groups
from pbx.reports.measures import MEASURES, USUAL, Measure, Of, Unit
from pbx.reports.period import LocalTimes, Period
from pbx.reports.slices import SLICES, Context, order, understood
from pbx.reports.source import Source

MOST_ROWS = 10_000
"""No person reads more, and no page should show them."""
_TARGET_S = 20.0
"""The field's 80/20: 80 % of calls answered within 20 seconds."""
_QUARTER_S = 900
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Only:
    """All that somebody may see: these managers' calls and time, and the calls that nobody took in
    these queues."""

    agents: frozenset[str]
    queues: frozenset[str]


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked.

    ``by``: slices' names.  ``where``: slices' names and the labels of which one must fit.
    ``within_s``: the service level's target.  ``limit``: rows at most, those with the most calls.
    ``departments``: by manager.  ``against``: the period compared with; None: the one right before.
    ``only``: None: everything.
    """

    period: Period
    zone: tzinfo
    by: tuple[str, ...] = ()
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)
    measures: tuple[str, ...] = USUAL
    compare: bool = False
    within_s: float = _TARGET_S
    limit: int = MOST_ROWS
    departments: Mapping[str, str] = field(default_factory=dict)
    against: Period | None = None
    only: Only | None = None


@dataclass(frozen=True, slots=True)
class ReportRow:
    """``key``: a label for each slice.  ``values``: by measure, None where it is not defined;
    ``before``: of the period before, when that was asked for."""

    key: Key
    values: Mapping[str, float | int | None]
    before: Mapping[str, float | int | None] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """``before``: the period compared with.  ``total``: of all that fits, also of rows that were
    ``left_out`` for their number."""

    query: Query
    before: Period | None
    rows: tuple[ReportRow, ...]
    total: ReportRow
    left_out: int


def report(log: Engine, store: ColumnStore, query: Query, now: datetime) -> Report:
    """Work it out.  Raises ReportError for a question without sense, JournalError."""
    return reports(log, store, (query,), now)[0]


def reports(
    log: Engine, store: ColumnStore, queries: Sequence[Query], now: datetime
) -> tuple[Report, ...]:
    """Several, of the log as it is at one moment: what more than one asks for is read once."""
    for query in queries:
        check(query)
    asked = {column for query in queries for column in _columns_of(query)}
    with told_as_ours(log), log.connect() as connection:
        source = Source(connection, store, asked)
        return tuple(_told(source, query, now) for query in queries)


def _columns_of(query: Query) -> set[str]:
    """That it may ask of calls and parts."""
    found = {column for name in query.measures for column in MEASURES[name].columns}
    for name in (*query.by, *query.where):
        found |= set(SLICES[name].columns)
    return found if query.only is None else found | {"agent", "queue"}


def _told(source: Source, query: Query, now: datetime) -> Report:
    found = _Counted(source, query, query.period, now)
    if not query.compare:
        rows = tuple(ReportRow(key, found.values(key)) for key in found.shown)
        return Report(query, None, rows, ReportRow((), found.total), found.left_out)
    earlier = query.against or query.period.before(query.zone)
    before = _Counted(source, query, earlier, now)
    # A row that is new or gone is a row, too.
    keys = sorted({*found.shown, *before.shown}, key=lambda key: _place(query.by, key))
    return Report(
        query,
        earlier,
        tuple(ReportRow(key, found.values(key), before.values(key)) for key in keys),
        ReportRow((), found.total, before.total),
        max(found.left_out, before.left_out),
    )


def check(query: Query) -> None:
    """Raises ReportError for a question without sense."""
    for name in (*query.by, *query.where):
        if name not in SLICES:
            raise ReportError(f"no slice {name!r}: {', '.join(SLICES)}")
    if not query.measures:
        raise ReportError("no measures")
    for name in query.measures:
        if name not in MEASURES:
            raise ReportError(f"no measure {name!r}: {', '.join(MEASURES)}")
        if MEASURES[name].of is Of.STATES:
            for one in (*query.by, *query.where):
                if not SLICES[one].of_states:
                    able = ", ".join(slice_.name for slice_ in SLICES.values() if slice_.of_states)
                    raise ReportError(f"{name} can't be told by {one}, only by {able}")
    if len(set(query.by)) < len(query.by):
        raise ReportError("a slice is named twice")


@dataclass(frozen=True, slots=True)
class _Grouped:
    """Measures of one kind: ``place`` of each key in ``values``."""

    place: Mapping[Key, int]
    values: Mapping[str, Sequence[float]]


class _Counted:
    """One period's values."""

    def __init__(self, source: Source, query: Query, period: Period, now: datetime) -> None:
        self._query = query
        self._measures = [MEASURES[name] for name in query.measures]
        now_s = int(now.timestamp())
        since_s, until_s = period.since_s, period.until_s
        self._now_s = now_s
        times = LocalTimes(query.zone, since_s, max(until_s, since_s + 1))
        self._context = Context(times, query.departments)
        self.total: dict[str, float | int | None] = {}
        self._nothing: dict[str, float | int | None] = {}
        self._kinds: list[_Grouped] = []
        self.left_out = 0
        for kind in Of:
            measures = [one for one in self._measures if one.of is kind]
            if measures:
                self._kinds.append(self._of(source, kind, measures, since_s, until_s))
        keys = {key for kind_ in self._kinds for key in kind_.place}
        self.shown = sorted(keys, key=lambda key: _place(query.by, key))

    def values(self, key: Key) -> dict[str, float | int | None]:
        """Of a group, which may be empty."""
        found: dict[str, float | int | None] = {}
        for kind in self._kinds:
            place = kind.place.get(key)
            for name, values in kind.values.items():
                found[name] = self._nothing[name] if place is None else _plain(name, values[place])
        return {name: found[name] for name in self._query.measures}

    def _of(
        self, source: Source, kind: Of, measures: Sequence[Measure], since_s: int, until_s: int
    ) -> _Grouped:
        asked = {column for one in measures for column in one.columns}
        for name in (*self._query.by, *self._query.where):
            asked |= set(SLICES[name].columns)
        if self._query.only is not None:
            asked |= {"agent", "queue"}
        match kind:
            case Of.CALLS:
                frame = source.calls(asked, since_s, until_s)
            case Of.PARTS:
                frame = source.parts(asked, since_s, until_s)
            case Of.STATES:
                frame = source.states(since_s, until_s, self._now_s)
                by_time = {"began_s"} & asked
                frame = _in_quarters(frame) if by_time else frame
        frame = self._fitting(self._allowed(frame))
        keys, group = self._keys(frame)
        whole = self._groups(frame, np.zeros(frame.rows, np.int32), 1)
        nobody = frame.only(np.zeros(frame.rows, np.bool_))
        none = self._groups(nobody, np.zeros(0, np.int32), 1)
        # One more: for the rows beyond the limit.
        rows = self._groups(frame, group, len(keys) + 1) if self._query.by else whole
        for one in measures:
            self.total[one.name] = _plain(one.name, one.value(whole).tolist()[0])
            self._nothing[one.name] = _plain(one.name, one.value(none).tolist()[0])
        return _Grouped(
            {key: place for place, key in enumerate(keys)},
            {one.name: one.value(rows).tolist() for one in measures},
        )

    def _groups(self, frame: Frame, group: Ints, number: int) -> Groups:
        return Groups(frame, group, number, now_s=self._now_s, within_s=self._query.within_s)

    def _allowed(self, frame: Frame) -> Frame:
        only = self._query.only
        if only is None or not frame.rows:
            return frame
        keep = _among(frame, "agent", only.agents)
        if "queue" in frame.numbers:
            keep |= _among(frame, "agent", {""}) & _among(frame, "queue", only.queues)
        return frame.only(keep)

    def _fitting(self, frame: Frame) -> Frame:
        for name, labels in self._query.where.items():
            wanted = {understood(name, label) for label in labels}
            cut = SLICES[name].cut(frame, self._context)
            fits = np.array([label in wanted for label in cut.labels], np.bool_)
            if frame.rows:
                frame = frame.only(fits[cut.codes])
        return frame

    def _keys(self, frame: Frame) -> tuple[list[Key], Ints]:
        """The groups there are, and of each row the number of its group: those of rows beyond the
        limit have the number past the last."""
        if not frame.rows:
            return [], np.zeros(0, np.int32)
        cuts = [SLICES[name].cut(frame, self._context) for name in self._query.by]
        codes: Ints = np.zeros(frame.rows, np.int32)
        sizes: list[int] = []
        product = 1
        for cut in cuts:
            size = max(1, len(cut.labels))
            if product * size >= 2**31 and codes.dtype != np.int64:
                codes = codes.astype(np.int64)
            if product * size >= 2**62:
                raise ReportError("too many slices at once")
            codes = codes * codes.dtype.type(size) + cut.codes.astype(codes.dtype)
            sizes.append(size)
            product *= size
        found, group, numbers = _unique(codes, product)
        if len(found) > self._query.limit:
            self.left_out = max(self.left_out, len(found) - self._query.limit)
            found, group = _largest(found, group, numbers, self._query.limit)
        labels = [cut.labels for cut in cuts]
        return [_key(int(code), sizes, labels) for code in found], group


def _among(frame: Frame, column: str, texts: Container[str]) -> npt.NDArray[np.bool_]:
    """The rows with one of these texts."""
    wanted = np.array([one in texts for one in frame.texts[column]], np.bool_)
    found: npt.NDArray[np.bool_] = wanted[frame.numbers[column]]
    return found


def _unique(codes: Ints, product: int) -> tuple[Ints, Ints, Ints]:
    """The codes there are, of each row its place among them, and how many rows each has."""
    if product > 4 * len(codes) + 1_000_000:
        found, group, numbers = np.unique(codes, return_inverse=True, return_counts=True)
        return found, group, numbers
    counted = np.bincount(codes, minlength=product)
    found = np.flatnonzero(counted)
    places = np.zeros(product, np.int32)
    places[found] = np.arange(len(found), dtype=np.int32)
    return found, places[codes], counted[found]


def _largest(found: Ints, group: Ints, numbers: Ints, limit: int) -> tuple[Ints, Ints]:
    """The ``limit`` groups with the most rows; all other rows are in a group past the last."""
    kept = np.sort(np.argsort(-numbers, kind="stable")[:limit])
    places = np.full(len(found), limit, np.int32)
    places[kept] = np.arange(limit, dtype=np.int32)
    return found[kept], places[group]


def _key(code: int, sizes: Sequence[int], labels: Sequence[Sequence[str]]) -> Key:
    key = []
    for size, names in zip(reversed(sizes), reversed(labels), strict=True):
        code, place = divmod(code, size)
        key.append(names[place])
    return tuple(reversed(key))


def _in_quarters(frame: Frame) -> Frame:
    """Time cut at each quarter of an hour, where any zone's hours begin; ``began_s`` is each
    piece's."""
    at_ms, length_ms = frame.numbers["at_ms"], frame.numbers["length_ms"]
    quarter = _QUARTER_S * 1000
    first = at_ms // quarter
    pieces = (at_ms + length_ms - 1) // quarter - first + 1
    row = np.repeat(np.arange(frame.rows), pieces)
    nth = np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    slot = first[row] + nth
    begin = np.maximum(at_ms[row], slot * quarter)
    end = np.minimum((at_ms + length_ms)[row], (slot + 1) * quarter)
    numbers = {name: column[row] for name, column in frame.numbers.items()}
    numbers |= {"at_ms": begin, "length_ms": end - begin, "began_s": begin // 1000}
    return Frame(len(row), numbers, frame.texts)


def _place(by: Sequence[str], key: Key) -> list[tuple[int, str]]:
    return [order(name, label) for name, label in zip(by, key, strict=True)]


def _plain(name: str, value: float) -> float | int | None:
    if value != value:
        return None
    return int(value) if MEASURES[name].unit is Unit.COUNT else float(value)
