"""Recorded calls, many at once, with what hurries going ahead: no call's own story changes."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from lab.engine import beep
from pbx.ami.channels import LEG_PREFIX, LegChannel
from pbx.ami.lanes import Lanes
from pbx.ami.protocol import Headers
from pbx.ami.translate import Channels, MessageFolder
from pbx.switch import port
from routing.events import DeviceAnswered, DeviceRinging, Joined, LegEnded
from routing.values import CallId, LegId
from tests.ami.bench import channels_of
from tests.ami.test_faulty_events import Rig, recorded
from tests.stories import STORIES

NAMES = sorted(STORIES)
OF_A_LEG = (DeviceRinging, DeviceAnswered, Joined, LegEnded)


def legs_of(name: str) -> dict[str, str]:
    """Which leg was of which call, by the engine as it was then."""
    lines = recorded(name)
    rig = Rig(name, float(lines[0]["at"]) - 0.001)
    found: dict[str, str] = {}
    for line in lines:
        rig.until(float(line["at"]))
        rig.take(line)
        found |= {leg_id: leg.call_id for leg_id, leg in rig.channels.legs.items()}
    return found


LEGS = {name: legs_of(name) for name in NAMES}


def copy_of(name: str, copy: int) -> list[Headers]:
    """The recorded stream with ids of its own; the phones are the same."""
    ids = {line["Uniqueid"] for line in recorded(name) if "Uniqueid" in line}
    ids |= {line["BridgeUniqueid"] for line in recorded(name) if "BridgeUniqueid" in line}
    return [
        {key: f"{value}.{copy}" if value in ids else value for key, value in line.items()}
        for line in recorded(name)
    ]


class Told:
    """Channels that know the legs of all copies, and what they told, call by call."""

    def __init__(self, name: str, copies: int) -> None:
        addresses = {
            device.address
            for one in STORIES[name]().company.routing.agents.values()
            for device in one.devices
        }
        self.by_call: dict[str, list[str]] = {}
        self._call_of: dict[str, str] = {}
        self.channels: Channels
        self.channels, _ = channels_of(
            self._tell,
            resolve=beep,
            messages=MessageFolder(Path("/nowhere"), "/nowhere"),
            addresses=addresses,
        )
        for copy in range(copies):
            for leg, call in LEGS[name].items():
                mine = LegId(f"{leg}.{copy}")
                self._call_of[mine] = f"{call}.{copy}"
                self.channels.legs[mine] = LegChannel(mine, CallId(self._call_of[mine]))

    def _tell(self, event: port.SwitchEvent) -> None:
        if isinstance(event, OF_A_LEG):
            about = self._call_of[event.leg_id]
        else:
            about = str(getattr(event, "call_id", "") or getattr(event, "address", ""))
        self.by_call.setdefault(about, []).append(repr(event))


@pytest.mark.parametrize("name", NAMES)
@given(
    order=st.lists(st.integers(0, 2), max_size=300),
    pauses=st.lists(st.integers(0, 3), min_size=1, max_size=20),
)
@settings(max_examples=15, deadline=None)
def test_each_calls_story_is_the_same_whatever_goes_ahead(
    name: str, order: list[int], pauses: list[int]
) -> None:
    copies = [copy_of(name, copy) for copy in range(3)]
    stream: list[Headers] = []
    for nr in [*order, *(nr for nr, lines in enumerate(copies) for _ in lines)]:
        if copies[nr]:
            stream.append(copies[nr].pop(0))
    straight = Told(name, 3)
    for line in stream:
        straight.channels.take(line)

    ahead = Told(name, 3)
    lanes = Lanes(ahead.channels.take, about=ahead.channels.about, hurries=ahead.channels.hurries)
    for line, pause in zip(stream, pauses * len(stream), strict=False):
        lanes.put(line)
        lanes.work(pause)
    lanes.work(len(stream))

    assert ahead.by_call == straight.by_call
    assert ahead.channels.known() == straight.channels.known()
    assert ahead.channels.bridges == straight.channels.bridges


def test_a_manager_who_hangs_up_is_heard_of_before_callers_who_came_meanwhile() -> None:
    name = "round_robin"
    told = Told(name, 2)
    first, second = copy_of(name, 0), copy_of(name, 1)
    end = next(
        n
        for n, line in enumerate(first)
        if line["Event"] == "Hangup" and line["Uniqueid"].startswith(LEG_PREFIX)
    )
    taken: list[Headers] = []

    def take(line: Headers) -> None:
        taken.append(line)
        told.channels.take(line)

    lanes = Lanes(take, about=told.channels.about, hurries=told.channels.hurries)
    for line in first[:end]:
        take(line)
    before = len(taken)
    arrives = [line for line in second if line.get("Channel", "").startswith("PJSIP/trunk-")]
    assert len(arrives) > 20
    for line in arrives:
        lanes.put(line)
    lanes.put(first[end])

    assert taken[before:] == [first[end]]
    assert len(lanes) == len(arrives)
