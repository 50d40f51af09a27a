"""Any tree, any event at any time: the walk ends or waits for one thing, and never raises."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ivr import commands, events
from ivr.checks import loops_without_input
from ivr.nodes import Node, NodeId
from ivr.walk import MAX_PASSED, Walk
from routing.values import Outcome, ReturnReason
from tests.ivr.generators import EVENTS, MOMENTS, NODE_IDS, TORN_TREES, TREES, awaited

NOW = datetime(2026, 11, 18, 11, tzinfo=UTC)
AWAITED_BY = {
    commands.PlayPrompts: events.PlayFinished,
    commands.Collect: events.DigitsPressed,
    commands.RecordMessage: events.MessageRecorded,
    commands.QueueCaller: events.CallerReturned,
    commands.CallAgent: events.CallerReturned,
    commands.CallOutside: events.CallerReturned,
    commands.HangUpCaller: None,
}


def check_step(walk: Walk, step: commands.Step) -> None:
    """What holds of every step that brought anything."""
    others = [one for one in step.commands if not isinstance(one, commands.KeepCallback)]
    assert len(others) <= 1, "more than one command that awaits an event"
    if others:
        assert step.commands[-1] is others[0], "a command after the one that awaits"
        assert AWAITED_BY[type(others[0])] == walk.awaits
    assert len(step.trace) <= MAX_PASSED + 5
    for taken in step.trace:
        assert len(taken.detail) <= 160
        assert taken.digits is None or len(taken.digits) <= 40
    assert len(walk.path) <= 1200
    assert all(len(value) <= 200 for value in walk.variables.values())


class AnyWalk(RuleBasedStateMachine):
    """One caller in a random tree."""

    walk: Walk

    @initialize(tree=TREES | TORN_TREES, entry=st.sampled_from(NODE_IDS))
    def begin(self, tree: Mapping[NodeId, Node], entry: NodeId) -> None:
        self.walk = Walk(tree, entry, language="ru")
        self.gone = False

    @rule(event=EVENTS, now=MOMENTS)
    def anything_happens(self, event: events.Event, now: datetime) -> None:
        self._feed(event, now)

    @rule(data=st.data(), now=MOMENTS)
    @precondition(lambda self: self.walk.awaits is not None)
    def what_it_waits_for_happens(self, data: st.DataObject, now: datetime) -> None:
        assert self.walk.awaits is not None
        self._feed(data.draw(awaited(self.walk.awaits)), now)

    def _feed(self, event: events.Event, now: datetime) -> None:
        before = (self.walk.awaits, self.walk.current, self.walk.path, self.walk.variables)
        was_awaited = before[0] is not None and isinstance(event, before[0])
        if isinstance(event, events.SentTo):
            was_awaited = before[0] is events.CallerReturned
        step = self.walk.step(event, now)
        if isinstance(event, events.CallerHungUp):
            assert step == commands.Step((), ())
            self.gone = True
        elif was_awaited:
            assert step.commands, "the walk went on to nothing"
        else:
            after = (self.walk.awaits, self.walk.current, self.walk.path, self.walk.variables)
            assert (step, after) == (commands.Step((), ()), before)
        check_step(self.walk, step)
        for command in step.commands:
            if isinstance(command, commands.HangUpCaller):
                assert command.outcome is not Outcome.ABANDONED_IN_MENU
                self.gone = True

    @invariant()
    def it_has_ended_or_waits_for_one_thing(self) -> None:
        assert self.walk.ended == self.gone
        assert self.walk.ended == (self.walk.awaits is None)


AnyWalk.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestAnyWalk = AnyWalk.TestCase


def silent_answer(kind: type[events.Event], reason: ReturnReason) -> events.Event:
    """What a caller who never does anything, in queues that never serve, makes happen."""
    by_kind: dict[type[events.Event], events.Event] = {
        events.WalkStarted: events.WalkStarted(),
        events.PlayFinished: events.PlayFinished(),
        events.DigitsPressed: events.DigitsPressed(""),
        events.MessageRecorded: events.MessageRecorded("m.wav", 0.0),
        events.CallerReturned: events.CallerReturned(reason),
    }
    return by_kind[kind]


@pytest.mark.slow
@given(tree=TREES, reason=st.sampled_from([one for one in ReturnReason if one != "talk_ended"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_silent_caller_ends_whatever_the_tree(
    tree: Mapping[NodeId, Node], reason: ReturnReason
) -> None:
    walk = Walk(tree, "main", language="ru")
    events_fed = 0
    waited = False
    while walk.awaits is not None:
        step = walk.step(silent_answer(walk.awaits, reason), NOW)
        events_fed += 1
        waited = waited or any(isinstance(one, commands.QueueCaller) for one in step.commands)
        # Each node takes a prompt and at most four tries.
        assert events_fed <= 5 * MAX_PASSED
    last = step.commands[-1]
    assert isinstance(last, commands.HangUpCaller)
    if not loops_without_input(tree) and not waited:
        assert last.outcome is not Outcome.FAILED, "the guard met a loop that the check let through"
