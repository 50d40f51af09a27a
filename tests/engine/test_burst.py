"""500 calls within 5 s onto 10 managers: nobody is turned away, the order is fair, all is freed."""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from ivr.nodes import Menu, ToQueue
from ivr.walk import Walk
from pbx.engine.call import LiveCall, OutsideLeg
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from routing import facts
from routing.offer import Call, Leg, Offer, Part
from routing.timers import Timer
from routing.values import AgentState, CallId, Outcome
from tests.world import DID, SALES, START, Story, agent, plan, sales, stage, tree

CALLS = 500
WITHIN_S = 5.0
MANAGERS = 10
KEPT = (LiveCall, OutsideLeg, Walk, Call, Leg, Offer, Part, Timer)
STRATEGIES = ("ring-all", "longest-idle", "round-robin", "fewest-calls")


def kept() -> Counter[str]:
    """How many of the objects that calls are made of are alive."""
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects() if isinstance(one, KEPT))


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    strategy=st.sampled_from(STRATEGIES),
    patience=st.lists(st.none() | st.floats(0.1, 900.0), min_size=7, max_size=40),
    important=st.sets(st.integers(0, CALLS - 1), max_size=40),
    talk_s=st.sampled_from([5.0, 20.0]),
)
def test_a_burst_is_served_in_order_and_leaves_nothing(
    strategy: str, patience: list[float | None], important: set[int], talk_s: float
) -> None:
    before = kept()
    _play(strategy, patience, important, talk_s)
    assert kept() <= before


def _play(strategy: str, patience: list[float | None], important: set[int], talk_s: float) -> None:
    team = [agent(f"m{n}") for n in range(MANAGERS)]
    nodes = tree()
    menu = nodes["main"]
    assert isinstance(menu, Menu)
    nodes["main"] = replace(menu, keys={**menu.keys, "5": "to-vip"})
    nodes["to-vip"] = ToQueue("to-vip", SALES, 10, (), on_overflow="message")
    told = plan(team, [sales(*team, strategy=strategy)], entry="main", nodes=nodes)
    phones = {one.devices[0].address: (PhoneAct(Reaction.ANSWER, 1.0, talk_s),) for one in team}
    callers = []
    for n in range(CALLS):
        after_s = patience[n % len(patience)]
        callers.append(
            CallerScript(
                "",
                n * WITHIN_S / CALLS,
                DID,
                f"8916{n:07}",
                keys=("5" if n in important else "1",),
                hang_up=None if after_s is None else HangUp(At.WAITING, after_s),
            )
        )
    world, story = stage(told, callers, phones)
    world.run(START + WITHIN_S + 2.0)
    busy = world.core.dispatcher.agents_by_state()[AgentState.FREE]
    assert busy == 0
    # Everybody is in the line, or served: who waits longer than all talks together is served.
    world.run(START + 3600)

    assert len(story.outcomes) == CALLS
    assert set(story.outcomes.values()) <= {Outcome.ANSWERED, Outcome.ABANDONED_WAITING}
    stayed = {f"sim-{n + 1}" for n in range(CALLS) if callers[n].hang_up is None}
    assert all(story.outcomes[call_id] is Outcome.ANSWERED for call_id in stayed)
    _is_fair(story)
    core = world.core
    assert not world.switch.busy
    assert not core.calls.by_id
    assert not core.calls.on_number
    assert not core.dispatcher.calls
    assert core.wake_at is None
    assert len(world.stamps) == 0


def _is_fair(story: Story) -> None:
    """Nobody is offered to a manager while one waits who came before, or is more important."""
    waiting: dict[CallId, tuple[int, float, int]] = {}
    for number, stamped in enumerate(story.entries):
        match stamped.entry:
            case facts.WaitStarted(call_id, _, _, priority, since):
                waiting[call_id] = (-priority, since, number)
            case facts.WaitEnded(call_id):
                waiting.pop(call_id, None)
            case facts.OfferMade(_, call_id):
                turn = waiting.pop(call_id, None)
                assert turn is None or turn <= min(waiting.values(), default=turn)
