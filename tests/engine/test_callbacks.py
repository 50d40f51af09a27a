"""Callbacks: the place is kept, the manager first, the client once; any talk closes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from ivr.nodes import AskCallback, ToQueue
from ivr.schedule import Schedule, Window
from pbx.engine.virtual import VirtualWorld
from pbx.journal import port as journal
from pbx.plan.model import CallbackRule, OutsideLimits, Plan
from pbx.switch import port as switch
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from routing import events, facts
from routing.commands import StopRinging
from routing.plan import Agent
from routing.values import AgentId, AgentState, CallId, Disposition, Outcome, QueueId
from tests import invariants
from tests.world import DID, SALES, START, Story, agent, plan, sales, stage, tree, words

CLIENT = "+79161234567"
TRUNK = f"PJSIP/{CLIENT}@trunk"
ANNA = agent("anna")
TALKS = PhoneAct(Reaction.ANSWER, 2.0, 30.0)
HOLDS = PhoneAct(Reaction.ANSWER, 2.0)
PICKS_UP = PhoneAct(Reaction.ANSWER, 4.0)
SILENT = PhoneAct(Reaction.NO_ANSWER)
BUSY = PhoneAct(Reaction.BUSY)
NIGHT = Schedule("night", ZoneInfo("UTC"), {day: (Window(time(22), time(6)),) for day in range(7)})
RULE = CallbackRule(attempts=2, pause_s=100.0, ring_time_s=20.0)


def company(
    *agents: Agent, rule: CallbackRule = RULE, confirm: bool = False, **queue: object
) -> Plan:
    """Pressing 2 in the line asks for a callback."""
    nodes = tree()
    waits = nodes["to-sales"]
    assert isinstance(waits, ToQueue)
    nodes["to-sales"] = replace(waits, keys={"2": "callback"})
    nodes["callback"] = AskCallback("callback", SALES, words("soon"), "bye", confirm=confirm)
    who = agents or (ANNA,)
    where = plan(who, [sales(*who, **queue)], nodes=nodes)  # type: ignore[arg-type]
    return replace(where, callback_rules={SALES: rule})


def asks(at_s: float = 0.0, number: str = CLIENT, **more: object) -> CallerScript:
    return CallerScript("", at_s, DID, number, in_line=("2", 3.0), **more)  # type: ignore[arg-type]


def waits(at_s: float, number: str) -> CallerScript:
    return CallerScript("", at_s, DID, number, hang_up=HangUp(At.TALKING, 5.0))


Phones = Mapping[str, tuple[PhoneAct, ...]]


def run(where: Plan, callers: list[CallerScript], phones: Phones, until: float = 3_000.0) -> Story:
    world, story = stage(where, callers, phones)
    run_on(world, until)
    assert not world.switch.busy, "callers or legs are left in the switch"
    assert not world.core.calls.by_id
    assert not world.core.calls.clients
    return story


def run_on(world: VirtualWorld, until: float) -> None:
    """Step by step, looking at what must always hold."""
    while (at := world.next_at) is not None and at <= START + until:
        world.step()
        for holds in invariants.ALL:
            holds(world.core.dispatcher)
    world.run(START + until)


def results(story: Story) -> list[str]:
    return [one.result for one in story.of(journal.CallbackClosed)]


def dialled(story: Story) -> list[str]:
    return [one.number for one in story.of(journal.OutsideLegStarted)]


def test_the_manager_is_rung_first_then_the_client_and_both_talk() -> None:
    phones = {"PJSIP/anna": (SILENT, HOLDS), TRUNK: (replace(PICKS_UP, talk_s=30.0),)}
    story = run(company(ring_time_s=5.0), [asks()], phones)

    (opened,) = story.of(journal.CallbackOpened)
    assert (opened.number, opened.call_id, opened.did) == (CLIENT, "sim-1", DID)
    made = [one for one in story.of(journal.CallStarted) if one.callback_of]
    assert [one.callback_of for one in made] == [opened.callback_id]
    assert story.outcomes == {"sim-1": Outcome.OVERFLOW, made[0].call_id: Outcome.ANSWERED}
    order = [type(one.entry) for one in story.entries]
    assert order.index(journal.CallbackDialled) < order.index(journal.OutsideLegStarted)
    assert results(story) == ["talked"]
    assert dialled(story) == [CLIENT]
    (wait,) = [one for one in story.of(facts.WaitStarted) if one.call_id == made[0].call_id]
    assert wait.waiting_since == pytest.approx(START), "the place of who asked"


def test_a_callback_is_served_before_who_came_after_its_caller_and_after_who_came_before() -> None:
    """Anna talks with the first; two wait before and after the one who asks."""
    phones = {"PJSIP/anna": (HOLDS,), TRUNK: (replace(PICKS_UP, talk_s=5.0),)}
    first = CallerScript("", 0.0, DID, "+79160000001", hang_up=HangUp(At.TALKING, 100.0))
    callers = [first, waits(5.0, "+79160000002"), asks(10.0), waits(15.0, "+79160000003")]
    story = run(company(), callers, phones)

    joined = [one.call_id for one in story.of(facts.LegJoined)]
    (made,) = [one.call_id for one in story.of(journal.CallStarted) if one.callback_of]
    assert joined == ["sim-1", "sim-2", made, "sim-4"]


@pytest.mark.parametrize("act", [BUSY, SILENT])
def test_attempts_are_limited_with_a_pause_between(act: PhoneAct) -> None:
    phones = {"PJSIP/anna": (SILENT, HOLDS), TRUNK: (act,)}
    story = run(company(ring_time_s=5.0), [asks()], phones)

    marks = [one.at for one in story.entries if isinstance(one.entry, journal.CallbackDialled)]
    assert len(marks) == 2
    assert (marks[1] - marks[0]).total_seconds() >= RULE.pause_s
    assert results(story) == ["not_reached"]
    assert {how for _, _, how in story.legs} <= {"cancelled", "no_answer"}, "nobody talked"
    assert sorted(story.outcomes.values()) == [Outcome.FAILED, Outcome.FAILED, Outcome.OVERFLOW]


def test_the_client_is_called_when_the_manager_has_heard_the_number() -> None:
    phones = {"PJSIP/anna": (SILENT, HOLDS), TRUNK: (replace(PICKS_UP, talk_s=30.0),)}
    world, story = stage(company(ring_time_s=5.0), [asks()], phones)
    while not story.of(facts.LegStarted)[1:]:
        world.step()
    leg_id = story.of(facts.LegStarted)[-1].leg_id
    run_on(world, world.clock.now() - START + 6.0)
    assert not dialled(story), "the number is being said"
    world.core.handle(switch.GreetingHeard(leg_id), world.clock.now())  # skipped by a key
    run_on(world, world.clock.now() - START + 1.0)
    assert dialled(story) == [CLIENT]
    run_on(world, 1_000.0)

    assert dialled(story) == [CLIENT], "what is heard of twice calls once"
    assert results(story) == ["talked"]


def test_a_word_of_the_switch_that_is_lost_does_not_keep_the_client_from_being_called() -> None:
    phones = {"PJSIP/anna": (SILENT, HOLDS), TRUNK: (replace(PICKS_UP, talk_s=30.0),)}
    world, story = stage(company(ring_time_s=5.0), [asks()], phones)
    hear = world.core.handle

    def deaf(event: switch.SwitchEvent, now: float) -> None:
        if not isinstance(event, switch.GreetingHeard):
            hear(event, now)

    world.core.handle = deaf  # type: ignore[method-assign]
    run_on(world, 1_000.0)

    assert results(story) == ["talked"]


def test_the_number_is_said_in_the_managers_own_language_as_one_dials_it_at_home() -> None:
    where = replace(company(), agent_languages={AgentId("anna"): "en"})
    world, story = stage(where, [asks()], {})
    run_on(world, 10.0)
    (call,) = [one for one in world.core.calls.by_id.values() if one.callback_of]
    leg_id = story.of(facts.LegStarted)[-1].leg_id
    said = {
        name: world.core.callbacks.attempts.greeting(call, leg_id, AgentId(name))
        for name in ("anna", "boris")
    }

    assert said["anna"] is not None
    assert said["boris"] is not None
    assert (said["anna"].language, said["boris"].language) == ("en", "ru")
    greeting, *digits = [one.text["en"] for one in said["anna"].prompts]
    assert greeting == "Callback. Number:"
    assert " ".join(digits) == "eight nine one six one two three four five six seven"


def test_a_second_wish_is_merged_and_keeps_the_first_place() -> None:
    phones = {"PJSIP/anna": (SILENT,) * 20, TRUNK: (PICKS_UP,)}
    where = company(ring_time_s=5.0, retry_delay_s=30.0)
    world, story = stage(where, [asks(0.0), asks(60.0)], phones)
    run_on(world, 100.0)

    assert len(story.of(journal.CallbackAsked)) == 2
    (opened,) = story.of(journal.CallbackOpened)
    assert opened.call_id == "sim-1"
    assert not dialled(story)


def test_a_client_who_comes_through_by_a_call_of_their_own_is_not_called() -> None:
    """They call again while Anna's phone rings for their callback: she takes the call instead."""
    phones = {"PJSIP/anna": (SILENT, SILENT, TALKS), TRUNK: (PICKS_UP,)}
    again = CallerScript("", 12.0, DID, CLIENT)
    story = run(company(ring_time_s=9.0), [asks(), again], phones)

    assert story.outcomes["sim-2"] is Outcome.ANSWERED
    assert results(story) == ["got_through"]
    assert not dialled(story)


def test_a_managers_own_talk_with_the_client_stops_the_phones_that_ring() -> None:
    boris = agent("boris")
    world, story = stage(company(ANNA, boris, ring_time_s=20.0), [asks()], {})
    run_on(world, 10.0)
    assert world.core.dispatcher.agent_state(AgentId("anna")) is AgentState.RINGING
    now = world.clock.now()
    world.core.handle(switch.AddressBusy("PJSIP/boris", "own"), now)
    world.core.handle(switch.OwnCallJoined("PJSIP/boris", "own", CLIENT), now)
    run_on(world, 11.0)

    assert results(story) == ["got_through"]
    assert world.core.dispatcher.agent_state(AgentId("anna")) is AgentState.FREE
    assert not dialled(story)


def test_a_client_who_comes_through_while_they_are_called_is_let_go() -> None:
    phones = {"PJSIP/anna": (SILENT, HOLDS), TRUNK: (SILENT,)}
    world, story = stage(company(ring_time_s=5.0), [asks()], phones)
    while not dialled(story):
        world.step()
    world.core.handle(switch.AddressBusy("PJSIP/boris", "own"), world.clock.now())
    world.core.callbacks.talked(CLIENT, world.clock.now())
    run_on(world, world.clock.now() - START + 5.0)

    assert results(story) == ["got_through"]
    assert not world.switch.busy
    assert world.core.dispatcher.agent_state(AgentId("anna")) is AgentState.FREE


def test_nobody_is_rung_for_a_client_who_is_on_the_line() -> None:
    """The number typed is another phone of theirs, and that one calls, too."""
    phones = {"PJSIP/anna": (SILENT,) * 50, TRUNK: (BUSY,)}
    stays = CallerScript("", 10.0, DID, CLIENT, hang_up=HangUp(At.WAITING, 200.0))
    world, story = stage(company(ring_time_s=5.0, retry_delay_s=1.0), [asks(), stays], phones)
    run_on(world, 150.0)

    late = [
        one.entry.call_id
        for one in story.entries
        if isinstance(one.entry, facts.LegStarted) and one.at.timestamp() > START + 11
    ]
    assert set(late) == {"sim-2"}
    run_on(world, 240.0)
    assert story.of(facts.LegStarted)[-1].call_id.startswith("callback-")


def test_of_two_who_pick_up_one_waits_for_the_client_and_the_other_is_free() -> None:
    boris = agent("boris")
    both = {"PJSIP/anna": (SILENT, HOLDS), "PJSIP/boris": (SILENT, HOLDS)}
    phones = {**both, TRUNK: (replace(PICKS_UP, talk_s=5.0),)}
    story = run(company(ANNA, boris, ring_time_s=5.0), [asks()], phones)

    assert len(dialled(story)) == 1
    made = next(one.call_id for one in story.of(journal.CallStarted) if one.callback_of)
    of_it = sorted(how for call, _, how in story.legs if call == made)[:2]
    assert of_it == ["answered", "answered_elsewhere"]


def test_a_manager_who_hangs_up_before_the_client_comes_is_not_left_with_nobody() -> None:
    phones = {"PJSIP/anna": (SILENT, HOLDS, HOLDS), TRUNK: (SILENT, replace(PICKS_UP, talk_s=9.0))}
    world, story = stage(company(ring_time_s=5.0), [asks()], phones)
    while not dialled(story):
        world.step()
    (leg_id,) = world.core.dispatcher.legs
    world.switch.send(StopRinging(leg_id, Disposition.FAILED))
    run_on(world, 1_000.0)

    assert dialled(story) == [CLIENT, CLIENT]
    assert results(story) == ["talked"]


@pytest.mark.parametrize(
    ("rule", "limits", "prefixes", "result"),
    [
        (replace(RULE, hours=NIGHT, expires_s=900.0), OutsideLimits(), ("+7",), ["expired"]),
        (replace(RULE, expires_s=900.0), OutsideLimits(hours=NIGHT), ("+7",), ["expired"]),
        (replace(RULE, expires_s=900.0), OutsideLimits(per_hour=0), ("+7",), ["expired"]),
        (RULE, OutsideLimits(), ("+7495",), []),
    ],
)
def test_out_of_hours_and_above_limits_nobody_is_rung_or_called(
    rule: CallbackRule, limits: OutsideLimits, prefixes: tuple[str, ...], result: list[str]
) -> None:
    where = replace(company(rule=rule), outside_limits=limits, allowed_prefixes=prefixes)
    story = run(where, [asks()], {"PJSIP/anna": (SILENT, HOLDS), TRUNK: (PICKS_UP,)})

    assert len(story.of(journal.CallbackAsked)) == 1, "kept for people, whatever comes"
    assert not dialled(story)
    assert {one.call_id for one in story.of(facts.LegStarted)} == {"sim-1"}
    assert results(story) == result


def test_a_missed_caller_is_called_back_without_asking_where_the_plan_says_so() -> None:
    impatient = CallerScript("", 0.0, DID, CLIENT, hang_up=HangUp(At.WAITING, 4.0))
    phones = {"PJSIP/anna": (SILENT, HOLDS), TRUNK: (replace(PICKS_UP, talk_s=5.0),)}
    where = company(rule=replace(RULE, missed=True), ring_time_s=20.0)
    story = run(where, [impatient], phones)
    assert [one.missed for one in story.of(journal.CallbackOpened)] == [True]
    assert results(story) == ["talked"]

    assert not run(company(), [impatient], phones).of(journal.CallbackOpened)


def test_the_caller_hears_the_number_and_may_type_another() -> None:
    other = "+79165550011"
    phones = {
        "PJSIP/anna": (SILENT, HOLDS),
        f"PJSIP/{other}@trunk": (replace(PICKS_UP, talk_s=5.0),),
    }
    typing = asks(keys=("2", "89165550011#", "1"))
    story = run(company(confirm=True, ring_time_s=5.0), [typing], phones)

    assert [one.number for one in story.of(journal.CallbackOpened)] == [other]
    assert dialled(story) == [other]


def test_a_withheld_number_has_to_be_typed_and_one_that_may_not_be_called_is_refused() -> None:
    keys = ("112#", "+442071838750#".replace("+", "810"), "88091234567#", "1")
    story = run(company(confirm=True, max_wait_s=60.0), [asks(number="anonymous", keys=keys)], {})

    assert not story.of(journal.CallbackAsked)
    details = [one.detail for one in story.of(journal.MenuStep) if one.kind == "askcallback"]
    assert details[-1].startswith("no number")


def restarted(
    where: Plan, left: journal.OpenCallback, phones: Phones
) -> tuple[VirtualWorld, Story]:
    world, story = stage(where, [], phones)
    world.core.callbacks.restore([left])
    return world, story


def left_open(**more: object) -> journal.OpenCallback:
    opened = journal.CallbackOpened(
        "old-b1",
        CallId("sim-1"),
        CLIENT,
        SALES,
        DID,
        "",
        "ru",
        (),
        0,
        datetime.fromtimestamp(START - 300, UTC),
        missed=False,
    )
    given = {"attempts": 0, "next_at": None, "dialled_call": "", "talked": False}
    at = datetime.fromtimestamp(START - 290, UTC)
    return journal.OpenCallback(opened, at, **(given | more))  # type: ignore[arg-type]


def test_after_a_restart_an_open_callback_stands_where_it_stood() -> None:
    phones = {"PJSIP/anna": (HOLDS,), TRUNK: (replace(PICKS_UP, talk_s=5.0),)}
    world, story = restarted(company(), left_open(), phones)
    run_on(world, 200.0)

    (wait,) = story.of(facts.WaitStarted)
    assert wait.waiting_since == pytest.approx(START - 300)
    assert results(story) == ["talked"]


@pytest.mark.parametrize(("talked", "result"), [(True, "talked"), (False, "unknown")])
def test_after_a_restart_an_attempt_without_an_end_is_not_made_again(
    talked: bool, result: str
) -> None:
    left = left_open(attempts=1, dialled_call="callback-old-b1.old-2", talked=talked)
    phones = {"PJSIP/anna": (HOLDS,), TRUNK: (PICKS_UP,)}
    world, story = restarted(company(), left, phones)
    run_on(world, 2_000.0)

    assert results(story) == [result]
    assert not dialled(story)
    assert not story.of(facts.LegStarted)


def test_after_a_restart_a_callback_that_was_settled_meanwhile_is_closed() -> None:
    world, story = restarted(company(), left_open(settled="withdrawn"), {"PJSIP/anna": (HOLDS,)})
    run_on(world, 200.0)

    assert results(story) == ["withdrawn"]
    assert not story.of(facts.LegStarted)


@pytest.mark.parametrize("when", ["rings", "is called"])
def test_a_missed_call_closed_by_hand_stops_the_phones_that_ring_for_it(when: str) -> None:
    phones = {"PJSIP/anna": (SILENT, HOLDS), TRUNK: (SILENT,)}
    world, story = stage(company(ring_time_s=5.0), [asks()], phones)
    while not (dialled(story) if when == "is called" else story.of(facts.LegRang)[1:]):
        world.step()
    (opened,) = story.of(journal.CallbackOpened)
    closed = {opened.callback_id: "withdrawn", "another": "withdrawn"}
    world.core.callbacks.settled(closed, world.clock.now())
    run_on(world, world.clock.now() - START + 5.0)

    assert results(story) == ["withdrawn"]
    assert not world.switch.busy
    assert world.core.dispatcher.agent_state(AgentId("anna")) is AgentState.FREE


def test_open_callbacks_are_counted_by_queue_with_the_oldest_ones_age() -> None:
    world, _ = stage(company(ring_time_s=5.0), [asks(), asks(60.0, "+79160000009")], {})
    assert world.core.callbacks.open_by_queue() == {}
    run_on(world, 100.0)

    ((queue_id, (count, oldest)),) = world.core.callbacks.open_by_queue().items()
    assert (queue_id, count) == (SALES, 2)
    assert oldest == pytest.approx(START + 3.0, abs=0.1)


def test_after_a_restart_a_client_who_is_being_called_is_not_called_again() -> None:
    call_id = CallId("callback-old-b1.old-2")
    phones = {"PJSIP/anna": (HOLDS,), TRUNK: (PICKS_UP,)}
    # The mark may have been lost with the engine: the channel is mark enough.
    for left in (left_open(), left_open(attempts=1, dialled_call=call_id)):
        world, story = restarted(company(), left, phones)
        now = world.clock.now()
        world.core.handle(switch.ClientFound(call_id), now)
        run_on(world, 10.0)
        assert not story.of(facts.LegStarted)
        now = world.clock.now()
        world.core.handle(switch.CallerTaken(call_id, "PJSIP/anna"), now)
        world.core.handle(switch.CallerGone(call_id, "16"), now)
        run_on(world, 2_000.0)

        assert results(story) == ["talked"]
        assert story.outcomes == {call_id: Outcome.ANSWERED}
        assert not story.of(facts.LegStarted)


def test_a_plan_that_drops_the_queue_withdraws_its_callbacks() -> None:
    world, story = stage(company(ring_time_s=15.0), [asks()], {})
    run_on(world, 10.0)
    other = QueueId("other")
    where = company()
    queues = {other: replace(where.routing.queues[SALES], queue_id=other)}
    routing = replace(where.routing, queues=queues)
    world.core.replace_plan(replace(where, routing=routing, callback_rules={}), START + 10.0)
    run_on(world, 100.0)

    assert results(story) == ["withdrawn"]
    assert not world.switch.busy


def test_callbacks_take_no_place_from_callers_and_need_nobody_on_duty() -> None:
    world, story = stage(company(max_length=1, leave_when_no_agents=True), [asks()], {})
    run_on(world, 10.0)
    assert world.core.dispatcher.waiting(SALES) == 0
    world.core.tell(events.AgentLoggedOut(AgentId("anna")), START + 10.0)
    run_on(world, 20.0)
    assert not story.of(journal.CallbackClosed)
    world.core.tell(events.AgentLoggedIn(AgentId("anna")), START + 20.0)
    assert world.core.dispatcher.agent_state(AgentId("anna")) is AgentState.RESERVED
