"""A call as a drawing: a row for the caller and one for each telephone, bars to scale.  Pure."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pbx.journal.story import CallStory, LegRow
from pbx.journal.tables import LegKind

Second = Callable[[datetime], float]
"""A moment as seconds from the call's beginning."""
_RUNG = (LegKind.DEVICE.value, LegKind.OUTSIDE.value)
_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_TICKS = 8
_LEAST = 0.4
"""Width of the shortest bar, percent: what happened is seen."""
_BESIDE = 0.01
"""Nearer is the same place, percent."""
_SHORTEST_S = 0.1
"""A call that began and ended at once is drawn so long, seconds."""
_SHARE = 0.6
"""A talk that takes more of the call than this hides what was before it."""


class Bar(StrEnum):
    """What goes on for so long."""

    MENU = "menu"
    RING = "ring"
    WAIT = "wait"
    TALK = "talk"
    MESSAGE = "message"
    DIAL = "dial"
    """A telephone is called, and has not said yet that it rings."""


_OVER = (Bar.MENU, Bar.RING, Bar.WAIT, Bar.MESSAGE, Bar.TALK)
"""Of what goes on at once for the caller, the later of these is shown."""


@dataclass(frozen=True, slots=True)
class Part:
    """A bar.  Seconds from the call's beginning; ``x`` and ``width`` in percent.

    ``about``: the queue, manager or outside number, "" for none; ``goes_on``: not over yet.
    ``keyed``: how much of the bar is up to the last key that is drawn on it, percent, None: no key;
    its words stand behind that.
    """

    bar: Bar
    from_s: float
    to_s: float
    about: str = ""
    goes_on: bool = False
    x: float = 0.0
    width: float = 0.0
    keyed: float | None = None

    @property
    def room(self) -> float:
        """For words, percent of the drawing."""
        return self.width * (1 - (self.keyed or 0.0) / 100)


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on a row: ``what`` is key, transfer or end."""

    what: str
    at_s: float
    text: str
    x: float = 0.0


@dataclass(frozen=True, slots=True)
class TrackRow:
    """The caller's (``leg`` None), or a telephone's."""

    leg: LegRow | None
    parts: tuple[Part, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the scale."""

    at_s: float
    x: float


@dataclass(frozen=True, slots=True)
class Track:
    """``lead``: only what was before the talk is shown; ``has_lead``: it would be worth it."""

    from_s: float
    to_s: float
    rows: tuple[TrackRow, ...]
    ticks: tuple[Tick, ...]
    has_lead: bool
    lead: bool


def draw(story: CallStory, now: datetime, *, lead: bool) -> Track:
    """``now``: the end of a call that goes on.  ``lead``: up to the first talk's beginning."""
    began = story.call.started_at
    last = max(story.call.ended_at or now, began)
    whole_s = max((last - began).total_seconds(), _SHORTEST_S)

    def second(at: datetime) -> float:
        return min(max((at - began).total_seconds(), 0.0), whole_s)

    talks = [one for one in story.legs if one.kind == LegKind.BRIDGE]
    first_talk = min((second(one.started_at) for one in talks), default=whole_s)
    talked_s = sum(second(one.ended_at or last) - second(one.started_at) for one in talks)
    has_lead = bool(talks) and talked_s > _SHARE * whole_s and first_talk >= 1.0
    lead = lead and has_lead
    # A little of the talk is shown, so that one sees where it begins.
    to_s = min(whole_s, first_talk * 1.08) if lead else whole_s
    rows = [_caller(story, talks, last, whole_s, second), *_legs(story.legs, last, second)]
    placed = tuple(_placed(row, to_s) for row in rows)
    return Track(0.0, to_s, placed, tuple(_ticks(to_s)), has_lead, lead)


def _caller(
    story: CallStory, talks: list[LegRow], last: datetime, whole_s: float, second: Second
) -> TrackRow:
    spans: list[tuple[Bar, float, float, str, bool]] = []
    agents = {leg.leg_id: leg.agent or leg.address for leg in story.legs}
    spans.append((Bar.MENU, 0.0, whole_s, "", story.call.ended_at is None))
    for leg in story.legs:
        if leg.kind in _RUNG:
            until = leg.joined_at or leg.ended_at
            rings = second(leg.started_at), second(until or last)
            spans.append((Bar.RING, *rings, "", until is None))
    for wait in story.waits:
        over = wait.ended_at is None
        spans.append(
            (Bar.WAIT, second(wait.started_at), second(wait.ended_at or last), wait.queue, over)
        )
    for message in story.messages:
        said = second(message.at - timedelta(seconds=message.length_s))
        spans.append((Bar.MESSAGE, said, second(message.at), message.box, False))
    for talk in talks:
        who = talk.agent or agents.get(talk.of_leg or "", "")
        span = second(talk.started_at), second(talk.ended_at or last)
        spans.append((Bar.TALK, *span, who, talk.ended_at is None))
    marks = [Mark("key", second(one.at), one.digits) for one in story.steps if one.digits]
    marks += [
        Mark("transfer", second(leg.started_at), leg.address)
        for leg in story.legs
        if leg.kind == LegKind.TRANSFER
    ]
    return TrackRow(None, tuple(_topmost(spans)), tuple(marks))


def _topmost(spans: list[tuple[Bar, float, float, str, bool]]) -> Iterable[Part]:
    """One thing at a time, neighbours of one kind joined."""
    edges = sorted({edge for _, begin, end, _, _ in spans for edge in (begin, end)})
    current: Part | None = None
    for begin, end in itertools.pairwise(edges):
        over = [one for one in spans if one[1] <= begin and one[2] >= end]
        bar, _, to_s, about, goes_on = max(over, key=lambda one: (_OVER.index(one[0]), one[1]))
        goes_on = goes_on and to_s == end
        if current is not None and (current.bar, current.about) == (bar, about):
            current = Part(bar, current.from_s, end, about, goes_on)
            continue
        if current is not None:
            yield current
        current = Part(bar, begin, end, about, goes_on)
    if current is not None:
        yield current


def _legs(legs: Iterable[LegRow], last: datetime, second: Second) -> Iterable[TrackRow]:
    for leg in legs:
        if leg.kind not in _RUNG:
            continue
        parts: list[Part] = []
        end = leg.ended_at or last
        joined = leg.joined_at or end
        open_now = leg.ended_at is None
        rang = leg.rang_at
        dialled = second(leg.started_at), second(rang or joined)
        if dialled[1] > dialled[0]:
            goes_on = open_now and rang is None and leg.joined_at is None
            parts.append(Part(Bar.DIAL, *dialled, goes_on=goes_on))
        if rang is not None:
            goes_on = open_now and leg.joined_at is None
            parts.append(Part(Bar.RING, second(rang), second(joined), goes_on=goes_on))
        if leg.joined_at is not None:
            parts.append(Part(Bar.TALK, second(leg.joined_at), second(end), goes_on=open_now))
        marks = () if open_now else (Mark("end", second(end), leg.disposition or ""),)
        yield TrackRow(leg, tuple(parts), marks)


def _placed(row: TrackRow, to_s: float) -> TrackRow:
    marks = tuple(
        Mark(one.what, one.at_s, one.text, round(one.at_s / to_s * 100, 3))
        for one in row.marks
        if one.at_s <= to_s
    )
    parts = []
    for part in row.parts:
        if part.from_s >= to_s and part.from_s > 0:
            continue
        x = part.from_s / to_s * 100
        width = max((min(part.to_s, to_s) - part.from_s) / to_s * 100, _LEAST)
        x = min(x, 100 - _LEAST)
        width = min(width, 100 - x)
        # At its end a key is drawn on what follows.
        on_it = [one.x - x for one in marks if one.what == "key"]
        keys = [one for one in on_it if -_BESIDE <= one < width - _BESIDE]
        parts.append(
            Part(
                part.bar,
                part.from_s,
                part.to_s,
                part.about,
                part.goes_on,
                round(x, 3),
                round(width, 3),
                round(max(*keys, 0.0) / width * 100, 3) if keys else None,
            )
        )
    return TrackRow(row.leg, tuple(parts), marks)


def _ticks(to_s: float) -> Iterable[Tick]:
    step = next((one for one in _STEPS_S if to_s / one <= _TICKS), None)
    if step is None:
        step = int(to_s / _TICKS) + 1
    at = 0
    while at <= to_s:
        yield Tick(float(at), round(at / to_s * 100, 3))
        at += step
