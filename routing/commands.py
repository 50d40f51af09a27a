"""What the dispatcher wants done.  Named in the imperative; carried out by the engine."""

from __future__ import annotations

from collections.abc import Iterator

from routing.leg_ids import LegIds
from routing.plan import Device
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
class RingTogether:
    """Ring several agents for this caller, each on one device, at once: a ``RingDevice`` for each.

    ``devices`` are the agents', in the same order; none rings longer than ``most_s``.
    """

    leg_ids: LegIds
    offer_id: OfferId
    call_id: CallId
    agent_ids: tuple[AgentId, ...]
    devices: tuple[Device, ...]
    most_s: Seconds

    def each(self) -> Iterator[RingDevice]:
        """One by one."""
        legs = zip(self.leg_ids, self.agent_ids, self.devices, strict=True)
        for leg_id, agent_id, device in legs:
            yield RingDevice(
                leg_id,
                self.offer_id,
                self.call_id,
                agent_id,
                device.device_id,
                device.address,
                min(device.ring_time_s, self.most_s),
            )


@record
class StopTogether:
    """Stop all these legs: a ``StopRinging`` for each."""

    leg_ids: LegIds
    disposition: Disposition

    def each(self) -> Iterator[StopRinging]:
        """One by one."""
        return (StopRinging(leg_id, self.disposition) for leg_id in self.leg_ids)


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
Given = Command | RingTogether | StopTogether
"""As the distribution gives them: what is done to many phones alike is one."""
