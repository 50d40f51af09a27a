"""A key leaves the line: what rings is cancelled, a join that came first wins."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ivr import events as ivr_events
from ivr.nodes import AskCallback, ToQueue
from ivr.walk import Walk
from pbx.journal import port as journal
from pbx.plan.model import Plan
from pbx.switch import port
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from routing import facts
from routing.values import CallId, Outcome, QueueId
from tests.world import DID, SALES, agent, plan, play, sales, stage, tree, words

ANNA = agent("anna")
SILENT = {"PJSIP/anna": (PhoneAct(Reaction.NO_ANSWER),)}


NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


def company() -> Plan:
    """1 leaves for voicemail, 2 for a callback."""
    nodes = tree()
    waits = nodes["to-sales"]
    assert isinstance(waits, ToQueue)
    nodes["to-sales"] = replace(waits, keys={"1": "message", "2": "callback"})
    nodes["callback"] = AskCallback("callback", SALES, words("call you back"), "bye")
    return plan([ANNA], [sales(ANNA)], nodes=nodes)


def caller(key: str, after_s: float) -> CallerScript:
    return CallerScript("", 0.0, DID, "+79161234567", in_line=(key, after_s))


def test_a_key_pressed_while_a_phone_rings_cancels_it_and_goes_its_way() -> None:
    story = play(company(), [caller("1", 7.0)], SILENT)

    assert story.outcomes == {"sim-1": Outcome.VOICEMAIL}
    assert story.legs == [("sim-1", "anna", "cancelled")]
    (wait,) = story.of(facts.WaitEnded)
    assert wait.reason == "key"
    assert wait.waited_s == pytest.approx(7.0)
    pressed = [one for one in story.of(journal.MenuStep) if one.digits == "1"]
    assert [(one.node_id, one.detail) for one in pressed] == [("to-sales", "key 1 → message")]


def test_a_callback_asked_for_in_the_line_is_kept() -> None:
    story = play(company(), [caller("2", 3.0)], SILENT)

    (asked,) = story.of(journal.CallbackAsked)
    assert (asked.number, asked.queue_id) == ("+79161234567", SALES)
    assert story.outcomes == {"sim-1": Outcome.OVERFLOW}


@pytest.mark.parametrize("key", ["3", "#", "*"])
def test_a_key_that_means_nothing_changes_nothing(key: str) -> None:
    answers = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 5.0, 5.0),)}
    story = play(company(), [caller(key, 2.0)], answers)

    assert story.outcomes == {"sim-1": Outcome.ANSWERED}
    assert story.legs == [("sim-1", "anna", "answered")]


def test_a_join_that_came_before_the_caller_was_out_wins() -> None:
    answers = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 5.0, 5.0),)}
    world, story = stage(company(), [caller("1", 60.0)], answers)
    world.run(world.clock.now() + 4.5)
    # The key is pressed, and the switch joins the two before it takes the caller out.
    key = port.KeyPressed(CallId("sim-1"), "1")
    sent: list[port.SwitchCommand] = []
    send, world.core._send = world.core._send, sent.append
    world.core.handle(key, world.clock.now())
    world.core._send = send
    assert sent == [port.Fetch(CallId("sim-1"))]
    world.run(world.clock.now() + 60)

    assert story.outcomes == {"sim-1": Outcome.ANSWERED}
    assert [one.reason for one in story.of(facts.WaitEnded)] == ["joined"]
    # News of a wait that is long over is harmless.
    world.core.handle(port.WaitLeft(CallId("sim-1")), world.clock.now())
    assert not story.of(facts.Irregular)


def test_only_the_queue_at_hand_gives_keys_a_meaning() -> None:
    walk = Walk(company().tree, "to-sales", language="ru")
    assert not walk.leaves_by("1", SALES), "not there yet"
    walk.step(ivr_events.WalkStarted(), NOW)
    assert walk.leaves_by("1", SALES)
    assert not walk.leaves_by("1", QueueId("transferred-to"))
    assert not walk.leaves_by("9", SALES)
    walk.step(ivr_events.CallerHungUp(), NOW)
    assert not walk.leaves_by("1", SALES)
