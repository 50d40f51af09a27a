"""The log's facts for a period, as columns: in pieces, in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection, func, select

from pbx.journal.stale import stale
from pbx.journal.tables import agent_states, call_facts, fact_days
from pbx.reports.book import DAY_MS, Kind
from pbx.reports.columns import ColumnStore
from pbx.reports.facts import facts_of, milliseconds
from pbx.reports.frames import EPOCH_S, Frame, Layout, day_columns, joined
from pbx.reports.frames import Row as Values
from pbx.reports.period import DAY_S

NONE = -1
"""In a column of numbers: there is none."""
_CALL_TEXTS = (
    *("did", "source", "queue", "agent", "outcome"),
    *("menu", "strategy", "region", "caller"),
)
CALLS = Layout(
    "calls",
    (
        *("began_s", "ended_s", "short", "reached", "before_s", "after_s"),
        *("wait_ms", "talk_ms", "transfers", "called_back_s"),
    ),
    (*_CALL_TEXTS, "missed"),
    frozenset({"short", "reached"}),
)
"""A row: a call."""
PARTS = Layout("parts", ("began_s", "ring_ms", "talk_ms", "wrap_ms"), (*_CALL_TEXTS, "result"))
"""A row: a manager's part in a call; ``agent`` is theirs, all else the call's."""
STATES = Layout("states", ("began_s", "began_ms", "length_ms"), ("agent", "state"))
"""A row: a manager's time in a state; ``length_ms`` NONE: it goes on."""


class Source:
    """Facts out of the log over one connection, with the help of a store of columns.

    ``ahead``: columns that will be asked for: they are read with the first that are.
    """

    def __init__(
        self, connection: Connection, store: ColumnStore, ahead: Iterable[str] = ()
    ) -> None:
        self._connection = connection
        self._store = store
        self._ahead = frozenset(ahead)
        self._read: dict[tuple[str, int, int], list[Frame]] = {}
        # First of all: what is read after a version was seen is of this version or newer.
        days = fact_days.c
        self._versions = {
            (kind, day): version
            for kind, day, version in connection.execute(select(days.kind, days.day, days.version))
        }
        self._fresh: dict[str, dict[str, Any] | None] = {}
        self._fresh_days: set[int] = set()
        if marked := stale(connection):
            self._make_fresh(marked)

    def calls(self, columns: Iterable[str], since_s: int, until_s: int) -> list[Frame]:
        """Calls that began in the period, but for those in progress."""
        return self._facts(CALLS, columns, since_s, until_s)

    def parts(self, columns: Iterable[str], since_s: int, until_s: int) -> list[Frame]:
        """Managers' parts in calls that began in the period."""
        return self._facts(PARTS, columns, since_s, until_s)

    def states(self, since_s: int, until_s: int, now_s: int) -> list[Frame]:
        """Managers' states, cut to the period: ``at_ms`` (since 2000), ``length_ms``, ``agent``,
        ``state``.  What goes on lasts until now."""
        every, span = self.days(STATES), _span(since_s, until_s)
        first = min((day for day in every if day in span), default=since_s // DAY_S)
        before = day_columns(STATES, self._states_before(first))
        pieces = [joined(STATES, STATES.columns, [before])]
        pieces += self._store.frames(STATES, STATES.columns, every, span, self._state_rows)
        cut = (_cut(one, since_s, min(until_s, now_s), now_s) for one in pieces)
        return [one for one in cut if one.rows]

    def days(self, layout: Layout) -> dict[int, int | None]:
        """The days of which there are rows, and their versions; None: some are stale."""
        kind = Kind.STATES if layout is STATES else Kind.CALLS
        return {
            day: None if kind is Kind.CALLS and day in self._fresh_days else version
            for (of, day), version in self._versions.items()
            if of == kind
        }

    def rows(self, layout: Layout, day: int) -> Iterable[Values]:
        """A day's, out of the log."""
        return self._rows_of(layout)(day)

    def _rows_of(self, layout: Layout) -> Callable[[int], Iterable[Values]]:
        if layout is STATES:
            return self._state_rows
        return self._call_rows if layout is CALLS else self._part_rows

    def _facts(
        self, layout: Layout, columns: Iterable[str], since_s: int, until_s: int
    ) -> list[Frame]:
        wanted = {*columns, "began_s"}
        key = layout.kind, since_s, until_s
        read = self._read.get(key)
        if read is not None and all(wanted <= piece.numbers.keys() for piece in read):
            return read
        wanted |= self._ahead & set(layout.columns)
        pieces = self._store.frames(
            layout, wanted, self.days(layout), _span(since_s, until_s), self._rows_of(layout)
        )
        within = (_within(piece, since_s - EPOCH_S, until_s - EPOCH_S) for piece in pieces)
        found = self._read[key] = [piece for piece in within if piece.rows]
        return found

    def _make_fresh(self, marked: set[str]) -> None:
        """Nobody has made these calls' facts anew yet."""
        right = {fact.call_id: fact.row() for fact in facts_of(self._connection, marked)}
        self._fresh = {call_id: right.get(call_id) for call_id in marked}
        query = select(call_facts.c.began_ms).where(call_facts.c.call_id.in_(sorted(marked)))
        began = set(self._connection.execute(query).scalars())
        began |= {row["began_ms"] for row in right.values()}
        self._fresh_days = {one // DAY_MS for one in began}
        for day in self._fresh_days:
            self._versions.setdefault((Kind.CALLS.value, day), 0)

    def _rows(self, columns: Sequence[Any], day: int) -> Iterator[Any]:
        """Of the facts of a day's calls as they are kept, but those that are known to be stale."""
        began = call_facts.c.began_ms
        query = select(*columns, call_facts.c.call_id).where(
            began >= day * DAY_MS, began < (day + 1) * DAY_MS
        )
        rows = self._connection.execute(query)
        if not self._fresh:
            return iter(rows)
        return (row for row in rows if row.call_id not in self._fresh)

    def _fresh_on(self, day: int) -> Iterator[dict[str, Any]]:
        """Facts made just now."""
        for row in self._fresh.values():
            if row is not None and row["began_ms"] // DAY_MS == day:
                seconds = {"began_s": _stored_s(row["began_ms"])}
                yield row | seconds | {"ended_s": _stored_s(row["ended_ms"])}

    def _call_rows(self, day: int) -> Iterator[Values]:
        for row in self._rows(_CALL_COLUMNS, day):
            yield row[:-1]
        for fresh in self._fresh_on(day):
            yield [NONE if fresh[name] is None else fresh[name] for name in CALLS.columns]

    def _part_rows(self, day: int) -> Iterator[Values]:
        for began_s, parts, *texts, _ in self._rows(_PART_COLUMNS, day):
            yield from _parts(began_s, parts, texts)
        for fresh in self._fresh_on(day):
            texts = [fresh[name] for name in _CALL_TEXTS]
            yield from _parts(fresh["began_s"], fresh["parts"], texts)

    def _state_rows(self, day: int) -> Iterator[Values]:
        states = agent_states.c
        query = select(states.agent, states.state, states.started_at, states.ended_at).where(
            states.started_at >= _moment(day * DAY_S),
            states.started_at < _moment((day + 1) * DAY_S),
        )
        return (_state(*row) for row in self._connection.execute(query))

    def _states_before(self, day: int) -> list[Values]:
        """What managers did already when this day began: their last state before."""
        first = _moment(day * DAY_S)
        states = agent_states.c
        found: list[Values] = []
        for agent in self._managers():
            query = (
                select(states.agent, states.state, states.started_at, states.ended_at)
                .where(states.agent == agent, states.started_at < first)
                .order_by(states.started_at.desc())
                .limit(1)
            )
            found += (_state(*row) for row in self._connection.execute(query))
        return found

    def _managers(self) -> Iterator[str]:
        """All that have states, one question each: DISTINCT would look at every row."""
        states = agent_states.c
        last: str | None = ""
        while True:
            query = select(func.min(states.agent)).where(states.agent > last)
            last = self._connection.execute(query).scalar()
            if last is None:
                return
            yield last


def _span(since_s: int, until_s: int) -> range:
    """The days that have a part in the time."""
    return range(since_s // DAY_S, -(-until_s // DAY_S))


def _within(piece: Frame, since_s: int, until_s: int) -> Frame:
    """The rows of a period; its ends are times as columns have them."""
    began = piece.numbers["began_s"]
    if since_s <= began.min() and began.max() < until_s:
        return piece
    return piece.only((began >= since_s) & (began < until_s))


_AGENT = _CALL_TEXTS.index("agent")


def _kept(name: str) -> Any:
    """A column of the kept facts as the files have it."""
    if name in ("began_s", "ended_s"):
        column = call_facts.c[name.removesuffix("_s") + "_ms"]
        return (column // 1000 - EPOCH_S).label(name)
    column = call_facts.c[name]
    return func.coalesce(column, NONE) if column.nullable else column


_CALL_COLUMNS = tuple(map(_kept, CALLS.columns))
_PART_COLUMNS = tuple(map(_kept, ("began_s", "parts", *_CALL_TEXTS)))


def _parts(began_s: int, parts: str, texts: list[str]) -> Iterator[Values]:
    for agent, result, ring_ms, talk_ms, wrap_ms in orjson.loads(parts):
        texts[_AGENT] = agent
        yield [began_s, ring_ms, talk_ms, wrap_ms, *texts, result]


def _cut(found: Frame, since_s: int, until_s: int, now_s: int) -> Frame:
    """States cut to the period; those that go on end now."""
    since_ms, until_ms, now_ms = ((one - EPOCH_S) * 1000 for one in (since_s, until_s, now_s))
    began_ms = found.numbers["began_s"].astype(np.int64) * 1000 + found.numbers["began_ms"]
    length_ms = found.numbers["length_ms"]
    ended_ms = np.where(length_ms == NONE, now_ms, began_ms + length_ms)
    at_ms = np.maximum(began_ms, since_ms)
    length = np.minimum(ended_ms, until_ms) - at_ms
    numbers = {
        "at_ms": at_ms,
        "length_ms": length,
        "agent": found.numbers["agent"],
        "state": found.numbers["state"],
    }
    return Frame(found.rows, numbers, found.texts).only(length > 0)


def _state(agent: str, state: str, began: datetime, ended: datetime | None) -> Values:
    began_ms = milliseconds(began)
    length_ms = NONE if ended is None else min(milliseconds(ended) - began_ms, _LONGEST_MS)
    return [began_ms // 1000 - EPOCH_S, began_ms % 1000, length_ms, agent, state]


_LONGEST_MS = 2**31 - 1
"""What a file can hold: nobody is in a state for more than 24 days without a restart."""


def _stored_s(ms: int) -> int:
    return ms // 1000 - EPOCH_S


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
