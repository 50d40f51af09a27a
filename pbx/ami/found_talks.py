"""Talks that an engine before us arranged: they become ours, to their end and beyond it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from pbx.ami.channels import (
    CALL_CONTEXT,
    LEG_PREFIX,
    SAY_PREFIX,
    CallerChannel,
    LegChannel,
    known,
    known_name,
)
from pbx.ami.protocol import Headers
from pbx.ami.translate import Channels
from pbx.recordings.names import leg_of
from pbx.switch.port import CLIENT_PREFIX, ClientFound, TalkFound
from routing.values import CallId, LegId

HOLDING = "holding_bridge"


def take_up(
    channels: Channels,
    found: list[Headers],
    technology: Mapping[str, str],
    recordings: Collection[str],
) -> None:
    """Tell of each caller who is unknown to us, and talks with a device of ours.

    Before anything else is told: who talks is not to be rung.  ``recordings``: the names of those
    that are no finished files yet.
    """
    of_leg = {leg_of(name): name for name in recordings}
    inside: dict[str, list[Headers]] = {}
    for one in found:
        bridge = one.get("BridgeId", "")
        if technology.get(bridge, HOLDING) != HOLDING:
            inside.setdefault(bridge, []).append(one)
    for members in inside.values():
        for one in members:
            if _is_caller(one) and CallId(one["Uniqueid"]) not in channels.callers:
                _take_up(channels, one, members, of_leg)


def _is_caller(one: Headers) -> bool:
    return one.get("Context") == CALL_CONTEXT or one.get("Uniqueid", "").startswith(CLIENT_PREFIX)


def _take_up(
    channels: Channels, one: Headers, members: list[Headers], recordings: Mapping[LegId, str]
) -> None:
    call_id = CallId(one["Uniqueid"])
    leg = next((other for other in members if _is_leg(channels, other)), None)
    own = next((other for other in members if _address(other) in channels.addresses), None)
    partner = leg or own
    if partner is None:
        return  # nobody whom we know
    caller = CallerChannel(
        call_id,
        one.get("Channel", ""),
        answered=True,
        dialled=one.get("AccountCode", ""),
        number=known(one.get("CallerIDNum", "")),
        name=known_name(one.get("CallerIDName", "")),
        ready=False,
        talked=True,
    )
    channels.callers[call_id] = caller
    leg_id = LegId("")
    if leg is not None:
        leg_id = LegId(leg["Uniqueid"].removeprefix(LEG_PREFIX))
        channels.legs[leg_id] = LegChannel(
            leg_id,
            call_id,
            leg.get("Channel", ""),
            rings=True,
            picked_up=True,
            joined=True,
            record_as=recordings.get(leg_id, ""),
        )
        caller.joined = leg_id
    if call_id.startswith(CLIENT_PREFIX):
        channels.tell(ClientFound(call_id))
    channels.tell(
        TalkFound(
            call_id,
            leg_id,
            _address(partner),
            caller.dialled,
            caller.number,
            caller.name,
            time.time() - seconds(one.get("Duration", "")),
            recordings.get(leg_id, ""),
        )
    )


def _is_leg(channels: Channels, one: Headers) -> bool:
    unique_id = one.get("Uniqueid", "")
    ours = unique_id.startswith(LEG_PREFIX) and not unique_id.startswith(SAY_PREFIX)
    return ours and channels.ringing.of(unique_id) is None


def _address(one: Headers) -> str:
    return one.get("Channel", "").rpartition("-")[0]


def seconds(duration: str) -> float:
    """``01:02:03`` as seconds."""
    parts = duration.split(":")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        return 0.0
    hours, minutes, secs = map(int, parts)
    return float(hours * 3600 + minutes * 60 + secs)
