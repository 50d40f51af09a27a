"""A report: measures by slices, for a period and the one before it."""

from __future__ import annotations

import math
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from functools import partial

import numpy as np
from sqlalchemy import Engine

from pbx.errors import ReportError
from pbx.journal.database import told_as_ours
from pbx.reports.columns import ColumnStore
from pbx.reports.frames import EPOCH_S, Frame
from pbx.reports.groups import Exact, Groups, Values, Whole
from pbx.reports.measures import MEASURES, USUAL, Measure, Of, Unit
from pbx.reports.period import LocalTimes, Period
from pbx.reports.rows import QUARTER_S, Codes, Mask, Rows, Which
from pbx.reports.slices import SLICES, Context, Cut, order, understood
from pbx.reports.source import Source

MOST_ROWS = 10_000
"""No person reads more, and no page should show them."""
_TARGET_S = 20.0
"""The field's 80/20: 80 % of calls answered within 20 seconds."""
_SMALL = 2**12
"""Combinations of labels up to which each gets a group, whether there is one or not."""
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
        asking = _Asking(Source(connection, store, asked), int(now.timestamp()))
        return tuple(_told(asking, query) for query in queries)


def _columns_of(query: Query) -> set[str]:
    """That it may ask of calls and parts."""
    found = {column for name in query.measures for column in MEASURES[name].columns}
    for name in (*query.by, *query.where):
        found |= set(SLICES[name].columns)
    return found if query.only is None else found | {"agent", "queue"}


def _told(asking: _Asking, query: Query) -> Report:
    found = _Counted(asking, query, query.period)
    if not query.compare:
        rows = tuple(ReportRow(key, found.values(key)) for key in found.shown)
        return Report(query, None, rows, ReportRow((), found.total), found.left_out)
    earlier = query.against or query.period.before(query.zone)
    before = _Counted(asking, query, earlier)
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


class _Asking:
    """The rows of questions of which several may be about the same."""

    def __init__(self, source: Source, now_s: int) -> None:
        self._source = source
        self._now_s = now_s
        self._found: list[tuple[tuple[Of, bool, Query], list[Rows]]] = []

    def rows(self, query: Query, kind: Of, columns: set[str], context: Context) -> list[Rows]:
        """All that fit, in pieces in the order of time."""
        in_quarters = kind is Of.STATES and "began_s" in columns
        same = replace(query, by=(), measures=(), compare=False, limit=0, against=None)
        key = kind, in_quarters, same
        for known, pieces in self._found:
            # Filters and departments can be compared, but have no hash.
            if known == key and all(columns <= one.frame.numbers.keys() for one in pieces):
                return pieces
        pieces = [
            Rows(piece, self._now_s - EPOCH_S, query.within_s)
            for frame in self._frames(query.period, kind, columns, in_quarters)
            if (piece := self._fitting(query, frame, context)).rows
        ]
        self._found.append((key, pieces))
        return pieces

    def _frames(
        self, period: Period, kind: Of, columns: set[str], in_quarters: bool
    ) -> list[Frame]:
        since_s, until_s = period.since_s, period.until_s
        match kind:
            case Of.CALLS:
                return self._source.calls(columns, since_s, until_s)
            case Of.PARTS:
                return self._source.parts(columns, since_s, until_s)
        frames = self._source.states(since_s, until_s, self._now_s)
        return [_in_quarters(frame) for frame in frames] if in_quarters else frames

    def _fitting(self, query: Query, frame: Frame, context: Context) -> Frame:
        keep = None if query.only is None else _allowed(frame, query.only)
        rows = Rows(frame, self._now_s - EPOCH_S, query.within_s)
        for name, labels in query.where.items():
            wanted = {understood(name, label) for label in labels}
            cut = SLICES[name].cut(rows, context)
            able: Mask = np.array([label in wanted for label in cut.labels], np.bool_)
            fits = able[cut.label_of][cut.codes]
            keep = fits if keep is None else keep & fits
        return frame if keep is None else frame.only(keep)


@dataclass(frozen=True, slots=True)
class _Grouped:
    """Measures of one kind: ``place`` of each key in ``values``."""

    place: Mapping[Key, int]
    values: Mapping[str, Sequence[float | int | None]]


class _Counted:
    """One period's values."""

    def __init__(self, asking: _Asking, query: Query, period: Period) -> None:
        self._query = replace(query, period=period)
        self._measures = [MEASURES[name] for name in query.measures]
        since_s, until_s = period.since_s, period.until_s
        times = LocalTimes(query.zone, since_s, max(until_s, since_s + 1))
        self._context = Context(times, query.departments)
        self.total: dict[str, float | int | None] = {}
        self._nothing: dict[str, float | int | None] = {}
        self._kinds: list[_Grouped] = []
        self.left_out = 0
        for kind in Of:
            measures = [one for one in self._measures if one.of is kind]
            if measures:
                self._kinds.append(self._of(asking, kind, measures))
        keys = {key for kind_ in self._kinds for key in kind_.place}
        self.shown = sorted(keys, key=lambda key: _place(query.by, key))

    def values(self, key: Key) -> dict[str, float | int | None]:
        """Of a group, which may be empty."""
        found: dict[str, float | int | None] = {}
        for kind in self._kinds:
            place = kind.place.get(key)
            for name, values in kind.values.items():
                found[name] = self._nothing[name] if place is None else values[place]
        return {name: found[name] for name in self._query.measures}

    def _of(self, asking: _Asking, kind: Of, measures: Sequence[Measure]) -> _Grouped:
        columns = {column for one in measures for column in one.columns}
        for name in (*self._query.by, *self._query.where):
            columns |= set(SLICES[name].columns)
        if self._query.only is not None:
            columns |= {"agent", "queue"}
        pieces = asking.rows(self._query, kind, columns, self._context)
        counts = {which: None for one in measures for which in one.counts}
        whole, none = Groups(pieces, None, 1), Groups([], None, 1)
        keys: dict[Key, int] = {(): 0} if pieces else {}
        rows = whole
        if self._query.by:
            keys, rows = self._grouped(pieces, counts)
            whole = Whole(pieces, rows)
        for one in measures:
            (self.total[one.name],) = _plain(one, one.value(whole))
            (self._nothing[one.name],) = _plain(one, one.value(none))
        return _Grouped(keys, {one.name: _plain(one, one.value(rows)) for one in measures})

    def _grouped(
        self, pieces: Sequence[Rows], counts: Collection[Which]
    ) -> tuple[dict[Key, int], Groups]:
        """The groups there are, and their rows, of which these sorts are counted: those beyond the
        limit are in one past the last."""
        slices = [SLICES[name] for name in self._query.by]
        cuts = [[one.cut(piece, self._context) for one in slices] for piece in pieces]
        labels = [
            sorted(
                {label for of_piece in cuts for label in of_piece[place].labels},
                key=partial(order, name),
            )
            for place, name in enumerate(self._query.by)
        ]
        sizes = [max(1, len(one)) for one in labels]
        product = math.prod(sizes)
        if product >= 2**62:
            raise ReportError("too many slices at once")
        groups = list(_combined(cuts, labels, sizes))
        codes: Codes = np.arange(product)
        if product > _SMALL:
            codes, groups = _numbered(groups, product)
        rows = Groups(pieces, groups, len(codes))
        rows.count_all(counts)
        there = np.flatnonzero(rows.everything)
        if len(there) > self._query.limit:
            self.left_out = max(self.left_out, len(there) - self._query.limit)
            there = _largest(there, rows.everything, self._query.limit)
            places = np.full(len(codes), len(there), np.intp)
            places[there] = np.arange(len(there))
            codes = codes[there]
            rows = Groups(pieces, [places[group] for group in groups], len(there) + 1)
            rows.count_all(counts)
            there = np.arange(len(there))
        return {_key(int(codes[one]), sizes, labels): one for one in there.tolist()}, rows


def _combined(
    cuts: Sequence[Sequence[Cut]], labels: Sequence[Sequence[str]], sizes: Sequence[int]
) -> Iterator[Codes]:
    """Of each row of each piece one number for all its labels."""
    places = [{label: place for place, label in enumerate(one)} for one in labels]
    steps = [math.prod(sizes[place + 1 :]) for place in range(len(sizes))]
    for of_piece in cuts:
        found: Codes | None = None
        for cut, place, step in zip(of_piece, places, steps, strict=True):
            of_label = np.array([place[label] * step for label in cut.labels], np.intp)
            codes = of_label[cut.label_of][cut.codes]
            found = codes if found is None else found + codes
        assert found is not None, "there is a slice"
        yield found


def _numbered(groups: Sequence[Codes], product: int) -> tuple[Codes, list[Codes]]:
    """The codes there are, below ``product``, and of each row its place among them."""
    rows = sum(map(len, groups))
    if product > 4 * rows + 1_000_000:
        every = np.concatenate([np.zeros(0, np.intp), *groups])
        found, group = np.unique(every, return_inverse=True)
        return found, np.split(group, np.cumsum([len(one) for one in groups])[:-1])
    there = np.zeros(product, np.bool_)
    for one in groups:
        there[one] = True
    found = np.flatnonzero(there)
    places = np.zeros(product, np.intp)
    places[found] = np.arange(len(found))
    return found, [places[one] for one in groups]


def _allowed(frame: Frame, only: Only) -> Mask:
    keep = _among(frame, "agent", only.agents)
    if "queue" in frame.numbers:
        keep |= _among(frame, "agent", {""}) & _among(frame, "queue", only.queues)
    return keep


def _among(frame: Frame, column: str, texts: Container[str]) -> Mask:
    """The rows with one of these texts."""
    wanted = np.array([one in texts for one in frame.texts[column]], np.bool_)
    found: Mask = wanted[frame.numbers[column]]
    return found


def _largest(there: Codes, numbers: Codes, limit: int) -> Codes:
    """The ``limit`` groups with the most rows, in their order."""
    return np.sort(there[np.argsort(-numbers[there], kind="stable")[:limit]])


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
    quarter = QUARTER_S * 1000
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


def _plain(measure: Measure, values: Values | Exact) -> list[float | int | None]:
    """As Python has them; None where a value is not a number."""
    missing = np.isnan(values)
    if measure.unit is Unit.COUNT:
        values = np.where(missing, 0, values).astype(np.int64)
    found: list[float | int | None] = values.tolist()
    for place in np.flatnonzero(missing).tolist():
        found[place] = None
    return found
