"""Whole calls in virtual time: number, menu, queue, phones, talk, log."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ivr.nodes import ToQueue
from pbx.journal import port as journal
from pbx.switch import port
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from routing import facts
from routing.plan import Queue, StrategyChoice
from routing.values import AgentId, Outcome, QueueId
from tests.world import DID, SALES, agent, plan, play, sales, stage, tree

ANSWERS = PhoneAct(Reaction.ANSWER, after_s=2.0, talk_s=30.0)
REJECTS = PhoneAct(Reaction.REJECT, after_s=1.0)
BUSY = PhoneAct(Reaction.BUSY)
SILENT = PhoneAct(Reaction.NO_ANSWER)
DEAD = PhoneAct(Reaction.UNREACHABLE)


def caller(at_s: float = 0.0, **more: object) -> CallerScript:
    return CallerScript("Иван", at_s, DID, "89161234567", **more)  # type: ignore[arg-type]


def test_caller_reaches_the_manager_through_two_menu_levels() -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna)], entry="welcome")

    story = play(company, [caller(keys=("3", "1"))], {"PJSIP/anna": (ANSWERS,)})

    assert story.outcomes == {"sim-1": Outcome.ANSWERED}
    assert story.talks == {"sim-1": "anna"}
    steps = [(one.node_id, one.digits) for one in story.of(journal.MenuStep)]
    assert ("main", "3") in steps
    assert ("deep", "1") in steps
    (started,) = story.of(journal.CallStarted)
    assert started.number == "+79161234567"
    assert started.name == "Иван"
    (ended,) = story.of(journal.CallEnded)
    assert ended.talk_s == pytest.approx(30.0)
    assert ended.wait_s == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("hang_up", "outcome"),
    [
        (HangUp(At.MENU, 0.5), Outcome.ABANDONED_IN_MENU),
        (HangUp(At.WAITING, 1.5), Outcome.ABANDONED_WAITING),
        (HangUp(At.RINGING, 0.5), Outcome.ABANDONED_WAITING),
        (HangUp(At.TALKING, 7.0), Outcome.ANSWERED),
    ],
)
def test_caller_who_hangs_up_leaves_nothing_behind(hang_up: HangUp, outcome: Outcome) -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna)], entry="main")
    waits_forever = PhoneAct(Reaction.ANSWER, after_s=3.0)

    story = play(company, [caller(keys=("1",), hang_up=hang_up)], {"PJSIP/anna": (waits_forever,)})

    assert story.outcomes == {"sim-1": outcome}


def test_short_abandons_are_told_apart() -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna, short_abandon_s=5.0)])
    callers = [
        caller(0.0, hang_up=HangUp(At.WAITING, 4.0)),
        caller(100.0, hang_up=HangUp(At.WAITING, 6.0)),
    ]

    story = play(company, callers, {"PJSIP/anna": (SILENT,)})

    assert [one.short for one in story.of(journal.CallEnded)] == [True, False]


def test_two_who_pick_up_at_once_never_share_a_caller() -> None:
    team = [agent(name) for name in ("anna", "boris", "vera")]
    company = plan(team, [sales(*team)])
    phones = {one.devices[0].address: (ANSWERS,) for one in team}

    story = play(company, [caller()], phones)

    dispositions = sorted(kind for _, _, kind in story.legs)
    assert dispositions == ["answered", "answered_elsewhere", "answered_elsewhere"]
    assert len(story.of(facts.LegJoined)) == 1


def test_refused_call_goes_to_the_next_manager_and_is_answered() -> None:
    team = [agent(name) for name in ("anna", "boris", "vera")]
    company = plan(team, [sales(*team, strategy="round-robin", ring_time_s=10.0)])
    phones = {
        "PJSIP/anna": (REJECTS,),
        "PJSIP/boris": (BUSY,),
        "PJSIP/vera": (ANSWERS,),
    }

    story = play(company, [caller()], phones)

    assert story.talks == {"sim-1": "vera"}
    assert [(who, how) for _, who, how in story.legs][:2] == [
        ("anna", "rejected"),
        ("boris", "busy"),
    ]


def test_mobile_rings_after_its_delay_and_takes_the_call() -> None:
    anna = agent("anna", ("PJSIP/anna", 0.0), ("PJSIP/+79160000001@trunk", 5.0))
    company = plan([anna], [sales(anna)])
    phones = {"PJSIP/anna": (SILENT,), "PJSIP/+79160000001@trunk": (ANSWERS,)}

    story = play(company, [caller()], phones)

    assert story.outcomes == {"sim-1": Outcome.ANSWERED}
    assert sorted(how for _, _, how in story.legs) == ["answered", "answered_elsewhere"]
    (ended,) = story.of(journal.CallEnded)
    assert ended.wait_s == pytest.approx(7.0, abs=0.1)


def test_manager_freed_midway_is_rung_in_ring_all() -> None:
    team = [agent("anna"), agent("boris")]
    company = plan(team, [sales(*team, ring_time_s=60.0)])
    phones = {
        # Anna's first talk ends at 12 s; Boris never answers.
        "PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0, 10.0), ANSWERS),
        "PJSIP/boris": (SILENT,),
    }

    story = play(company, [caller(0.0), caller(5.0)], phones)

    assert story.talks == {"sim-1": "anna", "sim-2": "anna"}


def test_nobody_answers_and_the_caller_leaves_a_message() -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna, max_wait_s=25.0, ring_time_s=10.0)])

    story = play(company, [caller()], {"PJSIP/anna": (SILENT,)})

    assert story.outcomes == {"sim-1": Outcome.VOICEMAIL}
    (left,) = story.of(journal.MessageLeft)
    assert left.box == "sales"


def test_call_above_the_numbers_lines_gets_its_own_way_not_a_busy_tone() -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna)], lines=1)

    story = play(company, [caller(0.0), caller(1.0)], {"PJSIP/anna": (ANSWERS,)})

    assert story.outcomes == {"sim-1": Outcome.ANSWERED, "sim-2": Outcome.VOICEMAIL}


def test_transfer_to_an_extension_reaches_the_other_manager() -> None:
    team = [agent("anna"), agent("boris")]
    company = plan(team, [sales(*team, strategy="linear")])
    phones = {
        "PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0, 5.0, transfer_to="102"),),
        "PJSIP/boris": (ANSWERS,),
    }

    story = play(company, [caller()], phones)

    assert [one.agent_id for one in story.of(facts.LegJoined)] == ["anna", "boris"]
    assert story.of(journal.Transferred)[0].target == "102"
    assert story.of(journal.CallEnded)[0].talk_s == pytest.approx(35.0)


def test_a_transfer_that_nobody_answers_comes_back_to_who_sent_it() -> None:
    anna, boris = agent("anna"), agent("boris")
    company = plan([anna, boris], [sales(anna)])
    phones = {
        "PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0, 5.0, transfer_to="102"), ANSWERS),
        "PJSIP/boris": (SILENT,),
    }
    story = play(company, [caller()], phones)
    assert story.outcomes == {"sim-1": Outcome.ANSWERED}
    assert [(leg[1], leg[2]) for leg in story.legs] == [
        ("anna", "answered"),
        ("boris", "no_answer"),
        ("anna", "answered"),
    ]


def test_a_transfer_to_a_queue_overflows_as_that_queue_says() -> None:
    anna = agent("anna")
    nobody = (AgentId("nobody"),)
    other = Queue(QueueId("support"), nobody, StrategyChoice("linear"), max_wait_s=10.0)
    company = plan([anna], [sales(anna), other], nodes=tree() | {
        "to-support": ToQueue("to-support", other.queue_id, 0, (), on_overflow="message"),
    })  # fmt: skip
    company = replace(
        company,
        queue_extensions={"201": other.queue_id},
        queue_entries={other.queue_id: "to-support"},
    )
    phones = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0, 5.0, transfer_to="201"),)}
    story = play(company, [caller()], phones)
    assert [(step.node_id, step.detail) for step in story.of(journal.MenuStep)] == [
        ("to-sales", "queue sales"),
        ("to-sales", "sent on → to-support"),
        ("to-support", "queue support"),
        ("to-support", "max wait → message"),
        ("message", "message of 3 s → bye"),
        ("bye", "played"),
    ]


def test_transfer_to_a_slip_of_the_finger_comes_back_to_who_sent_it() -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna)])
    phones = {
        "PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0, 5.0, transfer_to="999"), ANSWERS),
    }

    story = play(company, [caller()], phones)

    assert [one.agent_id for one in story.of(facts.LegJoined)] == ["anna", "anna"]


def test_unreachable_phone_is_left_out_with_the_reason() -> None:
    team = [agent("anna"), agent("boris")]
    company = plan(team, [sales(*team)])

    story = play(company, [caller()], {"PJSIP/anna": (DEAD,), "PJSIP/boris": (ANSWERS,)})

    assert story.talks == {"sim-1": "boris"}
    first = story.of(facts.OfferMade)[0]
    assert first.queue_id == SALES
    assert [(one.agent_id, one.reason) for one in first.left_out] == [("anna", "unreachable")]


def test_unknown_number_is_turned_away_and_logged() -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna)])

    story = play(company, [CallerScript("x", 0.0, "123456", "89161234567")], {})

    assert story.outcomes == {"sim-1": Outcome.REJECTED}


def test_anonymous_caller_is_served_like_any_other() -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna)])

    story = play(company, [CallerScript("", 0.0, DID, "anonymous")], {"PJSIP/anna": (ANSWERS,)})

    assert story.outcomes == {"sim-1": Outcome.ANSWERED}
    assert story.of(journal.CallStarted)[0].number == ""


@pytest.mark.parametrize(
    ("dialled", "number"),
    [("89161234567", "+79161234567"), ("+79161234567", "+79161234567"), ("102", ""), ("x", "")],
)
def test_a_managers_talk_with_a_number_outside_is_kept(dialled: str, number: str) -> None:
    anna = agent("anna", ("PJSIP/anna", 0.0), ("PJSIP/desk", 0.0))
    boris = agent("boris", ("PJSIP/desk", 0.0))
    world, story = stage(plan([anna, boris], [sales(anna, boris)]), [], {})

    for address in ("PJSIP/anna", "PJSIP/desk", "PJSIP/nobody"):
        world.core.handle(port.OwnCallJoined(address, "1.1", dialled), world.clock.now())

    assert [(one.agent_id, one.number) for one in story.of(journal.OwnTalkStarted)] == (
        [("anna", number), (None, number)] if number else []
    )
