"""Legs' rows: the caller's own, devices, outside numbers, talks and transfers."""

from __future__ import annotations

from datetime import datetime, timedelta

from pbx.journal import port
from pbx.journal.change import Added, Change, Changed, Value, added, text
from pbx.journal.tables import LegKind, legs
from routing import facts
from routing.values import AgentId, CallId, Disposition, LegId, Outcome


def inbound_started(entry: port.CallStarted, at: datetime) -> list[Change]:
    """The caller's own leg begins."""
    leg_id = _inbound_id(entry.call_id)
    leg = _leg(leg_id, entry.call_id, LegKind.INBOUND, at, address=entry.did)
    if not entry.reconstructed:
        return [leg]
    open_again = {"ended_at": None, "disposition": None, "cause": None}
    return [leg, Changed(legs, "leg_id", leg_id, open_again)]


def inbound_ended(entry: port.CallEnded, at: datetime) -> Change:
    """The caller's own leg ends: answered by someone or a machine, refused, or given up."""
    match entry.outcome:
        case Outcome.ANSWERED | Outcome.VOICEMAIL:
            disposition = Disposition.ANSWERED
        case Outcome.REJECTED:
            disposition = Disposition.REJECTED
        case Outcome.FAILED:
            disposition = Disposition.FAILED
        case _:
            disposition = Disposition.CANCELLED
    values: dict[str, Value] = {
        "ended_at": at,
        "disposition": disposition.value,
        "cause": text(entry.cause),
        "talk_s": entry.talk_s,
    }
    return Changed(legs, "leg_id", _inbound_id(entry.call_id), values)


def device_started(entry: facts.LegStarted, at: datetime) -> Change:
    """A manager's device is asked to ring."""
    return _leg(
        entry.leg_id,
        entry.call_id,
        LegKind.DEVICE,
        at,
        offer_id=entry.offer_id,
        agent=entry.agent_id,
        device=entry.device_id,
        address=entry.address,
    )


def device_rang(entry: facts.LegRang, at: datetime) -> Change:
    """It reported ringing."""
    return Changed(legs, "leg_id", entry.leg_id, {"rang_at": at})


def device_joined(entry: facts.LegJoined, at: datetime) -> list[Change]:
    """It talks with the caller."""
    return [
        Changed(legs, "leg_id", entry.leg_id, {"joined_at": at}),
        _talk(entry.call_id, entry.leg_id, entry.agent_id, at),
    ]


def device_finished(entry: facts.LegFinished, at: datetime) -> list[Change]:
    """Its part is over."""
    ended = _ended(entry.disposition.value, entry.cause, entry.ring_s, entry.talk_s, at)
    return [Changed(legs, "leg_id", entry.leg_id, ended), _talk_ended(entry.leg_id, ended)]


def outside_started(entry: port.OutsideLegStarted, at: datetime) -> Change:
    """An outside number is called."""
    address = entry.number or entry.address
    return _leg(
        entry.leg_id, entry.call_id, LegKind.OUTSIDE, at, address=address, agent=entry.agent
    )


def outside_finished(entry: port.OutsideLegFinished, at: datetime) -> list[Change]:
    """The outside number's part is over; when its talk began follows from its length."""
    ended = _ended(entry.disposition, entry.cause, entry.ring_s, entry.talk_s, at)
    if entry.talk_s <= 0:
        return [Changed(legs, "leg_id", entry.leg_id, ended)]
    joined_at = at - timedelta(seconds=entry.talk_s)
    return [
        Changed(legs, "leg_id", entry.leg_id, ended | {"joined_at": joined_at}),
        _talk(entry.call_id, entry.leg_id, entry.agent, joined_at),
        _talk_ended(entry.leg_id, ended),
    ]


def outside_refused(entry: port.OutsideRefused, at: datetime) -> list[Change]:
    """An outside number that was not called.  A manager's own phone has its row already."""
    ended = _ended(Disposition.FAILED.value, port.REFUSED + entry.reason, 0.0, 0.0, at)
    leg = _leg(
        entry.leg_id, entry.call_id, LegKind.OUTSIDE, at, address=entry.number, agent=entry.agent
    )
    return [leg, Changed(legs, "leg_id", entry.leg_id, ended)]


def transferred(entry: port.Transferred, entry_id: str, at: datetime) -> Change:
    """The caller was sent on."""
    return _leg(
        LegId(entry_id),
        entry.call_id,
        LegKind.TRANSFER,
        at,
        of_leg=entry.leg_id,
        address=entry.target,
        ended_at=at,
    )


def _leg(leg_id: LegId, call_id: CallId, kind: LegKind, at: datetime, **more: Value) -> Added:
    row: dict[str, Value] = dict.fromkeys(legs.columns.keys())
    row |= {"leg_id": leg_id, "call_id": call_id, "kind": kind.value, "started_at": at}
    return added(legs, **row | {"address": ""} | more)


def _talk(call_id: CallId, leg_id: LegId, agent: AgentId | None, at: datetime) -> Change:
    return _leg(
        _talk_id(leg_id),
        call_id,
        LegKind.BRIDGE,
        at,
        of_leg=leg_id,
        agent=agent,
        joined_at=at,
    )


def _talk_ended(leg_id: LegId, ended: dict[str, Value]) -> Change:
    """Nothing happens where there was no talk."""
    values = {name: value for name, value in ended.items() if name != "ring_s"}
    return Changed(legs, "leg_id", _talk_id(leg_id), values)


def _ended(
    disposition: str, cause: str, ring_s: float, talk_s: float, at: datetime
) -> dict[str, Value]:
    return {
        "ended_at": at,
        "disposition": disposition,
        "cause": text(cause),
        "ring_s": ring_s,
        "talk_s": talk_s,
    }


def _inbound_id(call_id: CallId) -> LegId:
    return LegId(f"{call_id}/in")


def _talk_id(leg_id: LegId) -> LegId:
    return LegId(f"{leg_id}/talk")
