"""What a funnel is counted from, as columns: calls with the stages that they passed by themselves,
and stages that somebody told.

House rules: files of columns (pbx/reports/columns.py) have a number in place of a contact; times
are milliseconds since 1970.  A contact who shows no number is another one in each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, and_, case, func, select

from pbx.funnel.stages import CallStage, Funnel
from pbx.journal.tables import call_facts, calls, contacts, fact_days, stage_events
from pbx.reports.book import DAY_MS, Kind
from pbx.reports.columns import ColumnStore
from pbx.reports.copies import Kept
from pbx.reports.facts import Caller, milliseconds
from pbx.reports.frames import EPOCH_S, Frame, Layout, merged
from pbx.reports.frames import Row as Values
from routing.values import Outcome

NEVER = -1
"""In place of a time."""
_NOBODY = -1
_TEXTS = ("agent", "source")
PASSAGES = Layout(
    "passages",
    ("began_s", "began_ms", "past_ms", "reached_ms", "talk_ms", "new", "crowded", "contact"),
    _TEXTS,
    frozenset({"new", "crowded"}),
)
"""A row: a call that has ended.  ``past_ms``, ``reached_ms``: since its beginning, NEVER: not.
``new``: nobody with this number had called before.  ``crowded``: the same number called again
before it was over."""
TOLD = Layout("told", ("at_s", "at_ms", "contact", "caller"), ("stage", *_TEXTS))
"""A row: a stage that somebody told.  ``contact``: whose way through the plan's stages it is a part
of; a deal has a way of its own, but a contact's first deal, which goes on with theirs.  ``caller``:
whose way on from their first call it is a part of; all deals of a contact are."""

Times = npt.NDArray[np.int64]
Codes = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Told:
    """Who passed a stage, as somebody told, in the order of time.  ``who``: contacts; ``agent``,
    ``source``: codes."""

    at: Times
    who: Codes
    agent: Codes
    source: Codes

    def only(self, keep: Mask) -> Told:
        """Those of which ``keep`` is true."""
        places = np.flatnonzero(keep)
        return Told(self.at[places], self.who[places], self.agent[places], self.source[places])


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls by their beginning (``began``).  ``after``: of each stage that calls pass by
    themselves, how much later this one passed it, milliseconds, or NEVER.

    ``new``: nobody with this number had called before.  ``crowded``: the rows of contacts who had
    two calls at once; of all others a call's own stage before is the nearest.
    """

    began: Times
    after: tuple[Codes, ...]
    who: Codes
    agent: Codes
    source: Codes
    new: Mask
    crowded: npt.NDArray[np.int64]

    def passed(self, stage: int, rows: npt.NDArray[np.int64]) -> Told:
        """Of these rows those that passed a stage."""
        after = self.after[stage][rows]
        there = rows[after != NEVER]
        return Told(
            self.began[there] + self.after[stage][there],
            self.who[there],
            self.agent[there],
            self.source[there],
        )


@dataclass(frozen=True, slots=True)
class Passages:
    """``calls``: of the first stages, None: calls pass none; ``told``: of all that follow.
    ``people``: contacts are below this number.  ``agents``, ``sources``: what the codes stand for.
    """

    calls: Calls | None
    told: tuple[Told, ...]
    people: int
    agents: Sequence[str]
    sources: Sequence[str]


def passages(
    connection: Connection,
    store: ColumnStore,
    funnel: Funnel,
    since: datetime,
    until: datetime,
    told_since: datetime | None = None,
) -> Passages:
    """Stages of calls that began from ``since`` to ``until``, and stages told up to then: all, or
    those that were passed since ``told_since``."""
    read = PassedDays(connection, store)
    last = milliseconds(until)
    first = 0 if told_since is None else milliseconds(told_since)
    told = _frame(store, read, TOLD, first, last)
    if not funnel.of_calls:
        return _joined(funnel, None, told)
    first = milliseconds(since)
    frame = _frame(store, read, PASSAGES, first, last)
    began = _time(frame, "began")
    return _joined(funnel, frame.only((began >= first) & (began <= last)), told)


def _frame(
    store: ColumnStore, read: PassedDays, layout: Layout, first_ms: int, last_ms: int
) -> Frame:
    """Of the days that have a part in the time."""
    span = range(first_ms // DAY_MS, last_ms // DAY_MS + 1)
    rows_of = partial(read.rows, layout)
    pieces = store.frames(layout, layout.columns, read.days(layout), span, rows_of)
    return merged(layout, layout.columns, pieces)


class PassedDays:
    """A day's rows out of the log, where no file has them.

    Facts that are marked as stale (pbx/journal/stale.py) serve as they are: what is marked is news
    of missed calls, of which a funnel tells nothing.
    """

    def __init__(self, connection: Connection, _: ColumnStore) -> None:
        self._connection = connection
        # First of all: what is read after a version was seen is of this version or newer.
        days = fact_days.c
        query = select(days.kind, days.day, days.version).where(days.kind != Kind.STATES.value)
        self._versions = {(kind, day): version for kind, day, version in connection.execute(query)}

    def days(self, layout: Layout) -> dict[int, int | None]:
        """The days of which there are rows, and their versions."""
        kind = Kind.CALLS if layout is PASSAGES else Kind.STAGES
        return {day: version for (of, day), version in self._versions.items() if of == kind}

    def rows(self, layout: Layout, day: int) -> Iterator[Values]:
        """A day's."""
        return self.calls(day) if layout is PASSAGES else self.told(day)

    def calls(self, day: int) -> Iterator[Values]:
        """Calls that began on it."""
        first, end = day * DAY_MS, (day + 1) * DAY_MS
        query = _CALLS.where(_FACT.began_ms >= first, _FACT.began_ms < end)
        return map(_call, self._connection.execute(query))

    def told(self, day: int) -> Iterator[Values]:
        """Stages passed on it."""
        at = stage_events.c.at
        first, last = (datetime.fromtimestamp(one * 86_400, UTC) for one in (day, day + 1))
        return map(_told, self._connection.execute(_TOLD.where(at >= first, at < last)))


_FACT = call_facts.c
_CALLS = (
    select(
        *(_FACT.began_ms, _FACT.ended_ms, _FACT.wait_ms, _FACT.talk_ms, _FACT.reached),
        *(_FACT.outcome, _FACT.caller, _FACT.after_s, _FACT.agent, _FACT.source),
        contacts.c.contact_id,
    )
    .join_from(call_facts, calls, calls.c.call_id == _FACT.call_id)
    .outerjoin(contacts, and_(contacts.c.subject == calls.c.number, calls.c.number != ""))
    .order_by(_FACT.began_ms, _FACT.call_id)
)
_TOLD = (
    select(
        stage_events.c.at,
        case((contacts.c.continues, contacts.c.person_id), else_=contacts.c.contact_id),
        func.coalesce(contacts.c.person_id, contacts.c.contact_id),
        *(stage_events.c.stage, stage_events.c.agent, stage_events.c.source),
    )
    .join_from(stage_events, contacts, contacts.c.subject == stage_events.c.subject)
    .order_by(stage_events.c.at, stage_events.c.event_id)
)


FUNNEL = Kept((PASSAGES, TOLD), PassedDays)


def _call(row: Any) -> Values:
    began, ended, wait, talk, reached, outcome, caller, after_s, agent, source, contact = row
    joined = max(0, ended - began - talk)
    # A talk is timed by another clock: it may be longer than its call.
    longer = max(0, joined + talk - (ended - began))
    answered = reached and outcome == Outcome.ANSWERED
    return (
        began // 1000 - EPOCH_S,
        began % 1000,
        max(0, joined - wait) if reached else NEVER,
        joined if answered else NEVER,
        talk,
        int(caller != Caller.RETURNING),
        int(after_s is not None and after_s * 1000 <= longer),
        _NOBODY if contact is None else contact,
        agent,
        source,
    )


def _told(row: Any) -> Values:
    at, contact, caller, stage, agent, source = row
    at_ms = milliseconds(at)
    return (at_ms // 1000 - EPOCH_S, at_ms % 1000, contact, caller, stage, agent, source)


def _time(frame: Frame, name: str) -> Times:
    """Milliseconds since 1970."""
    found: Times = frame.numbers[f"{name}_s"].astype(np.int64)
    found += EPOCH_S
    found *= 1000
    found += frame.numbers[f"{name}_ms"]
    return found


def _joined(funnel: Funnel, of_calls: Frame | None, told: Frame) -> Passages:
    frames = [told] if of_calls is None else [told, of_calls]
    whose = "contact" if of_calls is None else "caller"
    texts = {
        name: sorted({one for frame in frames for one in frame.texts[name]}) for name in _TEXTS
    }
    found = (told.numbers[whose], *(() if of_calls is None else (of_calls.numbers["contact"],)))
    people = 1 + max((int(one.max()) for one in found if len(one)), default=0)
    calls_ = None
    names = funnel.stages
    if of_calls is not None:
        names = names[len(CallStage) :]
        who = of_calls.numbers["contact"].copy()
        nobody = who == _NOBODY
        without = int(np.count_nonzero(nobody))
        who[nobody] = np.arange(people, people + without, dtype=who.dtype)
        people += without
        calls_ = _calls(funnel, of_calls, texts, who, people)
    stages = _told_stages(names, told, whose, texts)
    return Passages(calls_, stages, people, texts["agent"], texts["source"])


def _told_stages(
    names: Sequence[str], told: Frame, whose: str, texts: Mapping[str, Sequence[str]]
) -> tuple[Told, ...]:
    agent, source = (_coded(told, name, texts[name]) for name in _TEXTS)
    every = Told(_time(told, "at"), told.numbers[whose], agent, source)
    stage, there = told.numbers["stage"], told.texts["stage"]
    return tuple(
        every.only(stage == there.index(name) if name in there else np.zeros(told.rows, np.bool_))
        for name in names
    )


def _calls(
    funnel: Funnel, frame: Frame, texts: Mapping[str, Sequence[str]], who: Codes, people: int
) -> Calls:
    past, reached = frame.numbers["past_ms"], frame.numbers["reached_ms"]
    least_ms = round(funnel.talk.total_seconds() * 1000)
    long = (reached != NEVER) & (frame.numbers["talk_ms"] > least_ms)
    talked = np.where(long, reached + least_ms, NEVER)
    crowded = np.flatnonzero(frame.numbers["crowded"])
    if len(crowded):
        theirs = np.zeros(people, np.bool_)
        theirs[who[crowded]] = True
        crowded = np.flatnonzero(theirs[who])
    return Calls(
        _time(frame, "began"),
        (np.zeros_like(past), past, reached, talked),
        who,
        _coded(frame, "agent", texts["agent"]),
        _coded(frame, "source", texts["source"]),
        frame.numbers["new"] != 0,
        crowded,
    )


def _coded(frame: Frame, name: str, every: Sequence[str]) -> Codes:
    """A column of texts as places in a list of all."""
    places = {text: code for code, text in enumerate(every)}
    codes = np.array([places[text] for text in frame.texts[name]], np.int32)
    return codes[frame.numbers[name]] if frame.rows else frame.numbers[name]
