"""Why a queue does not serve a caller, and the way that the plan has for each reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.journal import port as journal
from pbx.plan.load import load
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from routing import facts
from routing.strategy import Registry
from tests.world import DID, START, play, stage

PLAN = """
settings: {region: RU, time_zone: Europe/Moscow, languages: [en]}
managers: {anna: {name: Anna, on_duty: %(on_duty)s}}
schedules: {office: {hours: {%(open)s}}}
queues:
  sales:
    members: [anna]
    strategy: linear
    hours: office
    max_length: 1
    max_wait: 30s
    leave_when_no_managers: true
    extension: 801
    on_overflow: otherwise
    on_closed: closed
    on_full: full
    on_max_wait: waited
    on_no_managers: nobody
menus:
  closed: {hangup: bye}
  full: {hangup: bye}
  waited: {hangup: bye}
  nobody: {hangup: bye}
  otherwise: {hangup: bye}
  own: {hangup: bye}
numbers:
  "+78005553535": {entry: {queue: sales, %(own)s}}
prompts: {bye: {sound: beep}}
"""
TALKS = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 1.0, 100.0),)}
OPEN, SHUT = "daily: 14:00-14:10", "daily: 15:00-16:00"
"""14:06:40 is when all stories begin."""


def caller(at_s: float) -> CallerScript:
    return CallerScript("", at_s, DID, "89161234567")


def write(folder: Path, *, hours: str = OPEN, on_duty: str = "true", own: str = "") -> Path:
    path = folder / "plan.yaml"
    path.write_text(PLAN % {"open": hours, "on_duty": on_duty, "own": own})
    return path


@pytest.mark.parametrize(
    ("more", "ways"),
    [
        ({}, {"sim-2": "waited", "sim-3": "full"}),
        ({"hours": SHUT}, dict.fromkeys(("sim-1", "sim-2", "sim-3"), "closed")),
        ({"hours": SHUT, "own": "on_closed: own"}, dict.fromkeys(("sim-1", "sim-2"), "own")),
        ({"on_duty": "false"}, dict.fromkeys(("sim-1", "sim-2", "sim-3"), "nobody")),
    ],
)
def test_each_reason_has_a_way_of_its_own(
    more: dict[str, str], ways: dict[str, str], tmp_path: Path
) -> None:
    company = load(write(tmp_path, **more), registry=Registry.builtin())

    story = play(company, [caller(0.0), caller(2.0), caller(3.0)], TALKS)

    last = {one.call_id: one.last_node for one in story.of(journal.CallEnded)}
    assert last | ways == last
    assert len(story.of(facts.LegJoined)) == ("sim-1" not in ways)


def test_who_waits_when_the_queue_closes_is_still_served(tmp_path: Path) -> None:
    company = load(write(tmp_path, hours="daily: 14:00-14:07"), registry=Registry.builtin())
    callers = [caller(0.0), caller(19.0), caller(21.0)]
    phones = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 1.0, 30.0),)}
    world, story = stage(company, callers, phones)
    world.run(START + 600.0)

    assert set(story.talks) == {"sim-1", "sim-2"}
    assert story.of(journal.CallEnded)[0].call_id == "sim-3"
    assert story.of(journal.CallEnded)[0].last_node == "closed"
