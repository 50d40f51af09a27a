"""Who of a queue is free: kept in order, so that a choice costs O(log n) however many there are.

For each set of needs that callers have there is a ``Pool`` of the free members who meet it: nobody
has to look through those who can't help.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from routing.agents import WorkingAgent
from routing.shares import Shares
from routing.values import AgentId
from routing.waiting_line import Needs, meets

Key = tuple[float, ...]
KeyOf = Callable[[WorkingAgent, int], Key]
"""Of an agent and their place in the queue's list."""
Entry = tuple[Key, int, WorkingAgent]
"""Key, place in the queue's list, agent.  A place is one agent's: the agents are never compared."""
Block = tuple[list[Entry], list[WorkingAgent], list[AgentId], dict[AgentId, Entry]]
"""Entries in order, their agents, these agents' ids; entries by agent."""


class Order:
    """Free agents sorted by a key that does not change while they are free."""

    def __init__(self, key: KeyOf, places: Mapping[AgentId, int]) -> None:
        self._key = key
        self._places = places
        self._entries: dict[AgentId, Entry] = {}
        # Three lists of the same order: who rings everybody asks for all agents at each call.
        self._sorted: list[Entry] = []
        self._agents: list[WorkingAgent] = []
        self._ids: list[AgentId] = []
        self._told: tuple[AgentId, ...] | None = None

    def __len__(self) -> int:
        return len(self._sorted)

    def __iter__(self) -> Iterator[WorkingAgent]:
        return iter(self._agents)

    def __getitem__(self, index: int) -> WorkingAgent:
        return self._agents[index]

    def ids(self) -> tuple[AgentId, ...]:
        """Of all, in order; the same tuple while they are the same."""
        if self._told is None:
            self._told = tuple(self._ids)
        return self._told

    def get(self, agent_id: AgentId) -> WorkingAgent | None:
        """This agent, if among them."""
        entry = self._entries.get(agent_id)
        return entry[2] if entry is not None else None

    def those_of(self, agent_ids: Iterable[AgentId]) -> list[WorkingAgent]:
        """Of these those who are among them, in the same order."""
        if agent_ids is self._told:
            return self._agents.copy()
        get = self._entries.get
        return [entry[2] for agent_id in agent_ids if (entry := get(agent_id)) is not None]

    def enter(self, agent: WorkingAgent) -> None:
        """The agent is free now; O(log n).  Harmless if already there."""
        agent_id = agent.agent_id
        if agent_id not in self._entries:
            place = self._places[agent_id]
            entry = (self._key(agent, place), place, agent)
            self._entries[agent_id] = entry
            index = bisect_left(self._sorted, entry)
            self._sorted.insert(index, entry)
            self._agents.insert(index, agent)
            self._ids.insert(index, agent_id)
            self._told = None

    def set_aside(self, agents: Sequence[WorkingAgent]) -> Block:
        """These, who are among them, are not for a while; O(1) when there are no others."""
        self._told = None
        if len(agents) == len(self._sorted):
            block = self._sorted, self._agents, self._ids, self._entries
            self._sorted, self._agents, self._ids, self._entries = [], [], [], {}
            return block
        entries = {one.agent_id: self._entries.pop(one.agent_id) for one in agents}
        self._are([one for one in self._sorted if one[2].agent_id in self._entries])
        taken = sorted(entries.values())
        return taken, [one[2] for one in taken], [one[2].agent_id for one in taken], entries

    def put_back(self, block: Block, gone: Iterable[AgentId]) -> None:
        """They are among them again but for those gone, with the keys that they had."""
        in_order, agents, ids, entries = block
        for agent_id in gone:
            if (entry := entries.pop(agent_id, None)) is not None:
                index = bisect_left(in_order, entry)
                del in_order[index], agents[index], ids[index]
        self._told = None
        if not self._sorted:
            self._sorted, self._agents, self._ids, self._entries = block
            return
        self._entries.update(entries)
        # Two runs in order: merged, with hardly a comparison too many.
        self._are(sorted(self._sorted + in_order))

    def _are(self, in_order: list[Entry]) -> None:
        self._sorted = in_order
        self._agents = [one[2] for one in in_order]
        self._ids = [one[2].agent_id for one in in_order]

    def leave(self, agent_id: AgentId) -> None:
        """The agent is not free any more; O(log n).  Harmless if not there."""
        entry = self._entries.pop(agent_id, None)
        if entry is not None:
            index = bisect_left(self._sorted, entry)
            del self._sorted[index], self._agents[index], self._ids[index]
            self._told = None

    def from_place(self, place: int) -> Iterator[WorkingAgent]:
        """From behind this place, around the end (where the keys are places)."""
        behind: tuple[Key, int] = ((float(place),), place)
        start = bisect_right(self._sorted, behind, key=lambda entry: entry[:2])
        for index in range(start, len(self._sorted)):
            yield self._agents[index]
        for index in range(min(start, len(self._sorted))):
            yield self._agents[index]


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
        self._enter_others(agent)

    def _enter_others(self, agent: WorkingAgent) -> None:
        if self._by_level is not None:
            self._by_level.enter(agent)
        if self._shares is not None:
            self._shares.put(agent.agent_id, self._weights.get(agent.agent_id, 1))

    def set_aside(self, agents: Sequence[WorkingAgent]) -> Block:
        """As ``leave`` for each, who come back as they went."""
        if self._needs:
            agents = [one for one in agents if self.order.get(one.agent_id) is not None]
        if self._by_level is not None or self._shares is not None:
            for agent in agents:
                self._leave_others(agent.agent_id)
        return self.order.set_aside(agents)

    def put_back(self, block: Block, gone: Iterable[AgentId]) -> None:
        """As ``enter`` for each who is not gone."""
        self.order.put_back(block, gone)
        if self._by_level is not None or self._shares is not None:
            for agent in block[1]:
                self._enter_others(agent)

    def leave(self, agent_id: AgentId) -> None:
        """The agent is not free any more."""
        self.order.leave(agent_id)
        self._leave_others(agent_id)

    def _leave_others(self, agent_id: AgentId) -> None:
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
