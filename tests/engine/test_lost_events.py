"""Events of the switch that never come: nobody is stuck, and what is given up is counted."""

from __future__ import annotations

import random
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from ivr.nodes import CallOut, Menu, Node
from pbx.engine.awaited import LEG_MARGIN_S, MARGIN_S
from pbx.engine.call import Stage
from pbx.engine.virtual import VirtualWorld
from pbx.journal import port as journal
from pbx.switch import port as switch
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction, Script
from routing import events, facts
from routing.dispatcher import Dispatcher
from routing.legs import JOIN_GRACE_S, STOP_GRACE_S
from routing.strategy import Registry
from routing.values import AgentState, Outcome
from tests import invariants
from tests.world import DID, START, Story, agent, plan, sales, tree

RING_S = 20.0
LONGEST_RING_S = RING_S + JOIN_GRACE_S + STOP_GRACE_S
BUSY = (AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING)
STILL_TRUE = [
    holds
    for holds in invariants.ALL
    # A talk whose end was lost counts until it is given up.
    if holds not in (invariants.no_agent_has_two_calls, invariants.no_call_has_two_agents)
]
MOBILE = "PJSIP/+79160000001@trunk"


class Deaf(VirtualWorld):
    """Some events are lost on their way: those with these numbers, ``SwitchUp`` and
    ``CallArrived`` not counted."""

    lost: frozenset[int] = frozenset()
    heard = 0

    def _event(self, event: switch.SwitchEvent) -> None:
        if not isinstance(event, switch.SwitchUp | switch.CallArrived):
            self.heard += 1
            if self.heard in self.lost:
                return
        super()._event(event)


def deaf_world(
    lost: frozenset[int], callers: list[CallerScript], nodes: dict[str, Node] | None = None
) -> tuple[Deaf, Story]:
    """Anna has two phones, Boris one; each does something else with each call."""
    anna = agent("anna", ("PJSIP/anna", 0.0), ("PJSIP/anna-2", 5.0), wrap_up_s=3.0)
    boris = agent("boris")
    company = plan(
        [anna, boris],
        [sales(anna, boris, ring_time_s=RING_S, max_wait_s=300.0)],
        entry="main",
        nodes=nodes,
    )
    phones = {
        "PJSIP/anna": (
            PhoneAct(Reaction.ANSWER, 3.0, 20.0),
            PhoneAct(Reaction.ANSWER, 3.0, 10.0, transfer_to="102"),
            PhoneAct(Reaction.NO_ANSWER),
        ),
        "PJSIP/anna-2": (PhoneAct(Reaction.REJECT, 1.0), PhoneAct(Reaction.NO_ANSWER)),
        "PJSIP/boris": (PhoneAct(Reaction.NO_ANSWER), PhoneAct(Reaction.ANSWER, 4.0, 30.0)),
        MOBILE: (PhoneAct(Reaction.ANSWER, 2.0, 10.0),),
    }
    story = Story()
    dispatcher = Dispatcher(
        company.routing, strategies=Registry.builtin(), rng=random.Random(1), id_prefix="t"
    )
    world = Deaf(
        company,
        dispatcher,
        Script(tuple(callers), phones),
        start=START,
        on_entry=story.entries.append,
    )
    world.lost = lost
    return world, story


def out_tree() -> dict[str, Node]:
    """A menu whose key 4 calls an outside number."""
    nodes = tree()
    nodes["out"] = CallOut("out", "+79160000001", MOBILE, RING_S, on_failure="bye")
    menu = nodes["main"]
    assert isinstance(menu, Menu)
    nodes["main"] = replace(menu, keys={"1": "to-sales", "2": "message", "4": "out"})
    return nodes


def tell_what_is_there(world: Deaf) -> None:
    """As pbx/ami/reconcile does: callers who are gone, or whose talk is over."""
    there = world.switch.callers
    for call_id, call in list(world.core.calls.by_id.items()):
        if call_id not in there:
            world._event(switch.CallerGone(call_id, "gone"))
        elif call.stage is Stage.TALKING and there[call_id] is None:
            world._event(switch.TalkOver(call_id))


KEYS = st.sampled_from(["1", "1", "2", "4", ""])
CALLERS = st.lists(
    st.builds(
        CallerScript,
        name=st.just(""),
        at_s=st.floats(0.0, 60.0),
        dialled=st.just(DID),
        number=st.sampled_from(["89160000002", "89160000003", "anonymous"]),
        keys=st.tuples(KEYS),
        hang_up=st.none() | st.builds(HangUp, at=st.sampled_from(At), after_s=st.floats(0.0, 40.0)),
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(CALLERS, st.frozensets(st.integers(1, 60), max_size=25))
def test_with_any_events_missing_nobody_is_stuck(
    callers: list[CallerScript], lost: frozenset[int]
) -> None:
    world, story = deaf_world(lost, callers, out_tree())
    core = world.core
    limit = START + 3600
    while (at := world.next_at) is not None and at <= limit:
        world.step()
        for leg in core.dispatcher.legs.values():
            rings = leg.joined_at is None
            assert not rings or world.clock.now() - leg.started_at <= LONGEST_RING_S
        for holds in STILL_TRUE:
            holds(core.dispatcher)
    world.run(limit)

    world.lost = frozenset()
    for _ in range(2):
        tell_what_is_there(world)
        limit += 1800
        world.run(limit)

    assert not world.switch.busy
    assert not core.calls.by_id
    assert not core.calls.by_outside_leg
    assert not core.dispatcher.legs
    assert not core.dispatcher.calls
    assert all(one.state not in BUSY for one in core.dispatcher.agents.values())
    assert core.dispatcher.timers.alive() == 0
    assert core.wake_at is None
    assert len(world.stamps) == 0
    ended = [one.call_id for one in story.of(journal.CallEnded)]
    assert sorted(ended) == sorted(one.call_id for one in story.of(journal.CallStarted))
    begun = {one.leg_id for one in story.of(facts.LegStarted)}
    assert begun == {one.leg_id for one in story.of(facts.LegFinished)}


def test_a_question_that_is_never_answered_is_asked_again_then_the_caller_is_served_elsewhere() -> (
    None
):
    world, story = deaf_world(frozenset({1, 2}), [CallerScript("", 0.0, DID, "89160000002")])
    world.run(START + 600)

    assert not world.core.calls.by_id, "given to the dialplan's own way"
    assert [one.what for one in story.of(facts.Irregular)] == ["no answer to Collect"] * 2
    assert story.outcomes == {"sim-1": Outcome.FAILED}


def test_an_outside_leg_whose_end_is_lost_does_not_keep_the_caller() -> None:
    world, story = deaf_world(
        frozenset(range(2, 5)), [CallerScript("", 0.0, DID, "89160000002", ("4",))], out_tree()
    )
    world.run(START + 600)

    (leg,) = story.of(journal.OutsideLegFinished)
    assert leg.ring_s <= RING_S + LEG_MARGIN_S
    assert not world.core.calls.by_id


def test_nothing_is_given_up_while_the_switch_cannot_be_heard() -> None:
    world, story = deaf_world(frozenset(), [CallerScript("", 0.0, DID, "89160000002")])
    world.run(START + 0.5)
    world.lost = frozenset(range(1, 1000))
    world.core.handle(switch.SwitchDown("cut"), world.clock.now())
    world.run(START + 7200)
    assert not story.of(facts.Irregular)

    world.core.handle(switch.SwitchUp(), world.clock.now())
    world.run(START + 7200 + MARGIN_S)
    assert not story.of(facts.Irregular), "it has its whole time again"
    world.run(START + 7200 + 600)
    assert story.of(facts.Irregular)


def test_a_talk_whose_end_is_lost_frees_the_manager_when_the_caller_is_gone() -> None:
    world, story = deaf_world(frozenset(), [CallerScript("", 0.0, DID, "89160000002", ("1",))])
    while not story.of(facts.LegJoined):
        world.step()
    world.lost = frozenset(range(1, 1000))
    world.core.handle(
        switch.CallerGone(next(iter(world.core.calls.by_id)), "16"), world.clock.now()
    )
    world.run(world.clock.now() + 2 * STOP_GRACE_S + 1)

    assert not world.core.dispatcher.legs
    assert "the end of a talk was not heard" in [one.what for one in story.of(facts.Irregular)]
    assert isinstance(story.entries[-1].entry, facts.AgentChanged | facts.Irregular)
    world.core.tell(events.Woke(), world.clock.now())
