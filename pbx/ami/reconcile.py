"""What we know against what Asterisk has: after each login (housekeeping.py: now and then).

Asterisk is the truth.  What happened without us is told as the events that we missed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from pbx.ami.channels import (
    ALONE_CONTEXT,
    CALL_CONTEXT,
    LEG_PREFIX,
    RINGING,
    SAY_PREFIX,
    UP,
    CallerChannel,
    known,
    known_name,
)
from pbx.ami.connection import AmiConnection
from pbx.ami.found_talks import seconds, take_up
from pbx.ami.protocol import Headers
from pbx.ami.translate import Channels
from pbx.recordings.names import leg_of
from pbx.switch.port import CLIENT_PREFIX, UNSEEN
from routing.values import CallId

RESTARTED = "Asterisk was restarted"


async def after_login(connection: AmiConnection, channels: Channels) -> None:
    """Tell what is gone, what happened and who is found, then ``SwitchUp``."""
    before = channels.known()
    asked = {call_id: caller.agi_id for call_id, caller in channels.callers.items()}
    for state in await connection.listing("DeviceStateList"):
        channels.take({**state, "Event": "DeviceStateChange"})
    left = channels.recorder.unfinished()
    bridges = await connection.listing("BridgeList")
    technology = {one.get("BridgeUniqueid", ""): one.get("BridgeTechnology", "") for one in bridges}
    found = await connection.listing("CoreShowChannels")
    found.sort(key=_age)  # who came first is served first
    take_up_recordings(channels, left, found)
    why = RESTARTED if connection.lease.asterisk_restarted else UNSEEN
    channels.forget_missing({one.get("Uniqueid", "") for one in found}, why, among=before)
    channels.forget_bridges()
    served_without_us(channels, found)
    take_up(channels, found, technology, left)
    for one in found:
        see(channels, one, technology.get(one.get("BridgeId", ""), ""))
    for one in found:
        bridged(channels, one, technology)
    for one in found:
        caller = channels.callers.get(CallId(one.get("Uniqueid", "")))
        # Who has been given a command since is led already.
        if caller is not None and asked.get(caller.call_id) == caller.agi_id:
            resume(channels, caller, one)
    channels.renew_limits()  # they may be about to run out
    channels.tell_up()


async def new_phones(
    connection: AmiConnection, channels: Channels, addresses: Collection[str]
) -> None:
    """Phones that a new plan names: whose are in a call of their own?  Raises ActionFailed."""
    for one in await connection.listing("CoreShowChannels"):
        unique_id, channel = one.get("Uniqueid", ""), one.get("Channel", "")
        ours = unique_id.startswith(LEG_PREFIX) or CallId(unique_id) in channels.callers
        if not ours and channel.rpartition("-")[0] in addresses:
            channels.busy(unique_id, channel, one.get("Exten", ""))


def take_up_recordings(channels: Channels, left: frozenset[str], found: list[Headers]) -> None:
    """Recordings of legs that are not there any more, of an engine before us for instance.

    ``left`` was asked for before ``found``: a leg that began in between is in neither.
    """
    there = {one.get("Uniqueid", "") for one in found}
    channels.recorder.take_up(name for name in left if LEG_PREFIX + leg_of(name) not in there)


def served_without_us(channels: Channels, found: list[Headers]) -> None:
    """Callers whose time limit has run out are the dialplan's: nobody is to be rung for them."""
    for one in found:
        if (
            one.get("Context") == ALONE_CONTEXT
            and CallId(one.get("Uniqueid", "")) in channels.callers
        ):
            channels.forget(one["Uniqueid"], UNSEEN)


def see(channels: Channels, one: Headers, technology: str) -> None:
    """A channel that we know, or one of a time before us."""
    unique_id, channel = one.get("Uniqueid", ""), one.get("Channel", "")
    if leg := channels.ringing.of(unique_id):
        if not leg.channel:
            channels.ringing.new_channel(leg, channel)
        if one.get("ChannelState") in (RINGING, UP):
            channels.ringing.new_state(leg, one["ChannelState"])
    elif unique_id.startswith(SAY_PREFIX):
        if not channels.announcing.owns(unique_id):
            channels.hang_up_stray(unique_id)
    elif unique_id.startswith(LEG_PREFIX):
        if one.get("ChannelState") == UP:
            channels.busy(unique_id, channel, "")  # talks, or is about to
        else:
            channels.hang_up_stray(unique_id)
    elif CallId(unique_id) not in channels.callers:
        if one.get("Context") == CALL_CONTEXT:
            _adopt(channels, one, technology)
        elif unique_id.startswith(CLIENT_PREFIX):
            channels.clients.found(one)
        else:
            channels.busy(unique_id, channel, one.get("Exten", ""))


def _adopt(channels: Channels, one: Headers, technology: str) -> None:
    """A caller of a time before us.  Who talks with somebody who is not ours is left to talk."""
    caller = CallerChannel(
        CallId(one["Uniqueid"]),
        one.get("Channel", ""),
        one.get("ChannelState") == UP,
        one.get("AccountCode", ""),
        known(one.get("CallerIDNum", "")),
        known_name(one.get("CallerIDName", "")),
    )
    caller.holding = technology == "holding_bridge"
    caller.stranger = bool(technology) and not caller.holding
    channels.callers[caller.call_id] = caller
    if not caller.stranger:
        if not caller.holding:
            channels.leading.interrupt(caller)
        channels.leading.tell_found(caller, time.time() - seconds(one.get("Duration", "")))


def bridged(channels: Channels, one: Headers, technology: Mapping[str, str]) -> None:
    """A channel of ours is in a bridge."""
    bridge = one.get("BridgeId", "")
    if bridge in technology:
        channels.take(
            {
                "Event": "BridgeEnter",
                "BridgeUniqueid": bridge,
                "BridgeTechnology": technology[bridge],
                "Uniqueid": one.get("Uniqueid", ""),
            }
        )


def resume(channels: Channels, caller: CallerChannel, one: Headers) -> None:
    """A caller whom we knew is taken up where they are now."""
    channels.leading.resume(
        caller,
        in_agi=one.get("Application") == "AGI" and not one.get("BridgeId"),
        channel=one.get("Channel", ""),
        sent_to=one.get("ApplicationData", "").partition(",")[2],
    )


def _age(one: Headers) -> tuple[int, ...]:
    """Sorts by a Uniqueid of Asterisk's own making, ``1795484964.4``; others first."""
    parts = one.get("Uniqueid", "").split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
