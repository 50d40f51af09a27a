"""Agents at work: what holds of each, from which the state follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from routing.agent_state import rest_state
from routing.memory import AgentRecord
from routing.offer import Chorus, Part
from routing.plan import Agent, Device
from routing.timers import Timer
from routing.values import AgentId, AgentState, DeviceId, OfferId, QueueId, Seconds


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
    """Offers the agent rings in, but for one as part of a chorus; True once a device rings."""
    talks: dict[OfferId, bool] = field(default_factory=dict)
    """Offers the agent talks in; True for a queue's (wrap-up follows)."""
    queue_part: Part | Chorus | None = None
    wrap_up: Timer | None = None
    unreachable: set[DeviceId] = field(default_factory=set)
    unanswered: int = 0
    calls: int = 0
    talk_s: Seconds = 0.0
    last_ended_at: Seconds = 0.0
    queues: tuple[QueueId, ...] = ()
    """One and the same for all who have the same."""
    removed: bool = False
    known_free: bool = False
    """The indexes of their queues have them among the free, or set aside with a chorus."""
    agent_id: AgentId = field(init=False)
    """The plan's key: kept here, as nothing else is asked for as often."""
    only_phone: Device | None = field(init=False)
    """Of who has one device, which rings at once."""

    def __post_init__(self) -> None:
        self.agent_id = self.plan.agent_id
        self.follow(self.plan)

    def follow(self, plan: Agent) -> None:
        """This is what the plan says now."""
        self.plan = plan
        at_once = len(plan.devices) == 1 and plan.devices[0].delay_s <= 0
        self.only_phone = plan.devices[0] if at_once else None

    @property
    def skills(self) -> Mapping[str, int]:
        """Skill to level."""
        return self.plan.skills

    @property
    def reachable(self) -> bool:
        """At least one device can be rung."""
        devices = self.plan.devices
        if not self.unreachable:
            return bool(devices)
        return any(one.device_id not in self.unreachable for one in devices)

    @property
    def calls_now(self) -> int:
        """Calls the agent is in or rung for."""
        # Between the join and the end of the agent's other devices an offer is in both.
        in_chorus = isinstance(self.queue_part, Chorus)
        return len(self.own_calls) + in_chorus + len(self.parts.keys() | self.talks.keys())

    def now_is(self) -> AgentState:
        """The state that follows from what holds; in a chorus an offer does, and nothing else."""
        in_chorus = isinstance(self.queue_part, Chorus)
        return AgentState.RESERVED if in_chorus else rest_state(self)

    def remember(self, record: AgentRecord) -> None:
        """Take over the day so far."""
        self.calls = record.calls
        self.talk_s = record.talk_s
        self.last_ended_at = record.last_ended_at
