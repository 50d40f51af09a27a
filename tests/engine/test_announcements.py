"""What waiting callers are told and when: the schedule alone, then whole calls in virtual time."""

from __future__ import annotations

import dataclasses
import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ivr import phrases
from ivr.nodes import Prompt, PromptKind
from pbx.engine.announcements import Announcer
from pbx.journal import port as journal
from pbx.plan.model import Announcements, Plan, QueueSounds, Spoken
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from routing import facts
from routing.plan import Agent
from tests.world import DID, SALES, Story, agent, plan, play, sales

MESSAGES = tuple(Prompt(PromptKind.TEXT, name, {"ru": name}) for name in ("one", "two", "three"))
NUMBERS = Announcements(Spoken(10.0, 30.0), True, True, Spoken(0.0, None))
BOTH = dataclasses.replace(NUMBERS, between=Spoken(20.0, 40.0), messages=MESSAGES)


def names(prompts: tuple[Prompt, ...]) -> list[str]:
    return [one.name for one in prompts]


def test_the_next_time_is_counted_from_the_end_of_the_last() -> None:
    told = Announcer(NUMBERS, 100.0, "")
    assert told.next_at == 110.0
    assert names(told.say(110.0, 3, 61.0).prompts) == ["position.3", "estimate.1"]
    assert told.next_at is None, "one thing at a time"
    told.over(118.0)
    assert told.next_at == 148.0


def test_a_worse_place_is_not_told_but_the_wait_is() -> None:
    told = Announcer(NUMBERS, 0.0, "")
    heard = []
    for place in (3, 4, 3, 2, 3, 1):
        at = told.next_at
        assert at is not None
        heard.append(names(told.say(at, place, 30.0).prompts))
        told.over(at)
    short = "estimate.short"
    assert heard == [
        ["position.3", short],
        [short],
        ["position.3", short],
        ["position.2", short],
        [short],
        ["position.1", short],
    ]


def test_nothing_to_say_is_tried_again_later_and_never_at_once() -> None:
    told = Announcer(NUMBERS, 0.0, "")
    assert told.say(10.0, None, None).prompts == ()
    assert told.next_at == 40.0


def test_shuffled_messages_all_come_before_one_comes_again() -> None:
    told = Announcer(
        dataclasses.replace(BOTH, position=False, estimate=False, shuffled=True), 0.0, "call-7"
    )
    heard = []
    for _ in range(30):
        at = told.next_at
        assert at is not None
        heard += names(told.say(at, 1, None).prompts)
        told.over(at)
    rounds = [heard[n : n + 3] for n in range(0, 30, 3)]
    assert all(sorted(one) == ["one", "three", "two"] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert all(one != other for one, other in itertools.pairwise(heard))


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(st.none() | st.integers(1, 40), st.none() | st.floats(0, 1e5), st.floats(0, 60)),
        max_size=60,
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_places_told_never_get_worse_and_time_always_goes_on(
    now_is: list[tuple[int | None, float | None, float]],
    position: bool,
    estimate: bool,
    shuffled: bool,
) -> None:
    told = Announcer(
        dataclasses.replace(BOTH, position=position, estimate=estimate, shuffled=shuffled), 0.0, "x"
    )
    best = 1000
    last = -1.0
    for number, wait_s, late in now_is:
        at = told.next_at
        assert at is not None
        assert at > last
        last = at + late
        said = told.say(last, number, wait_s)
        assert said.position is None or (
            position and said.position == number and said.position <= best
        )
        best = said.position or best
        if said.prompts:
            assert told.next_at is None
            told.over(last)


def talking(announcements: Announcements, *agents: Agent) -> Plan:
    """A company whose queue tells."""
    made = plan(list(agents), [sales(*agents, strategy="linear", max_wait_s=900.0)])
    return dataclasses.replace(made, queue_sounds={SALES: QueueSounds("default", announcements)})


def told_to(story: Story) -> dict[str, list[str]]:
    """What each caller was told, in order."""
    heard: dict[str, list[str]] = {}
    for step in story.of(journal.MenuStep):
        if step.kind == "announcement":
            heard.setdefault(step.call_id, []).append(step.detail)
    return heard


def caller(at_s: float, **more: object) -> CallerScript:
    return CallerScript("", at_s, DID, "+79161234567", **more)  # type: ignore[arg-type]


def test_callers_hear_their_place_come_nearer_until_somebody_has_them() -> None:
    anna = agent("anna")
    phones = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 1.0, 40.0),)}
    story = play(talking(NUMBERS, anna), [caller(0.0), caller(1.0), caller(2.0)], phones)

    heard = told_to(story)
    assert "sim-1" not in heard
    assert heard["sim-2"] == ["position.1"]
    assert heard["sim-3"] == ["position.2", "position.1", "position.1"]


def test_the_first_wait_told_is_held_against_the_wait_that_it_was() -> None:
    anna = agent("anna")
    phones = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 1.0, 59.0),)}
    callers = [caller(float(n)) for n in range(8)]
    story = play(talking(NUMBERS, anna), callers, phones, for_s=1000.0)

    proved = story.of(journal.EstimateProved)
    # Too little was known when the first were told.
    assert [one.call_id for one in proved] == ["sim-5", "sim-6", "sim-7", "sim-8"]
    assert all(abs(one.said_s - one.waited_s) < 60 for one in proved), proved
    said = {phrases.estimate(one.said_s).name for one in proved}
    assert said <= {
        name for heard in told_to(story).values() for name in ", ".join(heard).split(", ")
    }


def test_announcements_go_on_while_phones_ring_and_end_with_the_wait() -> None:
    anna = agent("anna")
    company = talking(dataclasses.replace(BOTH, estimate=False), anna)
    silent = {"PJSIP/anna": (PhoneAct(Reaction.NO_ANSWER),)}
    story = play(company, [caller(0.0, hang_up=HangUp(At.WAITING, 60.0))], silent)

    first = next(one.at for one in story.entries if isinstance(one.entry, facts.LegStarted))
    told = [
        (round((one.at - first).total_seconds()), one.entry.detail)
        for one in story.entries
        if isinstance(one.entry, journal.MenuStep) and one.entry.kind == "announcement"
    ]
    # Each lasts 2 s; the phone rings for 20 s, pauses 5 s and rings again.
    assert told == [(10, "position.1"), (20, "one"), (42, "position.1")]
