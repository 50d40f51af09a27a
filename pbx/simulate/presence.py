"""When managers were at work, and what a roster would make of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path

from ivr.schedule import Window
from pbx.plan import written
from pbx.plan.source import Faults, Scalar
from pbx.simulate.read import Section, Wanted, nothing, one_of, read_file
from pbx.simulate.world import Attendance
from routing import events
from routing.values import AgentId, Seconds

Span = tuple[Seconds, Seconds]
"""From, to: core time."""
ROSTER = Wanted("a roster", "one file, as docs/replay.md shows: --roster roster.yaml")
Roster = Mapping[AgentId, Mapping[int, tuple[Window, ...]]]
"""Manager to weekday (0 is Monday) to working hours."""

_NEVER: tuple[Window, ...] = ()
_NO_DAY: tuple[int, ...] = ()


@dataclass(slots=True)
class Presence:
    """A manager's time in order: logged in; paused by themselves; in calls past the queues."""

    there: list[Span] = field(default_factory=list)
    paused: list[Span] = field(default_factory=list)
    own: list[Span] = field(default_factory=list)


def attendance(presence: Mapping[AgentId, Presence], begins: Seconds, ends: Seconds) -> Attendance:
    """What the managers do by themselves from ``begins`` to ``ends`` (core time)."""
    told: list[tuple[Seconds, int, events.Event]] = []
    present_s: dict[AgentId, Seconds] = {}
    for agent_id, one in presence.items():
        there, paused = _cut(one.there, begins, ends), _cut(one.paused, begins, ends)
        for start, end in there:
            told.append((start - begins, 1, events.AgentLoggedIn(agent_id)))
            told.append((end - begins, 0, events.AgentLoggedOut(agent_id)))
        for start, end in paused:
            told.append((start - begins, 2, events.AgentPaused(agent_id, "as in the log")))
            told.append((end - begins, 0, events.AgentResumed(agent_id)))
        for number, (start, end) in enumerate(_cut(one.own, begins, ends)):
            key = f"own{number}"
            told.append((start - begins, 3, events.OwnCallStarted(agent_id, key)))
            told.append((end - begins, 0, events.OwnCallEnded(agent_id, key)))
        present_s[agent_id] = _length(there) - _length(paused)
    told.sort(key=lambda event: event[:2])
    return Attendance([(at_s, event) for at_s, _, event in told], present_s)


def _cut(spans: Sequence[Span], begins: Seconds, ends: Seconds) -> list[Span]:
    cut = ((max(start, begins), min(end, ends)) for start, end in spans)
    return [(start, end) for start, end in cut if end > start]


def _length(spans: Sequence[Span]) -> Seconds:
    return sum(end - start for start, end in spans)


def read_roster(path: Path, agents: Sequence[AgentId]) -> Roster:
    """``managers: {anna: {mon-fri: 09:00-18:00}}``.  Raises PlanError with every mistake."""
    faults = Faults()
    node = read_file(path, faults, ROSTER) or nothing(faults)
    root = Section(node, faults, "the roster")
    known = {str(one): one for one in agents}
    found: dict[AgentId, dict[int, tuple[Window, ...]]] = {}
    managers = root.section("managers")
    for key, hours in managers.entries() if managers is not None else ():
        name = root.scalar(key, "managers", one_of("manager", known), "")
        week = found.setdefault(AgentId(name), {})
        if isinstance(hours, Scalar) and hours.text == "closed":
            continue
        for days, when in Section(hours, faults, key.text).entries():
            windows = root.scalar(when, key.text, written.windows, _NEVER)
            for day in root.scalar(days, key.text, written.days, _NO_DAY):
                week[day] = windows
    root.done()
    faults.stop()
    return found


def rostered(
    presence: Mapping[AgentId, Presence],
    roster: Roster,
    begins: Seconds,
    ends: Seconds,
    zone: tzinfo,
) -> dict[AgentId, Presence]:
    """The same with the working hours of ``roster``, without pauses, for those who are in it."""
    found = dict(presence)
    first = datetime.fromtimestamp(begins, UTC).astimezone(zone).date() - timedelta(days=1)
    last = datetime.fromtimestamp(ends, UTC).astimezone(zone).date()
    dates = [first + timedelta(days=day) for day in range((last - first).days + 1)]
    for agent_id, week in roster.items():
        there = [
            _hours(on, window, zone)
            for on in dates
            for window in sorted(week.get(on.weekday(), ()), key=lambda one: one.start)
        ]
        before = found.get(agent_id, Presence())
        found[agent_id] = replace(before, there=there, paused=[])
    return found


def _hours(on: date, window: Window, zone: tzinfo) -> Span:
    start = datetime.combine(on, window.start, zone)
    until = on + timedelta(days=1) if window.end <= window.start else on
    return start.timestamp(), datetime.combine(until, window.end, zone).timestamp()
