"""What a strategy is, what it may see, and the registry that knows them by name.

A strategy answers one question: given this caller and the free agents who could take the call
now, whom do we ring, and if nobody, when do we ask again?  It changes nothing: the dispatcher
does, in one place.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from routing.last_talks import LastTalk
from routing.record import record
from routing.values import AgentId, AgentState, Seconds, SkillNeed


class AgentView(Protocol):
    """An agent as a strategy sees them."""

    @property
    def agent_id(self) -> AgentId:
        """The plan's key."""

    @property
    def skills(self) -> Mapping[str, int]:
        """Skill to level, 1 the lowest."""

    @property
    def calls(self) -> int:
        """Calls talked today."""

    @property
    def talk_s(self) -> Seconds:
        """Talked today, seconds."""

    @property
    def last_ended_at(self) -> Seconds:
        """End of the last talk (core time), 0 for none."""


class CallerView(Protocol):
    """A waiting caller as a strategy sees them."""

    @property
    def number(self) -> str:
        """E.164, "" when withheld."""

    @property
    def waiting_since(self) -> Seconds:
        """When the wait began (core time)."""

    @property
    def needs(self) -> tuple[SkillNeed, ...]:
        """What the caller needs, as asked for."""

    @property
    def last_talk(self) -> LastTalk | None:
        """Whom this number talked with last."""


class FreeAgents(Protocol):
    """The free agents who could take this call now, in the strategy's own order (``key``).

    Who lacks a skill, or has just refused this call, is not among them.
    """

    def __iter__(self) -> Iterator[AgentView]:
        """In order; lazily, so taking the first costs O(log n)."""

    def ids(self) -> tuple[AgentId, ...]:
        """Of all of them, in order; cheaper than one by one."""

    def first(self) -> AgentView | None:
        """The first in order."""

    def after(self, place: int) -> AgentView | None:
        """The next behind this place in the plan's list of members, around the end.  Only for
        strategies whose key is the place alone."""

    def get(self, agent_id: AgentId) -> AgentView | None:
        """This agent, if among them."""

    def any_of(self, rng: random.Random) -> AgentView | None:
        """One by chance, all alike."""

    def by_weight(self, rng: random.Random) -> tuple[AgentView, float] | None:
        """One by chance in proportion to the queue's weights (1 for who has none), and their
        share of those here, 0 to 1; None when all weigh 0."""

    def by_level(self) -> AgentView | None:
        """The one whose weakest needed skill is strongest; among equals the longest idle."""

    def place_of(self, agent_id: AgentId) -> int | None:
        """Place of any member in the plan's list (0 is the first), free or not."""

    def state_of(self, agent_id: AgentId) -> AgentState | None:
        """State of any member, None for who is none; offline too when no device is reachable."""

    def refused(self, agent_id: AgentId) -> bool:
        """The agent has refused or not answered this very call."""

    @property
    def last_chosen(self) -> AgentId | None:
        """Who was chosen last in this queue."""


@record
class Choice:
    """Whom to ring.

    ``chosen`` empty: nobody for now; then ``wait_for`` is the agent whose becoming free is worth
    asking again, and ``ask_again_at`` (core time) when to ask anyway.  ``all_free``: whoever
    becomes free while these ring is rung too.  ``why``: for the log, in few words.
    """

    chosen: tuple[AgentId, ...]
    why: str
    wait_for: AgentId | None = None
    ask_again_at: Seconds | None = None
    all_free: bool = False


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter in the plan: ``kind`` is one of seconds, number, list of seconds."""

    kind: str
    default: object
    text: str


@dataclass(frozen=True, slots=True)
class Setup:
    """What a strategy is made with: checked parameters, what it falls back on, chance."""

    params: Mapping[str, object]
    fallback: Strategy | None
    rng: random.Random
    weights: Mapping[AgentId, int]

    def seconds(self, name: str) -> Seconds:
        """A parameter of kind seconds or number."""
        value = self.params[name]
        if isinstance(value, int | float):
            return float(value)
        raise TypeError(f"{name} is {value!r}, not a number")

    def several(self, name: str) -> tuple[Seconds, ...]:
        """A parameter of kind list of seconds; a single number is a list of one."""
        value = self.params[name]
        if isinstance(value, list | tuple):
            return tuple(float(one) for one in value)
        return (self.seconds(name),)


class Strategy:
    """Base of all strategies.  One instance per queue; made anew on reload.

    Class attributes: ``name`` as in the plan; ``params``; ``default_fallback`` is the name of the
    strategy it falls back on, "" for none; ``text`` tells an admin what it does.
    """

    name: ClassVar[str]
    text: ClassVar[str]
    params: ClassVar[Mapping[str, Param]] = {}
    default_fallback: ClassVar[str] = ""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    def key(self, agent: AgentView, place: int) -> tuple[float, ...]:
        """The agent's place in the order of free agents; does not change while they are free.

        ``place``: in the plan's list of members.  The smallest is first.
        """
        return (agent.last_ended_at, place)

    def needs(
        self, caller: CallerView, now: Seconds
    ) -> tuple[tuple[SkillNeed, ...], Seconds | None]:
        """The needs that hold now, and when they change (core time), None for never."""
        return caller.needs, None

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """Whom to ring; asked only while somebody is free, or when ``ask_again_at`` has come."""
        raise NotImplementedError


class UnknownStrategy(Exception):
    """No strategy of this name.  The plan's loader refuses it long before."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown strategy {name!r}")


class Registry:
    """Strategies by name."""

    def __init__(self, classes: Mapping[str, type[Strategy]]) -> None:
        self._classes = dict(classes)

    @classmethod
    def builtin(cls) -> Registry:
        """Those that come with the product."""
        from routing.strategies import BUILTIN  # the strategies import this module

        return cls({one.name: one for one in BUILTIN})

    def with_plugins(self, plugins: Mapping[str, type[Strategy]]) -> Registry:
        """A registry with third parties' strategies beside ours; ours can't be replaced."""
        return Registry({**plugins, **self._classes})

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._classes)

    def get(self, name: str) -> type[Strategy] | None:
        """The class, None when there is none of this name."""
        return self._classes.get(name)

    def make(
        self,
        name: str,
        params: Mapping[str, object],
        fallback: Strategy | None,
        *,
        rng: random.Random,
        weights: Mapping[AgentId, int],
    ) -> Strategy:
        """A strategy for one queue, defaults filled in.  Raises UnknownStrategy."""
        found = self._classes.get(name)
        if found is None:
            raise UnknownStrategy(name)
        if fallback is None and found.default_fallback:
            fallback = self.make(found.default_fallback, {}, None, rng=rng, weights=weights)
        filled = {key: params.get(key, param.default) for key, param in found.params.items()}
        return found(Setup(filled, fallback, rng, weights))
