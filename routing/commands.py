"""What the dispatcher wants done.  Named in the imperative; carried out by the engine."""

from __future__ import annotations

from routing.record import record
from routing.values import (
    AgentId,
    CallId,
    DeviceId,
    Disposition,
    LegId,
    OfferId,
    ReturnReason,
    Seconds,
)


@record
class RingDevice:
    """Ring this device for this caller; whoever picks up first is joined with the caller."""

    leg_id: LegId
    offer_id: OfferId
    call_id: CallId
    agent_id: AgentId
    device_id: DeviceId
    address: str
    ring_time_s: Seconds


@record
class StopRinging:
    """Stop this leg; ``disposition`` (cancelled, answered_elsewhere, no_answer) says why.

    A ``LegEnded`` follows in any case.  The switch reports the disposition given here if the
    device had not ended by itself before.
    """

    leg_id: LegId
    disposition: Disposition


@record
class ReturnCaller:
    """The caller's wait ends without an agent: the walk goes on from here."""

    call_id: CallId
    reason: ReturnReason


@record
class WakeAt:
    """Send ``Woke`` at this time.  Replaces the wish before it: the dispatcher has one timer."""

    at: Seconds


Command = RingDevice | StopRinging | ReturnCaller | WakeAt
