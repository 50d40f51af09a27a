"""Agents at work: what holds of each, from which the state follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from routing.agent_state import rest_state
from routing.memory import AgentRecord
from routing.offer import Part
from routing.plan import Agent
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
    known_free: bool = False
    """The indexes of their queues have them among the free."""
    agent_id: AgentId = field(init=False)
    """The plan's key: kept here, as nothing else is asked for as often."""

    def __post_init__(self) -> None:
        self.agent_id = self.plan.agent_id

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
        return len(self.own_calls) + len(self.parts.keys() | self.talks.keys())

    def now_is(self) -> AgentState:
        """The state that follows from what holds."""
        return rest_state(self)

    def remember(self, record: AgentRecord) -> None:
        """Take over the day so far."""
        self.calls = record.calls
        self.talk_s = record.talk_s
        self.last_ended_at = record.last_ended_at
