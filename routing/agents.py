"""Agents at work, and who of a queue is free: indexes, so that a choice costs O(log n)."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from routing.agent_state import rest_state
from routing.memory import AgentRecord
from routing.offer import Part
from routing.plan import Agent, Queue
from routing.strategy import AgentView, Strategy
from routing.timers import Timer
from routing.values import AgentId, AgentState, DeviceId, OfferId, QueueId, Seconds
from routing.waiting_line import Needs, meets

Key = tuple[float, ...]
LevelKey = tuple[float, Seconds, int]


@dataclass(slots=True)
class WorkingAgent:
    """An agent and what holds of them; the state follows from it."""

    plan: Agent
    state: AgentState = AgentState.OFFLINE
    since: Seconds | None = None
    logged_in: bool = False
    pause_reason: str | None = None
    own_calls: set[str] = field(default_factory=set)
    parts: dict[OfferId, bool] = field(default_factory=dict)
    """Offers the agent rings in; True once a device of theirs rings."""
    talks: dict[OfferId, bool] = field(default_factory=dict)
    """Offers the agent talks in; True for a queue's (wrap-up follows)."""
    queue_part: Part | None = None
    wrap_up: Timer | None = None
    unreachable: set[DeviceId] = field(default_factory=set)
    unanswered: int = 0
    calls: int = 0
    talk_s: Seconds = 0.0
    last_ended_at: Seconds = 0.0
    queues: list[QueueId] = field(default_factory=list)
    removed: bool = False

    @property
    def agent_id(self) -> AgentId:
        """The plan's key."""
        return self.plan.agent_id

    @property
    def skills(self) -> Mapping[str, int]:
        """Skill to level."""
        return self.plan.skills

    @property
    def reachable(self) -> bool:
        """At least one device can be rung."""
        return any(one.device_id not in self.unreachable for one in self.plan.devices)

    @property
    def calls_now(self) -> int:
        """Calls the agent is in or rung for."""
        # Between the join and the end of the agent's other devices an offer is in both.
        return len(self.own_calls) + len(self.parts.keys() | self.talks.keys())

    def now_is(self) -> AgentState:
        """The state that follows from what holds."""
        return rest_state(
            talks=bool(self.own_calls or self.talks),
            rings=any(self.parts.values()),
            reserved=bool(self.parts),
            logged_in=self.logged_in and not self.removed,
            paused=self.pause_reason is not None,
            wrapping_up=self.wrap_up is not None,
        )

    def remember(self, record: AgentRecord) -> None:
        """Take over the day so far."""
        self.calls = record.calls
        self.talk_s = record.talk_s
        self.last_ended_at = record.last_ended_at


class Members:
    """The members of one queue: their places, and who is free in the strategy's order."""

    def __init__(self, queue: Queue, strategy: Strategy) -> None:
        self.queue = queue
        self.strategy = strategy
        self.places = {agent_id: place for place, agent_id in enumerate(queue.members)}
        self.last_chosen: AgentId | None = None
        self._keys: dict[AgentId, Key] = {}
        self._free: list[tuple[Key, int, WorkingAgent]] = []
        self._by_level: dict[str, list[tuple[float, Seconds, int, WorkingAgent]]] = {}

    @property
    def free_count(self) -> int:
        """How many are free.  (Not ``__len__``: a queue where nobody is free is not false.)"""
        return len(self._free)

    def enter(self, agent: WorkingAgent) -> None:
        """The agent is free now; O(log n)."""
        agent_id = agent.agent_id
        if agent_id in self._keys:
            return
        place = self.places[agent_id]
        key = self.strategy.key(agent, place)
        self._keys[agent_id] = key
        insort(self._free, (key, place, agent), key=_sort_key)
        for skill, level in agent.skills.items():
            entry = (-level, agent.last_ended_at, place, agent)
            insort(self._by_level.setdefault(skill, []), entry, key=_level_key)

    def leave(self, agent: WorkingAgent) -> None:
        """The agent is not free any more; O(log n)."""
        key = self._keys.pop(agent.agent_id, None)
        if key is None:
            return
        place = self.places[agent.agent_id]
        del self._free[bisect_left(self._free, (key, place), key=_sort_key)]
        for skill, level in agent.skills.items():
            line = self._by_level[skill]
            wanted: LevelKey = (-level, agent.last_ended_at, place)
            del line[bisect_left(line, wanted, key=_level_key)]

    def is_free(self, agent_id: AgentId) -> bool:
        """Whether this member is free."""
        return agent_id in self._keys

    def some_free(self, needs: Needs) -> bool:
        """Whether it is worth asking the strategy: O(log n) for one need."""
        if len(needs) == 1:
            line = self._by_level.get(needs[0].skill)
            return line is not None and bool(line) and -line[0][0] >= needs[0].min_level
        return bool(self._free)

    def in_order(self) -> Iterator[WorkingAgent]:
        """Who is free, in the strategy's order."""
        return (agent for _, _, agent in self._free)

    def from_place(self, place: int) -> Iterator[WorkingAgent]:
        """Who is free, from behind this place, around the end (keys are places)."""
        behind: tuple[Key, int] = ((float(place),), place)
        start = bisect_right(self._free, behind, key=_sort_key)
        for index in range(start, len(self._free)):
            yield self._free[index][2]
        for index in range(min(start, len(self._free))):
            yield self._free[index][2]

    def best_at(self, skill: str) -> Iterator[WorkingAgent]:
        """Who is free, by level of a skill, then longest idle."""
        return (entry[3] for entry in self._by_level.get(skill, ()))

    def at(self, index: int) -> WorkingAgent:
        """The n-th in order."""
        return self._free[index][2]


def _sort_key(entry: tuple[Key, int, WorkingAgent]) -> tuple[Key, int]:
    return (entry[0], entry[1])


def _level_key(entry: tuple[float, Seconds, int, WorkingAgent]) -> LevelKey:
    return (entry[0], entry[1], entry[2])


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
        self._needs = needs
        self._barred = barred
        self._refused = refused

    def _may(self, agent: WorkingAgent) -> bool:
        return agent.agent_id not in self._barred and meets(agent.skills, self._needs)

    def __iter__(self) -> Iterator[AgentView]:
        return (agent for agent in self._members.in_order() if self._may(agent))

    def first(self) -> AgentView | None:
        """The first in order."""
        return next(iter(self), None)

    def after(self, place: int) -> AgentView | None:
        """The next behind this place, around the end."""
        found = (agent for agent in self._members.from_place(place) if self._may(agent))
        return next(found, None)

    def get(self, agent_id: AgentId) -> AgentView | None:
        """This agent, if among them."""
        agent = self._agents.get(agent_id)
        if agent is None or not self._members.is_free(agent_id) or not self._may(agent):
            return None
        return agent

    def any_of(self, rng: random.Random) -> AgentView | None:
        """One by chance, all alike."""
        size = self._members.free_count
        for _ in range(min(size, 8)):
            agent = self._members.at(rng.randrange(size))
            if self._may(agent):
                return agent
        # Few of many may take this call: look through all rather than guess on.
        left = list(self)
        return rng.choices(left)[0] if left else None

    def by_level(self, skill: str) -> AgentView | None:
        """One with the highest level of the skill; among equals the longest idle."""
        return next((one for one in self._members.best_at(skill) if self._may(one)), None)

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
