"""Who is served before whom, and what they hear: from the plan to the switch."""

from __future__ import annotations

from dataclasses import replace

from pbx.plan.model import Plan, Vip
from pbx.switch import port
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from routing import facts
from tests.world import DID, START, agent, plan, play, sales, stage

ANNA = agent("anna")
PHONES = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 1.0, 20.0),)}
ORDINARY, VIP, PARTNER = "+79160000001", "+79160000002", "+493012345"


def company(**number: object) -> Plan:
    made = plan([ANNA], [sales(ANNA, returning_s=60.0)])
    numbers = {DID: replace(made.numbers[DID], **number)}  # type: ignore[arg-type]
    vip = Vip(frozenset({VIP}), ("+4930",), 20)
    return replace(made, numbers=numbers, vip=vip)


def caller(at_s: float, number: str, **more: object) -> CallerScript:
    return CallerScript("", at_s, DID, number, **more)  # type: ignore[arg-type]


def test_vips_and_partners_are_served_first_and_the_log_knows_their_priority() -> None:
    callers = [caller(float(n), one) for n, one in enumerate((ORDINARY, ORDINARY, PARTNER, VIP))]
    story = play(company(priority=3), callers, PHONES)

    assert [one.call_id for one in story.of(facts.LegJoined)] == [
        "sim-1",
        "sim-3",
        "sim-4",
        "sim-2",
    ]
    priorities = {one.call_id: one.priority for one in story.of(facts.WaitStarted)}
    assert priorities == {"sim-1": 3, "sim-2": 3, "sim-3": 23, "sim-4": 23}


def test_who_drops_out_and_calls_again_is_served_at_the_old_place() -> None:
    drops = HangUp(At.WAITING, 5.0)
    callers = [
        caller(0.0, "+79160000011"),
        caller(1.0, "+79160000012", hang_up=drops),
        caller(2.0, "+79160000013"),
        caller(10.0, "+79160000012"),
    ]
    story = play(company(), callers, PHONES)

    assert [one.call_id for one in story.of(facts.LegJoined)] == ["sim-1", "sim-4", "sim-3"]


def test_a_numbers_own_music_goes_before_the_queues() -> None:
    for own, heard in ((None, "default"), ("jazz", "jazz"), ("", "")):
        world, _ = stage(company(music=own), [caller(0.0, ORDINARY)], {})
        sent: list[port.SwitchCommand] = []
        world.core._send = sent.append
        world.run(START + 0.5)
        assert [one.music for one in sent if isinstance(one, port.Hold)] == [heard]
