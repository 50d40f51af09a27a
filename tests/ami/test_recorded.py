"""Events of real calls (tests/recorded, made by lab.record), replayed: the same story comes out."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

from lab.engine import beep
from pbx.ami.protocol import Headers
from pbx.ami.translate import MessageFolder
from pbx.engine.clock import VirtualClock
from pbx.engine.core import EngineCore
from pbx.journal.port import Entry, Stamped
from routing import facts
from routing.dispatcher import Dispatcher
from routing.strategy import Registry
from tests.ami.bench import channels_of
from tests.stories import STORIES, summary
from tests.world import Story

FOLDER = Path(__file__).parent.parent / "recorded"


def replay(name: str, lines: list[Headers]) -> Story:
    """The engine's core on recorded events, at their times."""
    told = STORIES[name]()
    story = Story()
    clock = VirtualClock(float(lines[0]["at"]) - 0.001)
    dispatcher = Dispatcher(
        told.company.routing,
        strategies=Registry.builtin(),
        rng=random.Random(1),
        id_prefix="t",
    )

    def note(entry: Entry, now: float) -> None:
        story.entries.append(Stamped(clock.utc(now), entry))

    channels, _ = channels_of(
        lambda event: core.handle(event, clock.now()),
        resolve=beep,
        messages=MessageFolder(Path("/nowhere"), "/nowhere"),
        addresses={d.address for a in told.company.routing.agents.values() for d in a.devices},
    )
    core = EngineCore(
        told.company,
        dispatcher,
        send=channels.carry_out,
        note=note,
        to_utc=clock.utc,
        id_prefix="t",
    )
    core.open_for_work(clock.now())
    for line in lines:
        at = float(line["at"])
        while core.wake_at is not None and core.wake_at <= at:
            clock.advance_to(core.wake_at)
            core.woke(clock.now())
        clock.advance_to(at)
        channels.take({key: value for key, value in line.items() if key != "at"})
    assert not core.calls.by_id
    assert not channels.legs
    assert not channels.callers
    return story


def _read(name: str) -> tuple[list[Headers], list[dict[str, object]]]:
    rows = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    *lines, last = (json.loads(row) for row in rows)
    return lines, last["story"]


def _comparable(told: object) -> object:
    calls = json.loads(json.dumps(told))
    for call in calls:
        # The recording's voicemail is not at hand: its length and what follows are.
        if call["outcome"] == "voicemail":
            call["outcome"] = "overflow"
        # Half a second more or less is rounded either way: the time is compared on its own.
        del call["waited_s"]
    return calls


@pytest.mark.parametrize("name", STORIES)
def test_recorded_events_tell_their_story_again(name: str) -> None:
    lines, expected = _read(name)

    story = replay(name, lines)

    told = summary(story)
    for one, other in zip(told, expected, strict=True):
        assert abs(float(str(one["waited_s"])) - float(str(other["waited_s"]))) <= 1
    assert _comparable(told) == _comparable(expected)
    assert not story.of(facts.Irregular)


@pytest.mark.parametrize("name", ["two_pick_up_at_once", "transfer_to_an_extension"])
@pytest.mark.parametrize("seed", range(5))
def test_events_doubled_or_lost_never_raise(name: str, seed: int) -> None:
    lines, _ = _read(name)
    chance = random.Random(seed)
    garbled: list[Headers] = []
    for line in lines:
        for _ in range(chance.choice((0, 1, 1, 1, 1, 2))):
            garbled.append(dict(line))
            if chance.random() < 0.1:
                garbled[-1].pop(chance.choice(list(set(line) - {"at"})))
    garbled[0]["at"] = lines[0]["at"]

    told = STORIES[name]()
    channels, _ = channels_of(
        lambda event: None,
        resolve=beep,
        messages=MessageFolder(Path("/nowhere"), "/nowhere"),
        addresses={d.address for a in told.company.routing.agents.values() for d in a.devices},
    )
    for line in garbled:
        channels.take({key: value for key, value in line.items() if key != "at"})

    channels.forget_missing(set(), "gone")
    assert not channels.known()


def test_the_engine_may_read_the_classes_of_its_events_and_no_others() -> None:
    conf = Path(__file__).parent.parent.parent / "asterisk-conf/manager.conf"
    (read,) = re.findall(r"^read = (.*)$", conf.read_text(), re.MULTILINE)
    lines = [
        json.loads(line)
        for name in FOLDER.glob("*.jsonl")
        for line in name.read_text().splitlines()
    ]
    classes = {line["Privilege"].removesuffix(",all") for line in lines if "Privilege" in line}
    # The dialplan tells one thing itself, in callbacks: none of the stories is one.
    assert classes | {"user"} == set(read.split(","))


def test_no_event_of_a_story_is_switched_off() -> None:
    conf = Path(__file__).parent.parent.parent / "asterisk-conf/manager.conf"
    (off,) = re.findall(r"^disabledevents = (.*)$", conf.read_text(), re.MULTILINE)
    read = re.findall(r"^eventfilter\(action\(include\),name\((\w+)\)\)", conf.read_text(), re.M)
    told = {
        json.loads(line).get("Event")
        for name in FOLDER.glob("*.jsonl")
        for line in name.read_text().splitlines()
    }
    assert not set(off.split(",")) & (told | set(read))
