"""What the dispatcher wants done.  Named in the imperative; carried out by the engine."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class RingDevice:
    """Ring this device for this caller; whoever picks up first is joined with the caller."""

    leg_id: LegId
    offer_id: OfferId
    call_id: CallId
    agent_id: AgentId
    device_id: DeviceId
    address: str
    ring_time_s: Seconds


@dataclass(frozen=True, slots=True)
class StopRinging:
    """Stop this leg; ``disposition`` (cancelled, answered_elsewhere, no_answer) says why.

    A ``LegEnded`` follows in any case.  The switch reports the disposition given here if the
    device had not ended by itself before.
    """

    leg_id: LegId
    disposition: Disposition


@dataclass(frozen=True, slots=True)
class ReturnCaller:
    """The caller's wait ends without an agent: the walk goes on from here."""

    call_id: CallId
    reason: ReturnReason


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send ``Woke`` at this time.  Replaces the wish before it: the dispatcher has one timer."""

    at: Seconds


Command = RingDevice | StopRinging | ReturnCaller | WakeAt
