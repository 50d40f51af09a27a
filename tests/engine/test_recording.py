"""Which talks are recorded, who is told of it, and what the log knows, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.commands import PlayPrompts
from ivr.nodes import CallOut, Node
from pbx.engine.recording import KEY_GAP_S, chosen
from pbx.engine.virtual import VirtualWorld
from pbx.journal import port as journal
from pbx.plan.model import Plan, Recording
from pbx.switch import port as switch
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from pbx.switch.simulated import SimulatedSwitch
from routing import facts
from routing.values import CallId, LegId, Outcome
from tests.world import DID, SALES, START, Story, agent, plan, play, sales, stage, tree, words

ALL = Recording(share=100, notice=(), keep_s=30 * 86_400.0, pause_code="*7")
NONE = replace(ALL, share=0)
TOLD = replace(ALL, notice=words("this call is recorded"))
ANSWERS = PhoneAct(Reaction.ANSWER, after_s=2.0, talk_s=30.0)
SENDS_ON = PhoneAct(Reaction.ANSWER, after_s=2.0, talk_s=10.0, transfer_to="102")
CALLS = st.from_regex(r"1[0-9]{9}\.[0-9]{1,6}", fullmatch=True).map(CallId)


def company(
    *, number: Recording | None = None, queue: Recording | None = None, **more: object
) -> Plan:
    """Anna, then Boris, with these rules."""
    anna, boris = agent("anna"), agent("boris")
    made = plan([anna, boris], [sales(anna, boris, strategy="linear")], **more)  # type: ignore[arg-type]
    ours = {DID: replace(made.numbers[DID], record=number)}
    return replace(made, numbers=ours, queue_records={SALES: queue} if queue else {})


def caller(**more: object) -> CallerScript:
    return CallerScript("Иван", 0.0, DID, "89161234567", **more)  # type: ignore[arg-type]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Prompts and rings, in the order in which the switch is told of them."""
    told: list[object] = []
    send = SimulatedSwitch.send

    def spied(self: SimulatedSwitch, command: switch.SwitchCommand) -> None:
        match command:
            case switch.ForCaller(_, PlayPrompts(prompts, _)):
                told.append(prompts)
            case switch.Ring():
                told.append("ring")
        send(self, command)

    monkeypatch.setattr(SimulatedSwitch, "send", spied)
    return told


def story_of(made: Plan, anna: PhoneAct = ANSWERS, **more: object) -> Story:
    return play(made, [caller(**more)], {"PJSIP/anna": (anna,), "PJSIP/boris": (ANSWERS,)})


@given(CALLS, st.integers(0, 100), st.integers(0, 100))
def test_a_larger_share_records_all_that_a_smaller_one_does(call: CallId, a: int, b: int) -> None:
    small, large = sorted((a, b))

    assert chosen(call, small) <= chosen(call, large)
    assert chosen(call, small) == chosen(call, small)
    assert chosen(call, 100)
    assert not chosen(call, 0)


@given(st.integers(1_700_000_000, 1_900_000_000), st.integers(1, 99))
def test_a_share_is_about_that_many_of_the_calls_of_a_day(began: int, share: int) -> None:
    calls = [CallId(f"{began + n * 7}.{n}") for n in range(2000)]

    found = sum(chosen(one, share) for one in calls) / len(calls) * 100

    assert found == pytest.approx(share, abs=7)  # six standard deviations


@pytest.mark.parametrize(
    ("number", "queue", "recorded"),
    [
        (None, None, False),
        (ALL, None, True),
        (None, ALL, True),
        (ALL, NONE, False),
        (NONE, ALL, True),
    ],
)
def test_the_queue_goes_before_the_number(
    number: Recording | None, queue: Recording | None, recorded: bool
) -> None:
    story = story_of(company(number=number, queue=queue))

    assert bool(story.of(journal.RecordingStarted)) is recorded
    assert bool(story.of(journal.RecordingKept)) is recorded


def test_the_log_knows_the_file_its_length_and_how_long_it_is_kept() -> None:
    story = story_of(company(queue=ALL))

    (joined,) = story.of(facts.LegJoined)
    (started,) = story.of(journal.RecordingStarted)
    (kept,) = story.of(journal.RecordingKept)
    assert (started.call_id, started.leg_id) == (joined.call_id, joined.leg_id)
    assert started.path == f"2026-11-18/2026-11-18-{joined.leg_id}.wav"
    began = datetime.fromtimestamp(START, UTC)
    assert timedelta(days=30) < started.keep_until - began < timedelta(days=30, minutes=1)
    assert (kept.leg_id, kept.path) == (started.leg_id, started.path)
    assert kept.length_s == pytest.approx(30.0)


def test_each_talk_of_a_transferred_caller_has_a_recording_by_the_same_rule() -> None:
    story = story_of(company(number=NONE, queue=ALL), SENDS_ON)

    legs = [one.leg_id for one in story.of(facts.LegJoined)]
    assert len(legs) == 2
    assert [one.leg_id for one in story.of(journal.RecordingKept)] == legs


def test_a_call_out_is_recorded_by_its_number() -> None:
    nodes: dict[str, Node] = tree()
    nodes["out"] = CallOut("out", "+79161112233", "PJSIP/+79161112233@trunk", 20.0, "bye")
    made = company(number=ALL, queue=NONE, nodes=nodes, entry="out")

    story = play(made, [caller()], {"PJSIP/+79161112233@trunk": (ANSWERS,)})

    (finished,) = story.of(journal.OutsideLegFinished)
    assert [one.leg_id for one in story.of(journal.RecordingKept)] == [finished.leg_id]


def test_the_notice_is_heard_before_any_phone_rings_and_once_in_a_call(heard: list[object]) -> None:
    story = story_of(company(number=TOLD, queue=TOLD), SENDS_ON)

    assert heard[:2] == [TOLD.notice, "ring"]
    assert heard.count(TOLD.notice) == 1
    assert len(story.of(journal.RecordingKept)) == 2
    assert story.of(journal.CallEnded)[0].outcome is Outcome.ANSWERED


def test_who_is_not_recorded_hears_no_notice(heard: list[object]) -> None:
    story_of(company(queue=replace(TOLD, share=0)))

    assert heard == ["ring"]


def test_who_hangs_up_in_the_notice_was_never_in_the_line() -> None:
    story = story_of(company(queue=TOLD), hang_up=HangUp(At.MENU, 0.5))

    assert story.outcomes == {"sim-1": Outcome.ABANDONED_IN_MENU}
    assert story.of(facts.WaitStarted) == []


def test_who_waited_through_a_restart_does_not_hear_it_again_and_keeps_the_place(
    heard: list[object],
) -> None:
    world, _ = stage(company(queue=TOLD), [], {})
    since = datetime.fromtimestamp(START - 60, UTC)
    call = CallId("1.1")
    world.core.open_waits[call] = journal.OpenWait(SALES, since, "to-sales", ())

    world.core.handle(switch.CallerFound(call, DID, "", "", START - 90), START)

    assert TOLD.notice not in heard
    assert world.core.calls.by_id[call].waiting_since == START - 60


def talking(made: Plan) -> tuple[VirtualWorld, Story, LegId]:
    world, story = stage(made, [caller()], {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0),)})
    world.run(START + 10)
    (joined,) = story.of(facts.LegJoined)
    return world, story, joined.leg_id


def press(world: VirtualWorld, leg_id: LegId, keys: str, gap_s: float = 0.3) -> None:
    for key in keys:
        world.core.handle(switch.LegKey(leg_id, key), world.clock.now())
        world.run(world.clock.now() + gap_s)


def held(story: Story) -> list[bool]:
    return [one.paused for one in story.of(journal.RecordingHeld)]


def test_the_manager_pauses_and_resumes_by_the_code() -> None:
    world, story, leg = talking(company(queue=ALL))

    press(world, leg, "12*7")
    assert held(story) == [True]
    press(world, leg, "7**7")
    assert held(story) == [True, False]


def test_keys_far_apart_or_of_another_code_do_nothing() -> None:
    world, story, leg = talking(company(queue=ALL))

    press(world, leg, "*7", gap_s=KEY_GAP_S + 0.1)
    press(world, leg, "7*#*")
    press(world, LegId("nobody"), "*7")

    assert held(story) == []


def test_without_a_code_every_key_is_just_a_key() -> None:
    world, story, leg = talking(company(queue=replace(ALL, pause_code="")))

    press(world, leg, "*7" * 5)

    assert held(story) == []


def test_a_recording_found_after_a_crash_reaches_the_log() -> None:
    world, story = stage(company(), [], {})
    name = "2026-11-17-before-l7"

    world.core.handle(switch.RecordingEnded(name, 0.0, "no space"), START)
    world.core.handle(switch.RecordingEnded(name, 12.5), START + 60)

    path = f"2026-11-17/{name}.wav"
    leg = LegId("before-l7")
    assert story.of(journal.RecordingFailed) == [journal.RecordingFailed(leg, path, "no space")]
    assert story.of(journal.RecordingKept) == [journal.RecordingKept(leg, path, 12.5)]
