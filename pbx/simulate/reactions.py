"""How managers react when a phone of theirs rings: when they answer or refuse, or not at all.

House rules: a reaction follows from the caller, the manager and the how-manyth time they are rung
for this call, never from what was drawn before: so it is the same whatever the strategy.  Of those
who ring together only the first matters to nearly every call: the others' are not looked at until
it has come.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pbx.simulate.callers import Caller, Heard
from pbx.simulate.draws import (
    Draw,
    Empirical,
    Fixed,
    For,
    as_bytes,
    first_shares,
    share,
    share_of,
    stream,
)
from routing.commands import RingTogether
from routing.plan import Agent
from routing.values import AgentId, Disposition, LegId, Seconds

AT_ONCE = Fixed(0.0)
FEW = 12
"""So many phones are looked at one by one: less work than what finds the first of many."""

_ANSWERED, _NO_ANSWER = Disposition.ANSWERED, Disposition.NO_ANSWER

Reaction = tuple[Seconds, Disposition]
"""How long after the first ring (infinite for never), and whether they answer or refuse."""
Phone = tuple[Seconds, int, LegId, AgentId, Disposition]
"""When (core time) this leg is answered, refused or rings no more, which of them; an order."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How managers behave: from a phone's first ring to the answer, the share of rings that nobody
    answers, and when one who was paused for not answering is back.  ``each``: who has an answer of
    their own."""

    answer: Draw = AT_ONCE
    no_answer: float = 0.0
    back_after_s: Seconds = 300.0
    each: Mapping[AgentId, Draw] = field(default_factory=dict)


class Rung:
    """How often each manager has been rung for one call: counted when somebody asks, which of
    hundreds who ring together nobody does while the first of them takes the call."""

    __slots__ = ("_times", "_together")

    def __init__(self) -> None:
        self._together: list[Sequence[AgentId]] = []
        self._times: dict[AgentId, int] = {}

    def first_time(self) -> bool:
        """Nobody has been rung."""
        return not self._together and not self._times

    def rings(self, agent_ids: Sequence[AgentId]) -> None:
        """They are rung, once more."""
        self._together.append(agent_ids)

    def times(self, agent_id: AgentId) -> int:
        """So often before."""
        while self._together:
            for one in self._together.pop():
                self._times[one] = self._times.get(one, 0) + 1
        return self._times.get(agent_id, 0)

    def forget(self) -> None:
        """Nobody is rung for this call any more."""
        self._together.clear()
        self._times.clear()


class Reactions:
    """The managers of one run.  ``rung``: who was rung for the call before; it is kept here."""

    def __init__(self, manners: Manners, agents: Mapping[AgentId, Agent], seed: int) -> None:
        self._manners = manners
        self._streams = {
            agent_id: stream(seed, For.ANSWERS, place) for place, agent_id in enumerate(agents)
        }
        self._bytes = {agent_id: as_bytes(one) for agent_id, one in self._streams.items()}
        devices = [device for agent in agents.values() for device in agent.devices]
        self._shortest_s = min((device.ring_time_s for device in devices), default=0.0)

    def one(self, caller: Caller, agent_id: AgentId, rung: Rung) -> Reaction:
        """How this manager reacts to this ring."""
        times = rung.times(agent_id)
        rung.rings((agent_id,))
        return self._reaction(caller, agent_id, times)

    def _reaction(self, caller: Caller, agent_id: AgentId, times: int) -> Reaction:
        # Both are mixed already: their difference is a sub-stream of its own.
        mine = share(self._streams[agent_id] ^ caller.stream, times)
        manners = self._manners
        draw = manners.each.get(agent_id, manners.answer)
        if caller.heard:
            seen = caller.heard.get(agent_id, ())
            heard: Heard | None = seen[times] if times < len(seen) else None
            if heard is not None and heard.how in (_ANSWERED, Disposition.REJECTED):
                return heard.after_s, heard.how
            if heard is not None and isinstance(draw, Empirical):
                return draw.beyond(heard.after_s, mine), _ANSWERED
        # One share for both: who is under the first part does not answer, the rest says when.
        if mine < manners.no_answer:
            return math.inf, _ANSWERED
        return draw.at((mine - manners.no_answer) / (1.0 - manners.no_answer)), _ANSWERED

    def together(
        self,
        caller: Caller,
        ring: RingTogether,
        rung: Rung,
        *,
        now: Seconds,
        order: int,
    ) -> Iterator[Phone]:
        """What those who are rung together bring, the earliest first; ``order`` is the first's."""
        ids = ring.agent_ids
        alike = not caller.heard and not self._manners.each
        first = None
        if alike and len(ids) > FEW and rung.first_time():
            first = self._first(caller, ring, now, order)
        times = [0] * len(ids) if first is not None else list(map(rung.times, ids))
        rung.rings(ids)
        if first is None:
            yield from sorted(self._all(caller, ring, times, now, order))
            return
        yield first
        # It has not been joined with the caller: all are looked at after all.
        yield from sorted(self._all(caller, ring, times, now, order))[1:]

    def _first(self, caller: Caller, ring: RingTogether, now: Seconds, order: int) -> Phone | None:
        """Who answers first, unless the first ring that is over may come before."""
        silent, draw = self._manners.no_answer, self._manners.answer
        if silent >= 1.0:
            return None
        drawn = first_shares(map(self._bytes.__getitem__, ring.agent_ids), caller.stream)
        which = draw.earliest(drawn, silent)
        mine = share_of(int(drawn[which]))
        if mine < silent:
            return None
        at = now + draw.at((mine - silent) / (1.0 - silent))
        if at >= now + min(self._shortest_s, ring.most_s):
            return None
        return at, order + which, ring.leg_ids.at(which), ring.agent_ids[which], _ANSWERED

    def _all(
        self,
        caller: Caller,
        ring: RingTogether,
        times: Sequence[int],
        now: Seconds,
        order: int,
    ) -> Iterator[Phone]:
        for place, agent_id in enumerate(ring.agent_ids):
            delay_s, how = self._reaction(caller, agent_id, times[place])
            ring_s = min(ring.devices[place].ring_time_s, ring.most_s)
            yield phone(
                ring.leg_ids.at(place), agent_id, (now + delay_s, how), now, ring_s, order + place
            )


def phone(
    leg_id: LegId, agent_id: AgentId, reaction: Reaction, now: Seconds, ring_s: Seconds, order: int
) -> Phone:
    """What a phone that rings from now on brings; ``reaction``: by core time."""
    at, how = reaction
    ends_at = now + ring_s
    if at >= ends_at:
        return ends_at, order, leg_id, agent_id, _NO_ANSWER
    return max(at, now), order, leg_id, agent_id, how
