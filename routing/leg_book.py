"""All legs by their ids, those of a chorus among them, and how one leaves its chorus.

House rules: a leg is in a chorus as long as nothing has happened to it or to its agent alone.  Who
is told of something that does asks here for the leg or has the chorus dissolved, and from then on
there are a ``Part`` and a ``Leg`` as if there had always been.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from itertools import chain

from routing.agents import WorkingAgent
from routing.leg_ids import LegIds, number_of
from routing.offer import Chorus, Leg, Part
from routing.values import AgentId, LegId


class LegBook(Mapping[LegId, Leg]):
    """The legs that ring or talk.  Read as a mapping it changes nothing: what it gives of a leg in
    a chorus is made for who asked."""

    def __init__(self, agents: Mapping[AgentId, WorkingAgent], prefix: str) -> None:
        self._agents = agents
        self._prefix = f"{prefix}l"
        self._made = 0
        self._alone: dict[LegId, Leg] = {}
        self._choruses: list[Chorus] = []
        self._firsts: list[int] = []
        """By the numbers of their legs, ascending, and the first number of each."""

    def new_ids(self, count: int) -> LegIds:
        """For legs that are about to ring."""
        ids = LegIds(self._prefix, self._made + 1, count)
        self._made += count
        return ids

    # For reading -------------------------------------------------------------------------

    def __getitem__(self, leg_id: LegId) -> Leg:
        leg = self._alone.get(leg_id)
        if leg is not None:
            return leg
        chorus, place = self._find(leg_id)
        if chorus is None:
            raise KeyError(leg_id)
        return self._leg(chorus, place)

    def __contains__(self, leg_id: object) -> bool:
        return leg_id in self._alone or (
            isinstance(leg_id, str) and self._find(LegId(leg_id))[0] is not None
        )

    def __iter__(self) -> Iterator[LegId]:
        return chain(self._alone, *(chorus.leg_ids for chorus in self._choruses))

    def __len__(self) -> int:
        return len(self._alone) + sum(map(len, self._choruses))

    def _find(self, leg_id: LegId) -> tuple[Chorus | None, int]:
        number = number_of(leg_id, self._prefix) if self._choruses else None
        if number is None:
            return None, 0
        index = bisect_right(self._firsts, number) - 1
        chorus = self._choruses[index] if index >= 0 else None
        place = chorus.leg_ids.place_of(leg_id) if chorus is not None else None
        return (None, 0) if place is None else (chorus, place)

    def _leg(self, chorus: Chorus, place: int) -> Leg:
        agent = self._agents[chorus.agent_ids[place]]
        part = Part(chorus.offer, agent.agent_id, chorus.deadline, closing=chorus.closing)
        leg_id = chorus.leg_ids.at(place)
        leg = Leg(leg_id, part, agent.plan.devices[0].device_id, chorus.started_at)
        leg.stopped, leg.grace = chorus.stopped, chorus.grace
        part.legs[leg_id] = leg
        return leg

    # Changes -----------------------------------------------------------------------------

    def add(self, leg: Leg) -> None:
        """A leg by itself."""
        self._alone[leg.leg_id] = leg

    def add_chorus(self, chorus: Chorus) -> None:
        """Legs that ring together: the newest there are."""
        self._choruses.append(chorus)
        self._firsts.append(chorus.leg_ids.first)

    def alone(self, leg_id: LegId) -> Leg | None:
        """The leg, to which something happens that ends its part in a chorus; None if unknown."""
        leg = self._alone.get(leg_id)
        if leg is not None:
            return leg
        chorus, place = self._find(leg_id)
        return None if chorus is None else self._take(chorus, place)

    def each(self, leg_id: LegId) -> Leg | None:
        """The leg, which is heard of: so will be those that ring with it, each for itself."""
        if leg_id not in self._alone and (chorus := self._find(leg_id)[0]) is not None:
            self.dissolve(chorus)
        return self._alone.get(leg_id)

    def pop(self, leg_id: LegId) -> Leg | None:
        """The leg, which is no more."""
        leg = self.alone(leg_id)
        if leg is not None:
            del self._alone[leg_id]
        return leg

    def chorus_of(self, leg_ids: LegIds) -> Chorus | None:
        """The chorus that these are, all of it and nothing else."""
        index = bisect_left(self._firsts, leg_ids.first)
        chorus = self._choruses[index] if index < len(self._choruses) else None
        return chorus if chorus is not None and chorus.leg_ids == leg_ids else None

    def remove(self, chorus: Chorus) -> None:
        """All of its legs are no more, or each by itself."""
        index = bisect_left(self._firsts, chorus.leg_ids.first)
        del self._choruses[index], self._firsts[index]

    def dissolve(self, chorus: Chorus) -> None:
        """Each by itself from here on: what comes is told of each."""
        for place in chorus.leg_ids.places():
            self._take(chorus, place)

    def dissolve_all(self) -> None:
        """No chorus is left."""
        for chorus in tuple(self._choruses):
            self.dissolve(chorus)

    def _take(self, chorus: Chorus, place: int) -> Leg:
        leg = self._leg(chorus, place)
        agent_id = chorus.agent_ids[place]
        agent = self._agents[agent_id]
        agent.known_free = False
        agent.parts[chorus.offer.offer_id] = False
        self._alone[leg.leg_id] = leg
        # In the place of the chorus: the order in which phones are told to stop stays.
        chorus.offer.parts[agent_id] = agent.queue_part = leg.part
        chorus.leave_out(place)
        if not len(chorus):
            self.remove(chorus)
        return leg
