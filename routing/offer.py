"""A call in the distribution, and an offer of it: who is rung on which devices."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from routing.memory import LastTalk
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


@dataclass(slots=True)
class Part:
    """One agent's part in an offer."""

    offer: Offer
    agent_id: AgentId
    deadline: Timer | None = None
    legs: dict[LegId, Leg] = field(default_factory=dict)
    to_start: dict[DeviceId, Timer] = field(default_factory=dict)
    closing: Result | None = None
    """Set when the part is over but for its legs' ends."""
    rang_out: bool = False
    dispositions: list[Disposition] = field(default_factory=list)


@dataclass(slots=True)
class Offer:
    """One attempt to give a call to agents."""

    offer_id: OfferId
    call: Call
    direct: bool
    all_free: bool
    parts: dict[AgentId, Part] = field(default_factory=dict)


@dataclass(slots=True)
class Refusal:
    """Who refused or did not answer this call, how often and when last."""

    count: int
    at: Seconds


@dataclass(slots=True)
class Call:
    """A caller in the distribution: waiting, or talking with ``joined``.

    ``place_since`` and ``step_s``: what the place in the line is made of (waiting_line.turn_of).
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

    @property
    def turn(self) -> Turn:
        """The place in the order of service."""
        return turn_of(
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
            for leg in part.legs.values()
        )
