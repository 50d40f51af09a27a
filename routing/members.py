"""The members of a queue, and those of them a strategy may choose from for one caller."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence

from routing.agents import WorkingAgent
from routing.free import Block, Pool
from routing.plan import Queue
from routing.strategy import AgentView, Strategy
from routing.values import AgentId, AgentState
from routing.waiting_line import Needs

POOLS_KEPT = 32
"""Sets of needs for which who is free is kept in order; the one not asked for longest goes.  An
agent who becomes free enters them all, so that their number is bounded; a plan has a handful."""


class Members:
    """The members of one queue: their places, and who is free."""

    def __init__(self, queue: Queue, strategy: Strategy) -> None:
        self.queue = queue
        self.strategy = strategy
        self.places = {agent_id: place for place, agent_id in enumerate(queue.members)}
        self.last_chosen: AgentId | None = None
        self._all = self._pool(())
        self._pools: dict[Needs, Pool] = {}

    def retire(self) -> None:
        """Others follow; nothing is asked of these any more.  They would otherwise hold each other,
        and what the collector has set aside (pbx/engine/tuning.py) it never looks for."""
        del self._all, self._pools

    def _pool(self, needs: Needs) -> Pool:
        return Pool(needs, self.strategy.key, self.places, self.queue.weights)

    @property
    def free_count(self) -> int:
        """How many are free.  (Not ``__len__``: a queue where nobody is free is not false.)"""
        return len(self._all.order)

    def enter(self, agent: WorkingAgent) -> None:
        """The agent is free now; O(log n)."""
        self._all.enter(agent)
        for pool in self._pools.values():
            pool.enter(agent)

    def leave(self, agent: WorkingAgent) -> None:
        """The agent is not free any more; O(log n)."""
        self._all.leave(agent.agent_id)
        for pool in self._pools.values():
            pool.leave(agent.agent_id)

    def set_aside(self, agents: Sequence[WorkingAgent]) -> Aside:
        """As ``leave`` for each of these, who are free, and cheaper for many."""
        pools = (self._all, *self._pools.values())
        return agents, [(pool, pool.set_aside(agents)) for pool in pools]

    def put_back(self, aside: Aside, gone: Sequence[AgentId]) -> None:
        """As ``enter`` for each who was set aside and is not gone; nothing that the order goes by
        has changed of them."""
        agents, taken = aside
        kept = dict(taken)
        for pool in (self._all, *self._pools.values()):
            if (block := kept.get(pool)) is not None:
                pool.put_back(block, gone)
                continue
            for agent in agents:
                if agent.agent_id not in gone:
                    pool.enter(agent)

    def is_free(self, agent_id: AgentId) -> bool:
        """Whether this member is free."""
        return self._all.order.get(agent_id) is not None

    def free_of(self, agent_ids: Iterable[AgentId]) -> list[WorkingAgent]:
        """Those of these who are free, in the same order."""
        return self._all.order.those_of(agent_ids)

    def free_for(self, needs: Needs) -> Pool:
        """The free members who meet these needs; O(1), O(n log n) when asked for newly."""
        if not needs:
            return self._all
        pool = self._pools.pop(needs, None)
        if pool is None:
            pool = self._pool(needs)
            for agent in self._all.order:
                pool.enter(agent)
            if len(self._pools) >= POOLS_KEPT:
                del self._pools[next(iter(self._pools))]
        self._pools[needs] = pool
        return pool


Aside = tuple[Sequence[WorkingAgent], Sequence[tuple[Pool, Block]]]
"""Members who were free, and their places in each pool that there was."""


class FreeFor:
    """The free agents who could take one caller's call now (routing.strategy.FreeAgents)."""

    def __init__(
        self,
        members: Members,
        agents: Mapping[AgentId, WorkingAgent],
        needs: Needs,
        barred: frozenset[AgentId],
        refused: Mapping[AgentId, object],
    ) -> None:
        self._members = members
        self._agents = agents
        self._pool = members.free_for(needs)
        self._barred = barred
        self._refused = refused

    def _first_of(self, agents: Iterable[WorkingAgent]) -> WorkingAgent | None:
        return next((one for one in agents if one.agent_id not in self._barred), None)

    def __iter__(self) -> Iterator[AgentView]:
        if not self._barred:
            return iter(self._pool.order)
        return (one for one in self._pool.order if one.agent_id not in self._barred)

    def ids(self) -> tuple[AgentId, ...]:
        """Of all of them, in order."""
        ids = self._pool.order.ids()
        if not self._barred:
            return ids
        return tuple([one for one in ids if one not in self._barred])

    def first(self) -> AgentView | None:
        """The first in order."""
        return self._first_of(self._pool.order)

    def after(self, place: int) -> AgentView | None:
        """The next behind this place, around the end."""
        return self._first_of(self._pool.order.from_place(place))

    def get(self, agent_id: AgentId) -> AgentView | None:
        """This agent, if among them."""
        return None if agent_id in self._barred else self._pool.order.get(agent_id)

    def any_of(self, rng: random.Random) -> AgentView | None:
        """One by chance, all alike."""
        order = self._pool.order
        for _ in range(min(len(order), 8)):
            agent = order[rng.randrange(len(order))]
            if agent.agent_id not in self._barred:
                return agent
        # Nearly all are barred: look through them rather than guess on.
        left = list(self)
        return rng.choices(left)[0] if left else None

    def by_weight(self, rng: random.Random) -> tuple[AgentView, float] | None:
        """One by chance in proportion to the queue's weights, and their share of those here."""
        return self._pool.draw(rng, self._barred)

    def by_level(self) -> AgentView | None:
        """The one whose weakest needed skill is strongest; among equals the longest idle."""
        return self._first_of(self._pool.best())

    def place_of(self, agent_id: AgentId) -> int | None:
        """Place of any member in the plan's list."""
        return self._members.places.get(agent_id)

    def state_of(self, agent_id: AgentId) -> AgentState | None:
        """State of any member."""
        agent = self._agents.get(agent_id)
        if agent is None or agent_id not in self._members.places:
            return None
        return agent.state if agent.reachable else AgentState.OFFLINE

    def refused(self, agent_id: AgentId) -> bool:
        """The agent has refused or not answered this very call."""
        return agent_id in self._refused

    @property
    def last_chosen(self) -> AgentId | None:
        """Who was chosen last in this queue."""
        return self._members.last_chosen
