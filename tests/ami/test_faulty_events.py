"""Recorded events, mutated: whatever comes, nothing raises, and nothing is left of what is gone."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ivr import commands as ivr_commands
from lab.engine import beep
from pbx.ami.channels import CALL_CONTEXT, LEG_PREFIX, SAY_PREFIX
from pbx.ami.housekeeping import HouseKeeping
from pbx.ami.protocol import END, Headers
from pbx.ami.switch import CHECK_EVERY_S
from pbx.ami.translate import MessageFolder
from pbx.engine.clock import VirtualClock
from pbx.engine.core import EngineCore
from pbx.engine.stamps import Stamps
from pbx.switch import port
from routing.dispatcher import Dispatcher
from routing.events import DeviceAnswered, DeviceRinging, Joined
from routing.strategy import Registry
from routing.values import AgentState, CallId, LegId
from tests.ami.bench import channels_of
from tests.ami.test_protocol import Line
from tests.ami.test_recorded import FOLDER
from tests.stories import STORIES
from tests.world import Story

BUSY = (AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING)
HEADERS = ("Event", "Uniqueid", "Channel", "ChannelState", "Cause", "Context", "Env", "Result",
           "CommandId", "BridgeUniqueid", "BridgeTechnology", "Digit", "Direction", "State",
           "Device", "Reason", "Response", "Exten")  # fmt: skip


def recorded(name: str) -> list[Headers]:
    rows = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(row) for row in rows[:-1]]


class Asterisk:
    """The channels that there are, by the events as they were recorded (AmiConnection.listing)."""

    def __init__(self) -> None:
        self.channels: dict[str, Headers] = {}
        self.bridges: dict[str, str] = {}

    def take(self, event: Headers) -> None:
        unique_id = event.get("Uniqueid", "")
        match event.get("Event"):
            case "Newchannel":
                self.channels[unique_id] = dict(event) | {"BridgeId": "", "Application": ""}
            case "Newstate":
                self.channels[unique_id]["ChannelState"] = event["ChannelState"]
            case "AsyncAGIStart":
                self.channels[unique_id] |= {
                    "Context": event["Context"], "Application": "AGI",
                    "AccountCode": event["AccountCode"],
                }  # fmt: skip
            case "AsyncAGIEnd":
                self.channels[unique_id]["Application"] = ""
            case "BridgeEnter":
                self.bridges[event["BridgeUniqueid"]] = event["BridgeTechnology"]
                self.channels[unique_id]["BridgeId"] = event["BridgeUniqueid"]
            case "BridgeLeave":
                self.channels[unique_id]["BridgeId"] = ""
            case "Hangup":
                self.channels.pop(unique_id, None)

    async def listing(self, name: str) -> list[Headers]:
        if name == "BridgeList":
            return [
                {"BridgeUniqueid": one, "BridgeTechnology": kind}
                for one, kind in self.bridges.items()
            ]
        return list(self.channels.values())


class Rig:
    """The engine's core and the adapter on a story's company, in virtual time."""

    def __init__(self, name: str, start: float) -> None:
        told = STORIES[name]()
        self.story = Story()
        self.clock = VirtualClock(start)
        self.stamps = Stamps(self.clock)
        self.dispatcher = Dispatcher(
            told.company.routing,
            strategies=Registry.builtin(),
            rng=random.Random(1),
            id_prefix="t",
        )
        self.events: list[port.SwitchEvent] = []
        self.channels, self.sent = channels_of(
            self._tell,
            resolve=beep,
            messages=MessageFolder(Path("/nowhere"), "/nowhere"),
            addresses={d.address for a in told.company.routing.agents.values() for d in a.devices},
        )
        self.core = EngineCore(
            told.company,
            self.dispatcher,
            send=self.channels.carry_out,
            note=lambda entry, now: self.story.entries.append(self.stamps.stamp(entry, now)),
            to_utc=self.clock.utc,
            id_prefix="t",
        )
        self.asterisk = Asterisk()
        self.keeping = HouseKeeping(self.asterisk, self.channels)
        self.core.open_for_work(start)
        self.channels.tell_up()

    def _tell(self, event: port.SwitchEvent) -> None:
        self.events.append(event)
        self.core.handle(event, self.clock.now())

    def until(self, at: float) -> None:
        while self.core.wake_at is not None and self.core.wake_at <= at:
            self.clock.advance_to(self.core.wake_at)
            self.core.woke(self.clock.now())
        self.clock.advance_to(at)

    def take(self, line: Headers) -> None:
        self.channels.take({key: value for key, value in line.items() if key != "at"})

    def looks(self, times: int) -> None:
        for _ in range(times):
            self.until(self.clock.now() + CHECK_EVERY_S)
            asyncio.run(self.keeping.look())


VALUES = st.sampled_from(
    ["", "²", "-1", "6", "5", "Щ" * 300, "\x00\r\n", "voronka-", "voronka-tl1", "1795467060.0",
     "PJSIP/anna-00000001", "200 result=-1", "200 result=1", "%ff%00", "s", "voronka-call",
     "holding_bridge", "simple_bridge", "Failure", "AsyncAGIExec", "Hangup"]
)  # fmt: skip
MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 200),
        st.sampled_from(["drop", "double", "later", "lack", "change", "unknown"]),
        st.integers(1, 30),
        st.sampled_from(HEADERS),
        VALUES,
    ),
    max_size=12,
)
Mutations = list[tuple[int, str, int, str, str]]


def mutated(lines: list[Headers], mutations: Mutations) -> list[Headers]:
    """What comes out of the wire where not all went well."""
    out = [dict(line) for line in lines]
    for index, how, by, header, value in mutations:
        if not out:
            break
        index %= len(out)
        match how:
            case "drop":
                del out[index]
            case "double":
                out.insert(min(index + by, len(out)), dict(out[index]))
            case "later":
                out.insert(min(index + by, len(out)), out.pop(index))
            case "lack":
                out[index].pop(header, None)
            case "change":
                out[index][header] = value
            case _:
                out.insert(index, {"Event": "NeverHeardOf", header: value})
    return out


NAMES = st.sampled_from(sorted(STORIES))


def play(name: str, mutations: Mutations, cut: int | None = None) -> Rig:
    """The story up to its ``cut``-th event, mutated; Asterisk itself has it as it was."""
    lines = recorded(name)
    lines = lines if cut is None else lines[: cut % len(lines)]
    rig = Rig(name, float(recorded(name)[0]["at"]) - 0.001)
    for line in lines:
        rig.asterisk.take(line)
    at = rig.clock.now()
    for line in mutated(lines, mutations):
        # Late events come at the time of those that they come after.
        at = max(at, float(line.get("at", at)))
        rig.until(at)
        rig.take(line)
    return rig


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(NAMES, MUTATIONS)
def test_after_any_events_nothing_is_left_of_calls_that_are_over(
    name: str, mutations: Mutations
) -> None:
    rig = play(name, mutations)
    assert not rig.asterisk.channels

    rig.looks(3)
    assert not rig.channels.known()
    assert not rig.channels.bridges
    assert not rig.core.calls.by_id
    rig.until(rig.clock.now() + 3600)
    asyncio.run(rig.keeping.look())

    assert not rig.channels.known()
    assert not rig.core.calls.by_outside_leg
    assert not rig.dispatcher.legs
    assert not rig.dispatcher.calls
    assert not any(one.state in BUSY or one.own_calls for one in rig.dispatcher.agents.values())
    assert rig.dispatcher.timers.alive() == 0
    assert rig.core.wake_at is None
    assert len(rig.stamps) == 0


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(NAMES, MUTATIONS, st.integers(0, 200))
def test_in_the_middle_of_calls_what_is_gone_is_cleaned_within_30_s(
    name: str, mutations: Mutations, cut: int
) -> None:
    rig = play(name, mutations, cut)
    known_before = rig.channels.known()
    rig.looks(3)

    there = rig.asterisk.channels.keys()
    stays = rig.channels.known() & known_before
    assert stays <= there, "something is kept of what is gone"
    assert set(rig.channels.callers) <= there
    for agent in rig.dispatcher.agents.values():
        assert agent.own_calls <= there


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ({"Event": "New", "Channel": "PJSIP/anna"}, DeviceAnswered),
        ({"Event": "Newstate", "Channel": "PJSIP/anna", "ChannelState": "5"}, DeviceRinging),
        ({"Event": "Newstate", "Channel": "PJSIP/anna", "ChannelState": "6"}, DeviceAnswered),
        ({"Event": "BridgeEnter", "BridgeTechnology": "simple_bridge"}, Joined),
        ({"Event": "AsyncAGIStart"}, port.CallerFound),
    ],
)
def test_an_event_that_was_lost_is_made_good_within_30_s_and_counted(
    lost: Headers, told: type
) -> None:
    """The story is stopped after the last event that tells the same; all those are lost."""

    def is_lost(line: Headers) -> bool:
        return all(str(line.get(key, "")).startswith(value) for key, value in lost.items())

    lines = recorded("hangs_up_in_the_talk")
    until = max(n for n, line in enumerate(lines) if is_lost(line)) + 1
    rig = Rig("hangs_up_in_the_talk", float(lines[0]["at"]) - 0.001)
    for line in lines[:until]:
        rig.asterisk.take(line)
        rig.until(float(line["at"]))
        if not is_lost(line):
            rig.take(line)
    before = len([one for one in rig.events if isinstance(one, told)])
    rig.looks(2)

    assert len([one for one in rig.events if isinstance(one, told)]) == before + 1
    assert rig.keeping.repaired >= 1
    repaired = rig.keeping.repaired
    rig.looks(1)
    assert rig.keeping.repaired == repaired, "once is enough"


@settings(max_examples=100, deadline=None)
@given(NAMES, st.integers(0, 200))
def test_a_look_at_what_is_well_known_changes_nothing(name: str, cut: int) -> None:
    rig = play(name, [], cut)
    events = len(rig.events)
    sent = len(rig.sent)
    for caller in rig.channels.callers.values():
        if caller.holding:  # no event tells that it runs
            rig.asterisk.channels[caller.call_id]["Application"] = "BridgeWait"
    for _ in range(2):
        asyncio.run(rig.keeping.look())

    # The half of an announcement that has just been left alone: still there at a second look, it
    # would have been forgotten by Asterisk.
    halves = [
        one
        for one in rig.asterisk.channels
        if one.startswith(SAY_PREFIX) and not rig.channels.announcing.owns(one)
    ]
    assert rig.keeping.repaired == len(halves)
    # Forgotten: a leg that the recorded engine rang a moment later.
    if not rig.keeping.forgotten and not halves:
        assert len(rig.sent) == sent
        assert len(rig.events) == events


def test_a_cause_that_is_no_number_ends_the_channel_all_the_same() -> None:
    rig = Rig("hangs_up_in_the_menu", 1000.0)
    for line in recorded("hangs_up_in_the_menu")[:2]:
        rig.take(line)
    rig.take({"Event": "Hangup", "Uniqueid": next(iter(rig.channels.callers)), "Cause": "²"})

    assert not rig.channels.known()


def test_a_new_question_overtakes_one_whose_answer_was_lost() -> None:
    rig = Rig("hangs_up_in_the_menu", 1000.0)
    for line in recorded("hangs_up_in_the_menu")[:2]:
        rig.take(line)
    (call_id,) = rig.channels.callers
    ask = ivr_commands.Collect((), "ru", 1, 5.0, 2.0, True)

    def commands() -> list[str]:
        return [fields["Command"] for name, fields in rig.sent if name == "AGI"]

    def done(result: str) -> None:
        last = [fields for name, fields in rig.sent if name == "AGI"][-1]
        rig.take(
            {"Event": "AsyncAGIExec", "Uniqueid": call_id, "CommandId": last["CommandID"],
             "Result": result}
        )  # fmt: skip

    assert commands() == ["ANSWER"]
    rig.channels.carry_out(port.ForCaller(call_id, ask))
    assert commands() == ["ANSWER", "ANSWER"], "it may have been lost, too"
    done("200%20result%3D0")
    assert len(commands()) == 3
    done("200%20result%3D%20(timeout)")
    assert isinstance(rig.events[-1], port.CallerDid)


@given(NAMES, st.lists(st.integers(1, 2**20), max_size=30))
@settings(max_examples=40, deadline=None)
def test_a_real_stream_cut_anywhere_gives_the_same_events(name: str, cuts: list[int]) -> None:
    lines = [{k: str(v) for k, v in line.items() if k != "at"} for line in recorded(name)]
    text = "Asterisk Call Manager/11.0.0\r\n" + "".join(
        "".join(f"{key}: {value}\r\n" for key, value in line.items()) + "\r\n" for line in lines
    )
    stream = text.encode()
    # Between the bytes of a Cyrillic letter as often as anywhere.
    letters = [n + 1 for n in range(len(stream)) if stream[n] in b"\xd0\xd1"]
    edges = {0, len(stream), *(cut % len(stream) for cut in cuts)}
    edges |= {letters[cut % len(letters)] for cut in cuts if letters}
    line = Line()
    ordered = sorted(edges)
    for start, end in pairwise(ordered):
        line.protocol.data_received(stream[start:end])

    assert line.messages == lines
    assert line.garbage == 0
    assert stream.count(END) == len(lines)


def test_the_prefix_of_a_leg_is_no_leg() -> None:
    rig = Rig("hangs_up_in_the_menu", 1000.0)
    ghost: Callable[[str], Headers] = lambda event: {  # noqa: E731 (three of a kind)
        "Event": event, "Uniqueid": LEG_PREFIX, "Channel": "PJSIP/anna-1", "ChannelState": "6",
        "Cause": "16", "Context": CALL_CONTEXT,
    }  # fmt: skip
    for event in ("Newchannel", "Newstate", "Hangup"):
        rig.take(ghost(event))
    assert not rig.channels.known()
    assert LegId("") not in rig.channels.legs
    assert CallId(LEG_PREFIX) not in rig.channels.callers
