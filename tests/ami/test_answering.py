"""A caller is answered before anything is said to them, whatever is lost on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from ivr.commands import PlayPrompts
from ivr.nodes import Prompt, PromptKind
from pbx.ami.reconcile import resume
from pbx.ami.translate import Channels, MessageFolder
from pbx.switch import port
from routing.values import CallId
from tests.ami.bench import Sent, channels_of

CALLER = CallId("1795484964.4")
CHANNEL = "PJSIP/trunk-00000004"
LISTED = {"Uniqueid": CALLER, "Channel": CHANNEL, "Application": "AGI", "ApplicationData": "a,"}


@pytest.fixture
def arrived() -> tuple[Channels, Sent]:
    """A caller who has just come, and what was asked of Asterisk."""
    channels, sent = channels_of(
        lambda event: None,
        resolve=lambda prompt, language: "beep",
        messages=MessageFolder(Path("/nowhere"), "/nowhere"),
        addresses=[],
    )
    channels.take(
        {
            "Event": "AsyncAGIStart",
            "Context": "voronka-call",
            "Uniqueid": CALLER,
            "Channel": CHANNEL,
            "ChannelState": "4",
            "AccountCode": "78005553535",
            "CallerIDNum": "+79161234567",
            "CallerIDName": "",
            "Env": "",
        }
    )
    return channels, sent


SAY = port.ForCaller(CALLER, PlayPrompts((Prompt(PromptKind.SOUND, "hello"),), "ru"))


@pytest.fixture
def led(arrived: tuple[Channels, Sent]) -> tuple[Channels, Sent]:
    """A caller to whom something is to be said, and the AGI commands given."""
    arrived[0].carry_out(SAY)
    return arrived


def commands(sent: Sent) -> list[str]:
    return [fields["Command"].split(" ")[0] for name, fields in sent if name == "AGI"]


def done(channels: Channels, sent: Sent) -> None:
    """Asterisk has carried out the last command."""
    last = [fields["CommandID"] for name, fields in sent if name == "AGI"][-1]
    result = "200%20result%3D0%0A"
    channels.take(
        {"Event": "AsyncAGIExec", "Uniqueid": CALLER, "CommandId": last, "Result": result}
    )


def test_it_is_once(led: tuple[Channels, Sent]) -> None:
    channels, sent = led
    assert commands(sent) == ["ANSWER"]
    done(channels, sent)
    assert commands(sent)[0] == "ANSWER"
    assert "ANSWER" not in commands(sent)[1:]
    assert len(commands(sent)) == 2


def test_it_is_again_when_it_was_lost_with_the_line(led: tuple[Channels, Sent]) -> None:
    channels, sent = led
    resume(channels, channels.callers[CALLER], LISTED)
    assert commands(sent) == ["ANSWER", "ANSWER"]
    done(channels, sent)
    assert commands(sent)[2:] != ["ANSWER"]
    assert len(commands(sent)) == 3


def test_it_is_again_when_asterisk_refused_it(led: tuple[Channels, Sent]) -> None:
    channels, sent = led
    channels.leading.close(channels.callers[CALLER])
    channels.carry_out(port.ForCaller(CALLER, PlayPrompts((), "ru")))
    assert commands(sent) == ["ANSWER", "ANSWER"]


def test_the_wait_answers_by_itself(arrived: tuple[Channels, Sent]) -> None:
    channels, sent = arrived
    channels.carry_out(port.Hold(CALLER, "default"))
    assert [fields["Command"].split(" ")[:2] for name, fields in sent if name == "AGI"] == [
        ["EXEC", "BridgeWait"]
    ]


def test_after_the_wait_it_is_answered_whatever_event_was_lost(
    arrived: tuple[Channels, Sent],
) -> None:
    channels, sent = arrived
    channels.carry_out(port.Hold(CALLER, "default"))
    channels.take(
        {
            "Event": "BridgeEnter",
            "BridgeUniqueid": "b",
            "BridgeTechnology": "holding_bridge",
            "Uniqueid": CALLER,
        }
    )
    channels.carry_out(SAY)
    done(channels, sent)
    assert commands(sent)[:2] == ["EXEC", "EXEC"]
