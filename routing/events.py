"""What happened, as the dispatcher is told it.  Named in the past tense."""

from __future__ import annotations

from routing.leg_ids import LegIds
from routing.plan import RoutingPlan
from routing.record import record
from routing.values import (
    AgentId,
    CallId,
    DeviceId,
    Disposition,
    LegId,
    QueueId,
    Seconds,
    SkillNeed,
)


@record
class CallerQueued:
    """A caller began to wait.

    ``number``: E.164 with ``+``, or "" when withheld.  ``priority``: steps, see
    waiting_line.py.
    ``waiting_since``: when the wait began (differs from now only after a take-over).
    ``manager``: is responsible for the caller and goes before whom the strategy chooses; None:
    nobody is.
    """

    call_id: CallId
    queue_id: QueueId
    number: str
    needs: tuple[SkillNeed, ...] = ()
    priority: int = 0
    waiting_since: Seconds | None = None
    manager: AgentId | None = None


@record
class CallbackQueued:
    """A callback stands in a line in the place of who asked for it: nobody is on the line.

    As ``CallerQueued``; whoever picks up first has it, and has to be joined within
    ``join_within_s``.  It takes no place from callers (``max_length``), and waits without limit.
    """

    call_id: CallId
    queue_id: QueueId
    number: str
    needs: tuple[SkillNeed, ...]
    priority: int
    waiting_since: Seconds
    join_within_s: Seconds


@record
class CallbackWithdrawn:
    """Nobody shall be rung for this callback (now).  ``reason``: for the log."""

    call_id: CallId
    reason: str


@record
class CallerForAgent:
    """A caller asked for one agent (dialled the extension, or was transferred).

    ``join_within_s``: the agent asked for the call, and the other side is called when they have
    picked up, as in ``CallbackQueued``; None for a caller who is on the line.
    """

    call_id: CallId
    agent_id: AgentId
    number: str
    ring_time_s: Seconds = 20.0
    join_within_s: Seconds | None = None


@record
class TalkFound:
    """An agent talks with a caller on a device that was rung before our time.

    ``queue_id``: None where the caller had asked for this agent.  ``started_at``: when the device
    was rung; ``joined_at``: when the talk began, None where nobody saw it: it counts from now on.
    """

    call_id: CallId
    leg_id: LegId
    agent_id: AgentId
    device_id: DeviceId
    queue_id: QueueId | None
    number: str
    started_at: Seconds
    joined_at: Seconds | None


@record
class CallerLeft:
    """The caller hung up, or left the line for another way; nothing may ring for them any more.

    ``by_key``: left for another way of their own choice.
    """

    call_id: CallId
    by_key: bool = False


@record
class DeviceRinging:
    """The device reported ringing (SIP 180/183)."""

    leg_id: LegId


@record
class DeviceAnswered:
    """The device was picked up; whether it has the caller is told by ``Joined``."""

    leg_id: LegId


@record
class Joined:
    """The device and the caller hear each other."""

    leg_id: LegId


@record
class LegEnded:
    """The device's channel is gone.  ``cause``: the switch's own words, for the log."""

    leg_id: LegId
    disposition: Disposition
    cause: str = ""


@record
class EndedAlike:
    """A ``LegEnded`` for each of these legs."""

    leg_ids: LegIds
    disposition: Disposition
    cause: str = ""


@record
class LegsEnded:
    """Legs that ended together: who is free then is chosen from when the last of them is."""

    ends: tuple[LegEnded | EndedAlike, ...]


@record
class AgentLoggedIn:
    """The agent came to work."""

    agent_id: AgentId


@record
class AgentLoggedOut:
    """The agent left; a talk in progress goes on."""

    agent_id: AgentId


@record
class AgentPaused:
    """The agent asked for no calls, or was paused by us."""

    agent_id: AgentId
    reason: str


@record
class AgentResumed:
    """The agent takes calls again.  Also ends a wrap-up early."""

    agent_id: AgentId


@record
class OwnCallStarted:
    """The agent made or got a call past the queues.  ``key``: unique per such call."""

    agent_id: AgentId
    key: str


@record
class OwnCallEnded:
    """The end of ``OwnCallStarted`` with the same key."""

    agent_id: AgentId
    key: str


@record
class DeviceReachable:
    """The switch can reach the device again."""

    device_id: DeviceId


@record
class DeviceUnreachable:
    """The switch can't reach the device (not registered, does not reply)."""

    device_id: DeviceId


@record
class PlanReplaced:
    """A new plan is in force; what that means for calls in progress: replacement.py.

    ``on_duty``: agents who come to work with it; ``unreachable``: of its devices, as far as known.
    """

    plan: RoutingPlan
    on_duty: frozenset[AgentId] = frozenset()
    unreachable: frozenset[DeviceId] = frozenset()


@record
class DayBegan:
    """It is midnight where the company is: what strategies count by the day begins anew."""


@record
class Woke:
    """The time asked for by ``WakeAt`` has come.  Harmless at any other time."""


Event = (
    CallerQueued
    | CallbackQueued
    | CallbackWithdrawn
    | CallerForAgent
    | TalkFound
    | CallerLeft
    | DeviceRinging
    | DeviceAnswered
    | Joined
    | LegEnded
    | LegsEnded
    | AgentLoggedIn
    | AgentLoggedOut
    | AgentPaused
    | AgentResumed
    | OwnCallStarted
    | OwnCallEnded
    | DeviceReachable
    | DeviceUnreachable
    | PlanReplaced
    | DayBegan
    | Woke
)
