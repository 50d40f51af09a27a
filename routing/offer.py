"""A call in the distribution, and an offer of it: who is rung on which devices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from routing.last_talks import LastTalk
from routing.leg_ids import LegIds
from routing.timers import Timer
from routing.values import (
    AgentId,
    CallId,
    DeviceId,
    Disposition,
    LegId,
    OfferId,
    QueueId,
    Seconds,
    SkillNeed,
)
from routing.waiting_line import Needs, Turn, turn_of

if TYPE_CHECKING:  # both know what is here
    from routing.members import Aside, Members


class Result(StrEnum):
    """How an agent's part in an offer ended without a talk."""

    REFUSED = "refused"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


@dataclass(slots=True)
class Leg:
    """One device that is rung."""

    leg_id: LegId
    part: Part
    device_id: DeviceId
    started_at: Seconds
    answered_at: Seconds | None = None
    joined_at: Seconds | None = None
    stopped: bool = False
    grace: Timer | None = None


@dataclass(slots=True, eq=False)
class Part:
    """One agent's part in an offer."""

    offer: Offer
    agent_id: AgentId
    deadline: Timer | None = None
    legs: dict[LegId, Leg] = field(default_factory=dict)
    to_start: dict[DeviceId, Timer] = field(default_factory=dict)
    closing: Result | None = None
    """Set when the part is over but for its legs' ends."""
    dispositions: list[Disposition] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Chorus:
    """Agents of one offer who are rung on one device each at the same moment, and of whom nothing
    else has been heard: one record in the place of a ``Part`` and a ``Leg`` for each.

    ``leg_ids`` of those that are left, ``agent_ids`` of all who were rung: by place, in the order
    in which they are rung.  ``aside``: their places among the free, for when they are again.  The
    rest is as in the two.
    """

    offer: Offer
    leg_ids: LegIds
    agent_ids: tuple[AgentId, ...]
    started_at: Seconds
    deadline: Timer | None
    closing: Result | None = None
    stopped: bool = False
    grace: Timer | None = None
    aside: Sequence[tuple[Members, Aside]] = ()

    def __len__(self) -> int:
        """How many are left."""
        return len(self.leg_ids)

    def leave_out(self, place: int) -> None:
        """The leg at this place is by itself from here on."""
        ids = self.leg_ids
        but = tuple(sorted((*ids.but, place)))
        self.leg_ids = LegIds(ids.prefix, ids.first, ids.size, but)

    def agents_left(self) -> Sequence[AgentId]:
        """Whose legs are left."""
        return self.leg_ids.left_of(self.agent_ids)


@dataclass(slots=True)
class Offer:
    """One attempt to give a call to agents.  Who rings in a chorus has that as their part."""

    offer_id: OfferId
    call: Call
    direct: bool
    all_free: bool
    parts: dict[AgentId, Part | Chorus] = field(default_factory=dict)


@dataclass(slots=True)
class Refusal:
    """Who refused or did not answer this call, how often and when last."""

    count: int
    at: Seconds


@dataclass(slots=True)
class Call:
    """A caller in the distribution: waiting, or talking with ``joined``.

    ``place_since`` and ``step_s``: what the place in the line is made of (waiting_line.turn_of);
    ``turn``: that place, from the begin of the wait on.
    ``join_within_s``: of a callback, with nobody on the line yet; None for a caller.
    ``taken_by``: the leg that was picked up for it.
    ``leaves_if_nobody``: the wait ends when the last agent at work goes.
    ``manager``: who is responsible for the caller, None for nobody.
    """

    call_id: CallId
    queue_id: QueueId | None
    number: str
    needs: tuple[SkillNeed, ...]
    priority: int
    waiting_since: Seconds
    order: int
    last_talk: LastTalk | None
    place_since: Seconds = 0.0
    step_s: Seconds = 0.0
    leaves_if_nobody: bool = False
    manager: AgentId | None = None
    needs_now: Needs = ()
    in_line: bool = False
    offer: Offer | None = None
    joined: Leg | None = None
    gone: bool = False
    refusals: dict[AgentId, Refusal] = field(default_factory=dict)
    waits_for: AgentId | None = None
    direct_to: AgentId | None = None
    join_within_s: Seconds | None = None
    taken_by: LegId | None = None
    max_wait: Timer | None = None
    ask_again: Timer | None = None
    needs_change: Timer | None = None
    turn: Turn = field(init=False, repr=False, compare=False)

    def wait_begins(self) -> None:
        """What the place in the order of service is made of is known, and stays as it is."""
        self.turn = turn_of(
            self.call_id,
            priority=self.priority,
            step_s=self.step_s,
            place_since=self.place_since,
            waiting_since=self.waiting_since,
            order=self.order,
        )

    def timers(self) -> list[Timer]:
        """The deadlines this call owns."""
        mine = (self.max_wait, self.ask_again, self.needs_change)
        return [one for one in mine if one is not None]

    @property
    def calls_back(self) -> bool:
        """Nobody is on the line: they are called when a device is picked up."""
        return self.join_within_s is not None

    @property
    def picked_up(self) -> bool:
        """A device has been picked up and not yet ended: the join is under way."""
        if self.offer is None:
            return False
        return any(
            leg.answered_at is not None and not leg.stopped
            for part in self.offer.parts.values()
            if isinstance(part, Part)
            for leg in part.legs.values()
        )
