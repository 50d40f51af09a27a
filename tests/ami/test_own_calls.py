"""Managers' own calls, from Asterisk's events: who was dialled, and when they talk."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.ami.translate import Channels, MessageFolder
from pbx.switch import port
from tests.ami.bench import channels_of

ANNA = "PJSIP/anna"


@pytest.fixture
def told() -> list[port.SwitchEvent]:
    return []


@pytest.fixture
def channels(told: list[port.SwitchEvent]) -> Channels:
    made, _ = channels_of(
        told.append,
        resolve=lambda prompt, language: "beep",
        messages=MessageFolder(Path("/nowhere"), "/nowhere"),
        addresses=[ANNA, "PJSIP/boris"],
    )
    return made


def new(channels: Channels, unique_id: str, channel: str, dialled: str) -> None:
    channels.take(
        {"Event": "Newchannel", "Uniqueid": unique_id, "Channel": channel, "Exten": dialled}
    )


def enters(channels: Channels, unique_id: str) -> None:
    channels.take(
        {
            "Event": "BridgeEnter",
            "Uniqueid": unique_id,
            "BridgeUniqueid": "b",
            "BridgeTechnology": "simple_bridge",
        }
    )


def gone(channels: Channels, unique_id: str) -> None:
    channels.take({"Event": "Hangup", "Uniqueid": unique_id, "Cause": "16"})


def test_a_talk_is_told_once_with_what_was_dialled(
    channels: Channels, told: list[port.SwitchEvent]
) -> None:
    new(channels, "1.1", "PJSIP/anna-00000001", "89161234567")
    new(channels, "1.2", "PJSIP/trunk-00000002", "")
    assert told == [port.AddressBusy(ANNA, "1.1")], "it rings, nobody talks"
    for _ in range(2):  # put on hold and taken back, both leave the bridge and come again
        enters(channels, "1.2")
        enters(channels, "1.1")
    gone(channels, "1.1")

    assert told[1:] == [
        port.OwnCallJoined(ANNA, "1.1", "89161234567"),
        port.AddressIdle(ANNA, "1.1"),
    ]


def test_a_phone_that_was_called_has_dialled_nothing(
    channels: Channels, told: list[port.SwitchEvent]
) -> None:
    new(channels, "1.1", "PJSIP/anna-00000001", "102")
    for n, word in enumerate(("", "s"), start=2):
        new(channels, f"1.{n}", f"PJSIP/boris-0000000{n}", word)
        enters(channels, f"1.{n}")

    assert not [one for one in told if isinstance(one, port.OwnCallJoined)]


def test_a_call_that_ends_before_the_talk_leaves_nothing_behind(
    channels: Channels, told: list[port.SwitchEvent]
) -> None:
    new(channels, "1.1", "PJSIP/anna-00000001", "89161234567")
    gone(channels, "1.1")
    enters(channels, "1.1")

    assert told == [port.AddressBusy(ANNA, "1.1"), port.AddressIdle(ANNA, "1.1")]


def test_reachability_is_told_when_it_changes_not_with_each_call(
    channels: Channels, told: list[port.SwitchEvent]
) -> None:
    for state in ("RINGING", "BUSY", "UNAVAILABLE", "INVALID", "NOT_INUSE", "BUSY"):
        channels.take({"Event": "DeviceStateChange", "Device": ANNA, "State": state})

    assert told == [port.AddressReachable(ANNA, False), port.AddressReachable(ANNA, True)]


def test_a_phone_that_a_new_plan_names_is_known_from_before(
    channels: Channels, told: list[port.SwitchEvent]
) -> None:
    clara = "PJSIP/clara"
    channels.take({"Event": "DeviceStateChange", "Device": clara, "State": "UNAVAILABLE"})
    assert not told
    assert channels.unreachable == {clara}

    channels.addresses |= {clara}
    channels.take({"Event": "DeviceStateChange", "Device": clara, "State": "NOT_INUSE"})

    assert told == [port.AddressReachable(clara, True)]
