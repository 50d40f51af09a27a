"""A new plan with calls in it: who keeps what, and what holds for whom, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ivr.nodes import HangUp, Node, ToQueue
from pbx.engine.virtual import VirtualWorld
from pbx.journal import port as journal
from pbx.plan.model import Plan
from pbx.switch.port import AddressBusy, AddressIdle, Phones
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from routing import facts
from routing.plan import Agent, Queue, StrategyChoice
from routing.values import AgentId, AgentState, Outcome, QueueId
from tests.world import DID, SALES, START, Story, agent, plan, sales, stage, tree

ANNA, BORIS, VERA = agent("anna"), agent("boris"), agent("vera")
ANSWERS = PhoneAct(Reaction.ANSWER, 1.0, 20.0)
PHONES = {f"PJSIP/{name}": (ANSWERS,) for name in ("anna", "boris", "vera")}
OTHER = QueueId("other")


def caller(at_s: float, **more: object) -> CallerScript:
    return CallerScript("", at_s, DID, "89161234567", **more)  # type: ignore[arg-type]


def other(*members: Agent, **more: object) -> Queue:
    ids = tuple(one.agent_id for one in members)
    return Queue(OTHER, ids, StrategyChoice("longest-idle"), **more)  # type: ignore[arg-type]


def reloaded(
    before: Plan, callers: Sequence[CallerScript], after: Plan, at_s: float, phones: Phones
) -> tuple[VirtualWorld, Story]:
    world, story = stage(before, callers, PHONES)
    world.run(START + at_s)
    world.core.replace_plan(after, START + at_s, phones)
    return world, story


def play(
    before: Plan,
    callers: Sequence[CallerScript],
    after: Plan,
    at_s: float,
    phones: Phones | None = None,
) -> Story:
    world, story = reloaded(before, callers, after, at_s, phones or Phones())
    world.run(START + 600.0)
    assert not world.core.calls.by_id
    assert not world.switch.busy
    assert world.core._older.calls == 0
    assert not story.of(facts.Irregular)
    return story


def test_who_is_in_a_menu_goes_on_by_the_old_one_and_who_comes_has_the_new() -> None:
    before = plan([ANNA], [sales(ANNA)], entry="main")
    nodes: dict[str, Node] = {"over": HangUp("over")}
    after = plan([ANNA], [sales(ANNA)], entry="over", nodes=nodes)

    story = play(before, [caller(0.0, keys=("1",), key_delay_s=8.0), caller(10.0)], after, 5.0)

    assert story.talks == {"sim-1": "anna"}
    assert [one.node_id for one in story.of(journal.MenuStep) if one.call_id == "sim-2"] == ["over"]


def test_a_queue_that_is_gone_serves_its_last_callers_by_who_is_left_of_it() -> None:
    nodes = {**tree(), "to-sales": ToQueue("to-sales", OTHER, 0, (), on_overflow="bye")}
    before = plan([ANNA, BORIS], [other(ANNA, BORIS)], nodes=nodes)
    after = plan([BORIS], [sales(BORIS)])
    # Two talk, the third waits.
    callers = [caller(0.0), caller(0.1), caller(3.0)]
    world, story = reloaded(before, callers, after, 5.0, Phones())
    dispatcher = world.core.dispatcher

    world.run(START + 15.0)
    assert dispatcher.waiting(OTHER) == 1
    world.run(START + 600.0)

    assert story.outcomes == dict.fromkeys(("sim-1", "sim-2", "sim-3"), Outcome.ANSWERED)
    assert story.talks["sim-3"] == "boris", "anna is no manager any more"
    # The last one is over: nobody can come into it now, and nothing of it is left.
    assert dispatcher.agent_state(AgentId("anna")) is None
    assert dispatcher.free_in(OTHER) == 0
    assert dispatcher.free_in(SALES) == 1


def test_callers_of_a_queue_with_nobody_left_take_its_way_out() -> None:
    nodes = {**tree(), "to-sales": ToQueue("to-sales", OTHER, 0, (), on_overflow="message")}
    before = plan([ANNA], [other(ANNA)], nodes=nodes)

    story = play(before, [caller(0.0), caller(1.0)], plan([BORIS], [sales(BORIS)]), 5.0)

    assert story.outcomes == {"sim-1": Outcome.ANSWERED, "sim-2": Outcome.VOICEMAIL}


def test_a_wait_keeps_the_limits_with_which_it_began() -> None:
    before = plan([ANNA], [sales(ANNA)])
    after = plan([ANNA], [sales(ANNA, max_wait_s=3.0, max_length=1, leave_when_no_agents=True)])
    callers = [caller(0.0), caller(1.0), caller(2.0), caller(5.0)]

    story = play(before, callers, after, 4.0)

    assert [one.call_id for one in story.of(facts.LegJoined)] == ["sim-1", "sim-2", "sim-3"]
    assert story.outcomes["sim-4"] is Outcome.VOICEMAIL, "the line is full for who comes now"


def test_free_managers_of_the_new_plan_are_given_to_who_has_waited_longest() -> None:
    nodes = tree()
    nodes["to-other"] = ToQueue("to-other", OTHER, 0, (), on_overflow="bye")
    before = plan([ANNA], [sales(ANNA), other(ANNA)], nodes=nodes)
    second = replace(before.numbers[DID], did="+78005553536", entry="to-other", also=())
    before = replace(before, numbers={**before.numbers, second.did: second})
    after = plan([ANNA, BORIS], [sales(ANNA, BORIS), other(ANNA, BORIS)], nodes=nodes)
    callers = [
        caller(0.0),
        CallerScript("", 1.0, second.did, "89161234568"),
        caller(2.0),
    ]

    story = play(before, callers, after, 5.0)

    assert story.talks["sim-2"] == "boris", "the first of all lines, not of the first line"


def test_a_new_phone_is_known_to_be_dead_or_busy_at_once() -> None:
    before = plan([ANNA], [sales(ANNA)])
    after = plan([ANNA, BORIS, VERA], [sales(ANNA, BORIS, VERA)])
    phones = Phones(frozenset({"PJSIP/boris"}), {"their-own": "PJSIP/vera"})
    world, story = reloaded(before, [caller(0.0), caller(1.0)], after, 5.0, phones)

    assert world.core.dispatcher.agent_state(AgentId("vera")) is AgentState.TALKING
    world.core.handle(AddressIdle("PJSIP/vera", "their-own"), START + 6.0)
    world.run(START + 600.0)

    assert "boris" not in {one.agent_id for one in story.of(facts.LegStarted)}
    assert story.talks == {"sim-1": "anna", "sim-2": "vera"}


def test_a_phone_that_changes_hands_in_a_call_frees_its_old_owner() -> None:
    before = plan([ANNA], [sales(ANNA)])
    moved = replace(ANNA, devices=VERA.devices)
    world, _ = stage(before, [], PHONES)
    world.run(START + 1.0)
    world.core.handle(AddressBusy("PJSIP/anna", "own"), START + 2.0)
    after = plan([moved, replace(BORIS, devices=ANNA.devices)], [sales(moved, BORIS)])
    world.core.replace_plan(after, START + 3.0, Phones(own_calls={"own": "PJSIP/anna"}))

    states = world.core.dispatcher.agent_state
    assert states(AgentId("anna")) is AgentState.FREE
    assert states(AgentId("boris")) is AgentState.TALKING
