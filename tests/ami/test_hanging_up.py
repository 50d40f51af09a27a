"""A caller who hangs up in the moment in which a manager takes them out of the wait.

Asterisk 22 then moves a channel whose phone has already gone into the talk and forgets that it has
gone: both would stay until the manager hangs up.
"""

from __future__ import annotations

from pathlib import Path

from pbx.ami.channels import CALL_CONTEXT, UP
from pbx.ami.housekeeping import HouseKeeping
from pbx.ami.protocol import Headers
from pbx.ami.translate import Channels, MessageFolder
from tests.ami.bench import Sent, channels_of

CALLER, CHANNEL = "1795531738.1769", "PJSIP/trunk-000002f2"


def waiting() -> tuple[Channels, Sent]:
    channels, sent = channels_of(
        lambda event: None,
        resolve=lambda prompt, language: "beep",
        messages=MessageFolder(Path("/nowhere"), "/nowhere"),
        addresses=[],
    )
    channels.take(
        {
            "Event": "AsyncAGIStart",
            "Context": CALL_CONTEXT,
            "Uniqueid": CALLER,
            "Channel": CHANNEL,
            "ChannelState": UP,
            "AccountCode": "78005553535",
            "CallerIDNum": "+79161234567",
            "CallerIDName": "",
            "Env": "",
        }
    )
    return channels, sent


def hangs_up(channels: Channels) -> None:
    channels.take({"Event": "HangupRequest", "Uniqueid": CALLER, "Channel": CHANNEL, "Cause": "16"})


def enters_a_talk(channels: Channels) -> None:
    channels.take(
        {
            "Event": "BridgeEnter",
            "Uniqueid": CALLER,
            "BridgeUniqueid": "4ae88e81",
            "BridgeTechnology": "simple_bridge",
        }
    )


def ended(sent: Sent) -> list[str]:
    return [fields["Channel"] for name, fields in sent if name == "Hangup"]


def test_who_has_hung_up_and_is_joined_is_ended() -> None:
    channels, sent = waiting()
    hangs_up(channels)
    assert not ended(sent), "Asterisk ends a channel by itself"
    enters_a_talk(channels)
    assert ended(sent) == [CHANNEL]


def test_who_hangs_up_in_a_talk_is_left_to_asterisk() -> None:
    channels, sent = waiting()
    enters_a_talk(channels)
    hangs_up(channels)
    assert not ended(sent)


class OneChannel:
    async def listing(self, name: str) -> list[Headers]:
        if name == "BridgeList":
            return [{"BridgeUniqueid": "4ae88e81", "BridgeTechnology": "simple_bridge"}]
        return [{"Uniqueid": CALLER, "Channel": CHANNEL, "BridgeId": "4ae88e81"}]


async def test_who_is_still_there_long_after_hanging_up_is_ended() -> None:
    channels, sent = waiting()
    enters_a_talk(channels)
    hangs_up(channels)
    keeping = HouseKeeping(OneChannel(), channels)
    await keeping.look()
    assert not ended(sent), "it may be on its way out"
    await keeping.look()
    assert ended(sent) == [CHANNEL]
    assert keeping.repaired == 1
