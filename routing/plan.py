"""What the dispatcher needs to know of the dial plan: agents, their devices, and queues.

Built and validated by pbx/plan; immutable, replaced as a whole on reload.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from routing.values import AgentId, DeviceId, QueueId, Seconds


@dataclass(frozen=True, slots=True)
class Device:
    """One phone of an agent.

    ``address`` is opaque to routing: the switch's dial string (``PJSIP/ivanov``).
    ``delay_s`` is counted from the start of the offer; ``ring_time_s`` from its own start.
    """

    device_id: DeviceId
    address: str
    delay_s: Seconds = 0.0
    ring_time_s: Seconds = 20.0


@dataclass(frozen=True, slots=True)
class Agent:
    """A manager.

    ``calls_at_once`` bounds all calls of the agent together; a queue offers only to an agent
    who has none, whatever this says: the rest is room for calls dialled by extension.
    ``pause_after_no_answers``: paused after so many offers in a row not answered; 0 is never.
    """

    agent_id: AgentId
    name: str
    department: str = ""
    skills: Mapping[str, int] = field(default_factory=dict)
    devices: tuple[Device, ...] = ()
    wrap_up_s: Seconds = 0.0
    calls_at_once: int = 1
    pause_after_no_answers: int = 0


@dataclass(frozen=True, slots=True)
class StrategyChoice:
    """A strategy by its registered name, with its parameters, and what follows when it yields."""

    name: str
    params: Mapping[str, object] = field(default_factory=dict)
    fallback: StrategyChoice | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """A waiting line and who serves it.

    ``members`` keep the plan's order (linear uses it).  ``ring_time_s`` bounds an offer as a
    whole.  ``retry_delay_s``: an agent who has just refused or not answered is not asked again
    for the same call before every other eligible one was, and not within this time.
    ``max_wait_s`` and ``max_length`` None: no limit.  ``weights`` are for strategy weighted.
    ``leave_when_no_agents``: callers go to the overflow at once when nobody is logged in.
    ``short_abandon_s``: who hangs up within this time is counted as a short abandon.
    ``priority_step_s``: how much waiting a step of priority is worth.  ``weight``: steps by which
    all its callers go before those of other queues, at an agent who serves both.
    ``returning_s``: who hangs up while waiting and calls again within this time has the old place
    back; None: never.  ``manager_wait_s``: how long a caller waits for the manager who is
    responsible for them while that one is busy.
    """

    queue_id: QueueId
    members: tuple[AgentId, ...]
    strategy: StrategyChoice
    ring_time_s: Seconds = 20.0
    retry_delay_s: Seconds = 5.0
    max_wait_s: Seconds | None = None
    max_length: int | None = None
    leave_when_no_agents: bool = False
    short_abandon_s: Seconds = 5.0
    priority_step_s: Seconds = 60.0
    returning_s: Seconds | None = None
    manager_wait_s: Seconds = 30.0
    weights: Mapping[AgentId, int] = field(default_factory=dict)
    weight: int = 0


@dataclass(frozen=True, slots=True)
class RoutingPlan:
    """All agents and queues, by id."""

    agents: Mapping[AgentId, Agent]
    queues: Mapping[QueueId, Queue]
