"""What we know against what Asterisk has: after each login, and now and then."""

from __future__ import annotations

from pbx.ami.connection import AmiConnection
from pbx.ami.protocol import Headers
from pbx.ami.translate import CALLER_CONTEXTS, LEG_PREFIX, UP, CallerChannel, Channels
from pbx.switch import port
from routing.values import CallId

GONE = "gone while nobody listened"


async def after_login(connection: AmiConnection, channels: Channels) -> None:
    """Tell what is gone and what is found, then ``SwitchUp``."""
    for state in await connection.listing("DeviceStateList"):
        channels.take({**state, "Event": "DeviceStateChange"})
    found = await connection.listing("CoreShowChannels")
    channels.forget_missing({one.get("Uniqueid", "") for one in found}, GONE)
    for one in found:
        _find(channels, one)
    channels.resume_all()
    channels.tell_up()


async def clean(connection: AmiConnection, channels: Channels) -> int:
    """Forget what Asterisk does not have any more; returns how many that were.

    What began after the question was asked is not in the answer, and is left alone.
    """
    known = channels.known()
    found = await connection.listing("CoreShowChannels")
    there = {one.get("Uniqueid", "") for one in found}
    return channels.forget_missing(there | (channels.known() - known), GONE)


def _find(channels: Channels, one: Headers) -> None:
    """A channel of a time before us, or one that we know."""
    unique_id, channel = one.get("Uniqueid", ""), one.get("Channel", "")
    if CallId(unique_id) in channels.callers or unique_id.startswith(LEG_PREFIX):
        return
    address = channel.rpartition("-")[0]
    if address in channels.addresses:
        channels.take({"Event": "Newchannel", "Uniqueid": unique_id, "Channel": channel})
    elif one.get("Context") in CALLER_CONTEXTS and one.get("Application") in ("AGI", "BridgeWait"):
        caller = CallerChannel(CallId(unique_id), channel, one.get("ChannelState") == UP)
        caller.holding = one["Application"] == "BridgeWait"
        caller.held = caller.holding
        caller.holding_bridge = one.get("BridgeId", "") if caller.holding else ""
        channels.adopt(caller)
        channels.found(
            port.CallerFound(
                caller.call_id,
                one.get("AccountCode") or one.get("Exten", ""),
                one.get("CallerIDNum", "").replace("<unknown>", ""),
                one.get("CallerIDName", "").replace("<unknown>", ""),
                0.0,
            )
        )
