"""Who of a queue is free: kept in order, so that a choice costs O(log n) however many there are.

For each set of needs that callers have there is a ``Pool`` of the free members who meet it: nobody
has to look through those who can't help.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Collection, Iterator, Mapping

from routing.agents import WorkingAgent
from routing.shares import Shares
from routing.values import AgentId
from routing.waiting_line import Needs, meets

Key = tuple[float, ...]
KeyOf = Callable[[WorkingAgent, int], Key]
"""Of an agent and their place in the queue's list."""
Entry = tuple[Key, int, WorkingAgent]
"""Key, place in the queue's list, agent.  A place is one agent's: the agents are never compared."""


class Order:
    """Free agents sorted by a key that does not change while they are free."""

    def __init__(self, key: KeyOf, places: Mapping[AgentId, int]) -> None:
        self._key = key
        self._places = places
        self._sorted: list[Entry] = []
        self._entries: dict[AgentId, Entry] = {}

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[WorkingAgent]:
        return (entry[2] for entry in self._sorted)

    def __getitem__(self, index: int) -> WorkingAgent:
        return self._sorted[index][2]

    def get(self, agent_id: AgentId) -> WorkingAgent | None:
        """This agent, if among them."""
        entry = self._entries.get(agent_id)
        return entry[2] if entry is not None else None

    def enter(self, agent: WorkingAgent) -> None:
        """The agent is free now; O(log n).  Harmless if already there."""
        agent_id = agent.agent_id
        if agent_id not in self._entries:
            place = self._places[agent_id]
            entry = (self._key(agent, place), place, agent)
            self._entries[agent_id] = entry
            insort(self._sorted, entry)

    def leave(self, agent_id: AgentId) -> None:
        """The agent is not free any more; O(log n).  Harmless if not there."""
        entry = self._entries.pop(agent_id, None)
        if entry is not None:
            del self._sorted[bisect_left(self._sorted, entry)]

    def from_place(self, place: int) -> Iterator[WorkingAgent]:
        """From behind this place, around the end (where the keys are places)."""
        behind: tuple[Key, int] = ((float(place),), place)
        start = bisect_right(self._sorted, behind, key=lambda entry: entry[:2])
        for index in range(start, len(self._sorted)):
            yield self._sorted[index][2]
        for index in range(min(start, len(self._sorted))):
            yield self._sorted[index][2]


class Pool:
    """The free members of a queue who meet one set of needs.

    In the strategy's order; by level and by share too, once a strategy has asked for that.
    """

    def __init__(
        self,
        needs: Needs,
        key: KeyOf,
        places: Mapping[AgentId, int],
        weights: Mapping[AgentId, int],
    ) -> None:
        self.order = Order(key, places)
        self._needs = needs
        self._places = places
        self._weights = weights
        self._by_level: Order | None = None
        self._shares: Shares[AgentId] | None = None

    def enter(self, agent: WorkingAgent) -> None:
        """The agent is free now: among these, if they meet the needs."""
        if self._needs and not meets(agent.skills, self._needs):
            return
        self.order.enter(agent)
        if self._by_level is not None:
            self._by_level.enter(agent)
        if self._shares is not None:
            self._shares.put(agent.agent_id, self._weights.get(agent.agent_id, 1))

    def leave(self, agent_id: AgentId) -> None:
        """The agent is not free any more."""
        self.order.leave(agent_id)
        if self._by_level is not None:
            self._by_level.leave(agent_id)
        if self._shares is not None:
            self._shares.put(agent_id, 0)

    def best(self) -> Iterator[WorkingAgent]:
        """By the level of the weakest of the needed skills, then longest idle."""
        if self._by_level is None:
            self._by_level = Order(self._level_key, self._places)
            for agent in self.order:
                self._by_level.enter(agent)
        return iter(self._by_level)

    def _level_key(self, agent: WorkingAgent, place: int) -> Key:
        level = min((agent.skills.get(need.skill, 0) for need in self._needs), default=0)
        return (-level, agent.last_ended_at)

    def draw(
        self, rng: random.Random, barred: Collection[AgentId]
    ) -> tuple[WorkingAgent, float] | None:
        """One by chance in proportion to the weights, those barred left out, and their share.

        None when all that are left weigh 0.
        """
        if self._shares is None:
            self._shares = Shares(self._places)
            for agent in self.order:
                self._shares.put(agent.agent_id, self._weights.get(agent.agent_id, 1))
        shares = self._shares
        left_out = [(agent_id, shares.of(agent_id)) for agent_id in barred]
        for agent_id, _ in left_out:
            shares.put(agent_id, 0)
        drawn = None
        if shares.total > 0:
            agent_id = shares.at(rng.randrange(shares.total))
            drawn = self.order.get(agent_id)
            share = shares.of(agent_id) / shares.total
        for agent_id, weight in left_out:
            shares.put(agent_id, weight)
        return (drawn, share) if drawn is not None else None
