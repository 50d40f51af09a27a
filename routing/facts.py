"""What the journal keeps of the distribution.  A fact never changes anything; it tells."""

from __future__ import annotations

from routing.record import record
from routing.values import (
    AgentId,
    AgentState,
    CallId,
    DeviceId,
    Disposition,
    LegId,
    OfferId,
    QueueId,
    Seconds,
)


@record
class WaitStarted:
    """The caller is in the line, ``position`` 1 is next."""

    call_id: CallId
    queue_id: QueueId
    position: int
    priority: int
    waiting_since: Seconds


@record
class WaitEnded:
    """The caller left the line.  ``reason``: joined, left (hung up), or a ReturnReason's value."""

    call_id: CallId
    queue_id: QueueId
    waited_s: Seconds
    reason: str


@record
class LeftOut:
    """An agent who was not asked, and why.

    ``reason`` is one of: busy, wrap_up, paused, offline, unreachable, skill, just_refused,
    not_chosen.
    """

    agent_id: AgentId
    reason: str


@record
class OfferMade:
    """Whom we ring for this call, and why them.  ``queue_id`` is None for a call by extension."""

    offer_id: OfferId
    call_id: CallId
    queue_id: QueueId | None
    strategy: str
    chosen: tuple[AgentId, ...]
    left_out: tuple[LeftOut, ...]
    why: str


@record
class OfferEnded:
    """``result``: joined, no_answer, refused, caller_left, withdrawn, failed."""

    offer_id: OfferId
    call_id: CallId
    result: str


@record
class LegStarted:
    """A device is asked to ring."""

    leg_id: LegId
    call_id: CallId
    offer_id: OfferId
    agent_id: AgentId
    device_id: DeviceId
    address: str


@record
class LegRang:
    """The device reported ringing."""

    leg_id: LegId
    call_id: CallId


@record
class LegJoined:
    """The device talks with the caller.  ``handoff_s``: from pick-up to joined, if known."""

    leg_id: LegId
    call_id: CallId
    agent_id: AgentId


@record
class LegFinished:
    """The leg is over.  ``ring_s`` and ``talk_s`` are 0 when it did not get that far."""

    leg_id: LegId
    call_id: CallId
    agent_id: AgentId
    disposition: Disposition
    cause: str
    ring_s: Seconds
    talk_s: Seconds


@record
class AgentChanged:
    """An agent moved from one state to another; the old one lasted ``lasted_s``."""

    agent_id: AgentId
    old: AgentState
    new: AgentState
    reason: str
    call_id: CallId | None = None
    lasted_s: Seconds = 0.0


@record
class Irregular:
    """An event that does not fit the state: it changed nothing and is counted."""

    what: str


Fact = (
    WaitStarted
    | WaitEnded
    | OfferMade
    | OfferEnded
    | LegStarted
    | LegRang
    | LegJoined
    | LegFinished
    | AgentChanged
    | Irregular
)
