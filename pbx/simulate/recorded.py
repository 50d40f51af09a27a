"""What really happened in a time of the log: its calls, and its managers' time.

House rules: nothing is estimated here.  What the log does not tell is left open, and replay.py
fills it in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, func, select

from pbx.journal.database import told_as_ours
from pbx.journal.tables import LegKind, agent_states, calls, legs, offers, steps, waits
from pbx.simulate.callers import Heard
from pbx.simulate.presence import Presence
from pbx.simulate.world import Ending
from routing.last_talks import LastTalk
from routing.values import AgentId, AgentState, Disposition, Outcome, QueueId, Seconds

Report = Callable[[float], None]
ASKED = ("menu", "collectdigits")
"""Kinds of steps at which a caller was asked for keys."""
NO_ANSWER_PAUSE = "no_answer_"
"""How the reason begins of a pause that the distribution made (routing/ringing.py)."""
GAP_S = 1.0
"""A manager of whom the log knows nothing for longer was not there (the engine was down)."""
_ROWS = 5_000
_BUSY = (AgentState.TALKING, AgentState.RESERVED, AgentState.RINGING)


@dataclass(slots=True)
class Logged:
    """A call as it was.  Times: core time, or seconds.

    ``came_at``: to a queue or a manager, None for who never did; ``waited_s``: from then to the
    talk, or to the end.  ``agent_id``: who answered first.  ``ending`` as the simulation has it:
    who left the line by a key has abandoned it.
    """

    at: Seconds
    ended_at: Seconds
    did: str
    number: str
    outcome: str
    talk_s: Seconds
    keys: list[str] = field(default_factory=list)
    came_at: Seconds | None = None
    left_at: Seconds | None = None
    joined_at: Seconds | None = None
    agent_id: AgentId | None = None
    heard: dict[AgentId, list[Heard]] = field(default_factory=dict)

    @property
    def ending(self) -> Ending:
        if self.joined_at is not None:
            return Ending.ANSWERED
        if self.came_at is None:
            return Ending.IN_MENU
        gave_up = self.left_at is not None or self.outcome == Outcome.ABANDONED_WAITING
        return Ending.ABANDONED if gave_up else Ending.OVERFLOW

    @property
    def waited_s(self) -> Seconds:
        if self.came_at is None:
            return 0.0
        ends = self.joined_at or self.left_at or self.ended_at
        return max(0.0, ends - self.came_at)

    @property
    def menu_s(self) -> Seconds:
        return max(0.0, (self.came_at or self.ended_at) - self.at)


@dataclass(slots=True)
class Recorded:
    """A time of the log.  ``left_out``: calls that can't be replayed, by why.  ``ran``: the
    strategies that calls of each queue had, with how many.  ``pauses_s``: for not answering."""

    begins: Seconds
    ends: Seconds
    calls: list[Logged]
    left_out: Counter[str]
    ran: Mapping[QueueId, Counter[str]]
    presence: Mapping[AgentId, Presence]
    pauses_s: list[Seconds]
    last_talks: Mapping[str, LastTalk]


def recorded(
    log: Engine,
    since: datetime,
    until: datetime,
    *,
    dids: Collection[str],
    progress: Report | None = None,
) -> Recorded:
    """Read the calls to ``dids`` that began from ``since`` to ``until``.  Raises JournalError."""
    inside = (calls.c.started_at >= since, calls.c.started_at < until)
    with told_as_ours(log), log.connect() as connection:
        total = connection.execute(select(func.count()).select_from(calls).where(*inside)).scalar()
        steps_of = _Progress(progress, max(1, total or 0))
        found, left_out = _calls(connection, inside, dids, steps_of)
        _waits(connection, inside, found, steps_of)
        _keys(connection, inside, found, steps_of)
        _legs(connection, inside, found, steps_of)
        presence, pauses_s = _presence(connection, since, until, found, steps_of)
        return Recorded(
            since.timestamp(),
            until.timestamp(),
            list(found.values()),
            left_out,
            _strategies(connection, since, until),
            presence,
            pauses_s,
            _last_talks(connection, since),
        )


class _Progress:
    """Rows read so far, against about ten for each call."""

    def __init__(self, report: Report | None, calls: int) -> None:
        self._report = report
        self._expected = calls * 10
        self._read = 0

    def rows(self, connection: Connection, query: Select[Any]) -> Iterator[Any]:
        for row in connection.execution_options(yield_per=_ROWS).execute(query):
            self._read += 1
            if self._report is not None and not self._read % _ROWS:
                self._report(min(1.0, self._read / self._expected))
            yield row


def _calls(
    connection: Connection,
    inside: tuple[ColumnElement[bool], ...],
    dids: Collection[str],
    progress: _Progress,
) -> tuple[dict[str, Logged], Counter[str]]:
    query = (
        select(
            calls.c.call_id,
            calls.c.started_at,
            calls.c.ended_at,
            calls.c.did,
            calls.c.number,
            calls.c.outcome,
            calls.c.talk_s,
            calls.c.callback_of,
            calls.c.reconstructed,
        )
        .where(*inside)
        .order_by(calls.c.started_at, calls.c.call_id)
    )
    found: dict[str, Logged] = {}
    left_out: Counter[str] = Counter()
    for call_id, began, ended, did, number, outcome, talk_s, ours, cut in progress.rows(
        connection, query
    ):
        if ours is not None:
            left_out["we called them"] += 1
        elif ended is None or outcome is None or cut:
            left_out["the log has only a part"] += 1
        elif did not in dids:
            left_out["the plan has no such number"] += 1
        else:
            found[call_id] = Logged(
                began.timestamp(), ended.timestamp(), did, number, outcome, talk_s or 0.0
            )
    return found, left_out


def _waits(
    connection: Connection,
    inside: tuple[ColumnElement[bool], ...],
    found: Mapping[str, Logged],
    progress: _Progress,
) -> None:
    query = (
        select(waits.c.call_id, waits.c.started_at, waits.c.ended_at, waits.c.reason)
        .join(calls, calls.c.call_id == waits.c.call_id)
        .where(*inside)
        .order_by(waits.c.started_at)
    )
    for call_id, began, ended, reason in progress.rows(connection, query):
        call = found.get(call_id)
        if call is None:
            continue
        if call.came_at is None:
            call.came_at = began.timestamp()
        gone = reason in ("left", "key") and ended is not None
        call.left_at = ended.timestamp() if gone else None


def _keys(
    connection: Connection,
    inside: tuple[ColumnElement[bool], ...],
    found: Mapping[str, Logged],
    progress: _Progress,
) -> None:
    query = (
        select(steps.c.call_id, steps.c.digits)
        .join(calls, calls.c.call_id == steps.c.call_id)
        .where(*inside, steps.c.kind.in_(ASKED), steps.c.digits.is_not(None))
        .order_by(steps.c.at, steps.c.step_id)
    )
    for call_id, digits in progress.rows(connection, query):
        if (call := found.get(call_id)) is not None:
            call.keys.append(digits)


def _legs(
    connection: Connection,
    inside: tuple[ColumnElement[bool], ...],
    found: Mapping[str, Logged],
    progress: _Progress,
) -> None:
    """How long each manager was rung in each offer, over all of their phones."""
    query = (
        select(
            legs.c.call_id,
            legs.c.offer_id,
            legs.c.agent,
            legs.c.started_at,
            legs.c.joined_at,
            legs.c.ended_at,
            legs.c.disposition,
            legs.c.ring_s,
        )
        .join(calls, calls.c.call_id == legs.c.call_id)
        .where(*inside, legs.c.kind == LegKind.DEVICE.value, legs.c.agent.is_not(None))
        .order_by(legs.c.started_at, legs.c.leg_id)
    )
    rings: dict[tuple[str, str | None, str], tuple[Seconds, Heard]] = {}
    for call_id, offer_id, agent, began, joined, ended, how, ring_s in progress.rows(
        connection, query
    ):
        call = found.get(call_id)
        if call is None or ended is None:
            continue
        started = began.timestamp()
        if call.came_at is None:
            call.came_at = started
        if joined is not None and call.joined_at is None:
            call.joined_at, call.agent_id = joined.timestamp(), AgentId(agent)
        key = (call_id, offer_id, agent)
        first, before = rings.get(key, (started, None))
        now = Heard(started - first + (ring_s or 0.0), Disposition(how))
        rings[key] = first, now if before is None else _clearer(before, now)
    for (call_id, _, agent), (_, heard) in rings.items():
        found[call_id].heard.setdefault(AgentId(agent), []).append(heard)


def _clearer(one: Heard, other: Heard) -> Heard:
    """Of two phones of a manager: the one that was answered, else refused, else rang longest."""
    for how in (Disposition.ANSWERED, Disposition.REJECTED):
        for heard in (one, other):
            if heard.how is how:
                return heard
    return max(one, other, key=lambda heard: heard.after_s)


def _presence(
    connection: Connection,
    since: datetime,
    until: datetime,
    found: Mapping[str, Logged],
    progress: _Progress,
) -> tuple[dict[AgentId, Presence], list[Seconds]]:
    states = agent_states.c
    query = (
        select(states.agent, states.state, states.reason, states.call_id, states.started_at,
               states.ended_at)
        .where(states.started_at < until, (states.ended_at.is_(None)) | (states.ended_at > since))
        .order_by(states.agent, states.started_at, states.interval_id)
    )  # fmt: skip
    people: dict[AgentId, _Timeline] = {}
    end = until.timestamp()
    for agent, state, reason, call_id, began, ended in progress.rows(connection, query):
        line = people.setdefault(AgentId(agent), _Timeline())
        line.was(
            AgentState(state),
            reason,
            began.timestamp(),
            end if ended is None else ended.timestamp(),
            own=call_id not in found,
        )
    return (
        {agent_id: line.finished() for agent_id, line in people.items()},
        [one for line in people.values() for one in line.no_answer_s],
    )


class _Timeline:
    """Makes a manager's presence of their states, in order."""

    def __init__(self) -> None:
        self._presence = Presence()
        self._there: Seconds | None = None
        self._paused: Seconds | None = None
        self._until: Seconds = 0.0
        self.no_answer_s: list[Seconds] = []

    def was(
        self, state: AgentState, reason: str, began: Seconds, ended: Seconds, *, own: bool
    ) -> None:
        if self._there is not None and began > self._until + GAP_S:
            self._goes(self._until)
        by_us = reason.startswith(NO_ANSWER_PAUSE)
        if state is AgentState.OFFLINE:
            self._goes(began)
        elif self._there is None:
            self._there = began
        if state is AgentState.PAUSED and by_us:
            self.no_answer_s.append(ended - began)
        elif state is AgentState.PAUSED:
            self._paused = began if self._paused is None else self._paused
        elif state not in _BUSY:
            self._resumes(began)
        if state is AgentState.TALKING and own:
            self._presence.own.append((began, ended))
        self._until = ended

    def _resumes(self, at: Seconds) -> None:
        if self._paused is not None:
            self._presence.paused.append((self._paused, at))
            self._paused = None

    def _goes(self, at: Seconds) -> None:
        self._resumes(at)
        if self._there is not None:
            self._presence.there.append((self._there, at))
            self._there = None

    def finished(self) -> Presence:
        self._goes(self._until)
        return self._presence


def _strategies(
    connection: Connection, since: datetime, until: datetime
) -> dict[QueueId, Counter[str]]:
    query = (
        select(offers.c.queue, offers.c.strategy, func.count())
        .where(offers.c.at >= since, offers.c.at < until, offers.c.queue.is_not(None))
        .group_by(offers.c.queue, offers.c.strategy)
    )
    found: dict[QueueId, Counter[str]] = {}
    for queue, strategy, count in connection.execute(query):
        found.setdefault(QueueId(queue), Counter())[strategy] = count
    return found


def _last_talks(connection: Connection, since: datetime) -> dict[str, LastTalk]:
    """Who had talked last with each number before."""
    ended = func.max(calls.c.ended_at)
    query = (
        select(calls.c.number, calls.c.agent, ended)
        .where(calls.c.ended_at < since, calls.c.agent.is_not(None), calls.c.number != "")
        .group_by(calls.c.number, calls.c.agent)
        .order_by(ended)
    )
    return {
        number: LastTalk(AgentId(agent), at.timestamp())
        for number, agent, at in connection.execute(query)
    }
