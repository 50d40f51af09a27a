"""Who talked last with each number: a great many of them, in little memory.

House rules: what is kept of a number is two whole numbers in a table of its part (open addressing),
so it costs 24 to 48 bytes and no object of its own; a part grows by itself, so no change takes
long.  A number is known by a hash of 64 bits: of a million numbers that two have the same has a
chance of one in thirty million.  A part that is full forgets the half with the oldest talks.  The
same talks in the same order leave the same behind, in any process.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from routing.values import AgentId, Seconds

PARTS = 1024
"""A power of two: one part is a matter of half a millisecond, whatever happens to it."""
MOST_IN_PART = 680
"""Two thirds of 1,024 places."""
MOST = PARTS * MOST_IN_PART
"""Numbers kept at most, 16 MiB; when there are more the oldest are forgotten."""

_FIRST_PLACES = 8
_AGENT_BITS = 20
_AGENT = (1 << _AGENT_BITS) - 1
_PART_BITS = PARTS.bit_length() - 1


@dataclass(frozen=True, slots=True)
class LastTalk:
    """Who talked last with a number, and when that talk ended."""

    agent_id: AgentId
    ended_at: Seconds


class LastTalks:
    """Of each number the last talk, its end to the millisecond."""

    def __init__(self, talks: Mapping[str, LastTalk] | None = None) -> None:
        # Of each part: a key and a value in turn, a key of 0 is an empty place.
        self._parts: list[array[int] | None] = [None] * PARTS
        self._counts = [0] * PARTS
        self._shared = bytearray(PARTS)
        """1: another has this part, too; it is copied before it is changed."""
        self._agents: list[AgentId] = []
        self._places: dict[AgentId, int] = {}
        for number, talk in (talks or {}).items():
            self.note(number, talk.agent_id, talk.ended_at)

    def __len__(self) -> int:
        """How many numbers are known."""
        return sum(self._counts)

    def __contains__(self, number: str) -> bool:
        """Somebody has talked with it."""
        key = _key(number)
        part = self._parts[key & (PARTS - 1)]
        return part is not None and part[_place(part, key)] == key

    def get(self, number: str) -> LastTalk | None:
        """The last talk with this number; None when none is known."""
        key = _key(number)
        part = self._parts[key & (PARTS - 1)]
        if part is None:
            return None
        place = _place(part, key)
        if part[place] != key:
            return None
        value = part[place + 1]
        return LastTalk(self._agents[value & _AGENT], (value >> _AGENT_BITS) / 1000)

    def note(self, number: str, agent_id: AgentId, ended_at: Seconds) -> None:
        """They have talked; whoever did before is forgotten."""
        agent = self._places.get(agent_id)
        if agent is None:
            agent = self._places[agent_id] = len(self._agents)
            self._agents.append(agent_id)
        key = _key(number)
        which = key & (PARTS - 1)
        part = self._own(which)
        place = _place(part, key)
        if not part[place]:
            if 3 * self._counts[which] >= len(part):
                part = self._made_anew(which, part)
                place = _place(part, key)
            part[place] = key
            self._counts[which] += 1
        part[place + 1] = max(0, round(ended_at * 1000)) << _AGENT_BITS | agent

    def copy(self) -> LastTalks:
        """One that goes its own way from here; what is not changed both have together."""
        made = LastTalks()
        made._parts = list(self._parts)
        made._counts = list(self._counts)
        made._shared = bytearray(b"\1") * PARTS
        self._shared[:] = made._shared
        made._agents = list(self._agents)
        made._places = dict(self._places)
        return made

    def _own(self, which: int) -> array[int]:
        part = self._parts[which]
        if part is None or self._shared[which]:
            part = _empty(_FIRST_PLACES) if part is None else part[:]
            self._parts[which] = part
            self._shared[which] = 0
        return part

    def _made_anew(self, which: int, part: array[int]) -> array[int]:
        """Twice as large; or as large as before, without the oldest half."""
        known = [(part[at + 1], part[at]) for at in range(0, len(part), 2) if part[at]]
        places = len(part)  # of which each takes two: twice as many as before
        if len(known) >= MOST_IN_PART:
            known.sort()
            del known[: len(known) // 2]
            places //= 2
        made = _empty(places)
        for value, key in known:
            place = _place(made, key)
            made[place], made[place + 1] = key, value
        self._parts[which], self._counts[which] = made, len(known)
        return made


def _empty(places: int) -> array[int]:
    return array("q", bytes(16 * places))


def _key(number: str) -> int:
    """Never 0."""
    digest = blake2b(number.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1


def _place(part: array[int], key: int) -> int:
    """Where ``key`` stands, or would."""
    last = len(part) - 1
    place = (key >> _PART_BITS) * 2 & last
    while part[place] not in (0, key):
        place = place + 2 & last
    return place
