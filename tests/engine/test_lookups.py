"""A CRM is asked who calls: what its answer changes, and that no caller waits longer for it."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbx.engine.virtual import Reply, VirtualWorld
from pbx.journal import port as journal
from pbx.lookup.port import DEFAULT_LIMIT_S, Failed, Known, Request, Result, Said
from pbx.plan.model import Plan, Vip
from pbx.switch import port
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction, Script
from pbx.switch.simulated import SimulatedSwitch
from routing import facts
from routing.dispatcher import Dispatcher
from routing.strategy import Registry
from routing.values import CallId, Outcome
from tests.world import DID, START, Story, agent, plan, play, sales, stage

IVAN = "+79161234567"
ANNA, BORIS, VERA = agent("anna"), agent("boris"), agent("vera")
TEAM = (ANNA, BORIS, VERA)
ANSWERS = {f"PJSIP/{one.agent_id}": (PhoneAct(Reaction.ANSWER, 1.0, 10.0),) for one in TEAM}


def company(*, entry: str = "to-sales", strategy: str = "linear", **queue: object) -> Plan:
    return plan(TEAM, [sales(*TEAM, strategy=strategy, **queue)], entry=entry)  # type: ignore[arg-type]


def caller(at_s: float = 0.0, number: str = IVAN, **more: object) -> CallerScript:
    return CallerScript("Провайдер", at_s, DID, number, **more)  # type: ignore[arg-type]


def called(said: Said, after_s: float = 0.1, *, where: Plan | None = None) -> Story:
    """One caller, of whom this is said."""
    return play(where or company(), [caller()], ANSWERS, crm=lambda _: Reply(said, after_s))


def looked_up(story: Story) -> journal.LookedUp:
    (entry,) = story.of(journal.LookedUp)
    return entry


def offers(story: Story) -> list[tuple[tuple[str, ...], str]]:
    return [(one.chosen, one.why) for one in story.of(facts.OfferMade)]


def begins_after_s(story: Story) -> float:
    """From the arrival to the first thing that was done for the caller."""
    (began,) = (one.at for one in story.entries if isinstance(one.entry, journal.CallStarted))
    first = next(one.at for one in story.entries if isinstance(one.entry, journal.MenuStep))
    return (first - began).total_seconds()


# What an answer changes -----------------------------------------------------------------------


def test_the_manager_whom_the_crm_names_is_rung_before_whom_the_strategy_would_choose() -> None:
    story = called(Known(manager="vera"))

    assert offers(story) == [(("vera",), "named by the CRM")]
    assert story.talks == {"sim-1": "vera"}
    entry = looked_up(story)
    assert entry.took_s == pytest.approx(0.1, abs=1e-6)
    assert (entry.result, entry.detail) == ("answered", "manager vera")
    assert (entry.name, entry.language) == ("Провайдер", "ru")


def test_a_manager_may_be_named_by_extension() -> None:
    assert called(Known(manager="102")).talks == {"sim-1": "boris"}


def test_in_ring_all_the_named_manager_rings_alone() -> None:
    story = called(Known(manager="boris"), where=company(strategy="ring-all"))

    assert offers(story) == [(("boris",), "named by the CRM")]


def test_a_busy_manager_is_waited_for_while_others_are_free() -> None:
    story = play(
        company(),
        [caller(), caller(5.0)],
        ANSWERS,
        crm=lambda _: Reply(Known(manager="vera")),
    )

    assert story.talks == {"sim-1": "vera", "sim-2": "vera"}


def test_nobody_waits_for_a_busy_manager_longer_than_the_queue_says() -> None:
    long = ANSWERS | {"PJSIP/vera": (PhoneAct(Reaction.ANSWER, 1.0, 500.0),)}
    story = play(
        company(manager_wait_s=20.0),
        [caller(), caller(5.0)],
        long,
        crm=lambda _: Reply(Known(manager="vera")),
    )

    assert story.talks == {"sim-1": "vera", "sim-2": "anna"}
    (waited,) = (one.waited_s for one in story.of(facts.WaitEnded) if one.call_id == "sim-2")
    assert 20.0 <= waited < 22.0
    assert offers(story)[-1][1].startswith("vera, whom the CRM named, is not to be had; ")


def test_a_manager_who_does_not_answer_is_followed_by_the_strategys_choice() -> None:
    silent = ANSWERS | {"PJSIP/vera": (PhoneAct(Reaction.NO_ANSWER),)}
    story = play(
        company(ring_time_s=8.0), [caller()], silent, crm=lambda _: Reply(Known(manager="vera"))
    )

    assert [chosen for chosen, _ in offers(story)] == [("vera",), ("anna",)]
    assert story.outcomes == {"sim-1": Outcome.ANSWERED}


def test_a_named_manager_of_another_queue_is_not_to_be_had() -> None:
    other = agent("gleb")
    made = plan((*TEAM, other), [sales(*TEAM, strategy="linear")])
    story = called(Known(manager="gleb"), where=made)

    ((chosen, why),) = offers(story)
    assert chosen == ("anna",)
    assert why.startswith("gleb, whom the CRM named, is not to be had; ")


def test_a_vip_of_the_crms_goes_before_who_came_earlier_and_is_not_counted_twice() -> None:
    one = plan([ANNA], [sales(ANNA)])
    callers = [caller(0.0, "+79160000001"), caller(2.0, "+79160000002"), caller(3.0)]
    for vip, priority in ((Vip(), 10), (Vip(frozenset({IVAN}), (), 20), 20)):
        story = play(
            replace(one, vip=vip),
            callers,
            ANSWERS,
            crm=lambda asked: Reply(Known(vip=asked.number == IVAN)),
        )

        priorities = {one.call_id: one.priority for one in story.of(facts.WaitStarted)}
        assert priorities == {"sim-1": 0, "sim-2": 0, "sim-3": priority}
        joined = [one.call_id for one in story.of(facts.LegJoined)]
        assert joined == ["sim-1", "sim-3", "sim-2"]


def test_the_managers_phone_shows_the_crms_name_and_the_caller_hears_their_language() -> None:
    world, story = stage(
        company(entry="main"),
        [caller(keys=("1",))],
        ANSWERS,
        crm=lambda _: Reply(Known(name="ООО \x1b[2JРомашка", language="en-GB")),
    )
    sent: list[port.SwitchCommand] = []
    send = world.switch.send

    def heard(command: port.SwitchCommand) -> None:
        sent.append(command)
        send(command)

    world.core._send = heard
    world.run(START + 60)

    (ring,) = (one for one in sent if isinstance(one, port.Ring))
    assert ring.caller_name == "ООО Ромашка"
    asked = [one.command for one in sent if isinstance(one, port.ForCaller)]
    assert getattr(asked[0], "language", "") == "en"
    entry = looked_up(story)
    assert (entry.name, entry.language) == ("ООО Ромашка", "en")
    assert entry.detail == 'name "ООО Ромашка"; language en'


def test_what_the_plan_does_not_know_is_ignored_and_noted() -> None:
    story = called(Known(manager="nobody", language="fi", ignored=("vip: expected true or false",)))

    assert looked_up(story).detail == (
        'ignored: vip: expected true or false, the plan has no manager "nobody", '
        'the plan does not speak "fi"'
    )
    assert story.talks == {"sim-1": "anna"}
    assert looked_up(called(Known())).detail == "nothing known"


def test_a_caller_who_has_talked_and_is_sent_on_is_not_sent_back_to_the_named_manager() -> None:
    sends_on = ANSWERS | {"PJSIP/vera": (PhoneAct(Reaction.ANSWER, 1.0, 5.0, "200"),)}
    story = play(company(), [caller()], sends_on, crm=lambda _: Reply(Known(manager="vera")))

    assert [one.agent_id for one in story.of(facts.LegJoined)] == ["vera", "anna"]


# When there is none ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "after_s", "result"),
    [
        (Known(manager="vera"), 5.0, "late"),
        (Known(manager="vera"), DEFAULT_LIMIT_S + 0.01, "late"),
        (Failed(Result.BROKEN, "status 500"), 0.2, "broken"),
    ],
)
def test_late_or_broken_the_call_goes_on_without(said: Said, after_s: float, result: str) -> None:
    story = called(said, after_s)

    assert looked_up(story).result == result
    assert story.talks == {"sim-1": "anna"}
    assert begins_after_s(story) == pytest.approx(min(after_s, DEFAULT_LIMIT_S), abs=1e-6)


def test_a_question_that_can_not_be_asked_costs_no_time() -> None:
    story = play(company(), [caller()], ANSWERS, crm=lambda _: "the CRM rests")

    assert begins_after_s(story) == 0.0
    assert looked_up(story) == journal.LookedUp(
        CallId("sim-1"), "not_asked", 0.0, "the CRM rests", "Провайдер", "ru"
    )


def test_nobody_is_asked_of_a_withheld_number_or_of_a_number_that_is_not_ours() -> None:
    asked: list[Request] = []

    def crm(request: Request) -> Reply:
        asked.append(request)
        return Reply(Known())

    stranger = CallerScript("", 1.0, "+74950000000", IVAN)
    story = play(company(), [caller(number=""), stranger, caller(2.0)], ANSWERS, crm=crm)

    assert asked == [Request(CallId("sim-3"), DID, IVAN, "Провайдер", "site", "ru")]
    assert len(story.of(journal.LookedUp)) == 1


def test_who_is_found_after_a_time_without_an_engine_is_led_at_once() -> None:
    world, story = stage(company(), [], {}, crm=lambda _: Reply(Known(manager="vera")))
    found = port.CallerFound(CallId("old"), DID, IVAN, "", START - 0.3)
    world.core.handle(found, START)

    assert begins_after_s(story) == pytest.approx(0.3)
    assert not story.of(journal.LookedUp)


def test_who_hangs_up_meanwhile_is_gone_and_the_answer_changes_nothing() -> None:
    world, story = stage(
        company(), [caller()], ANSWERS, crm=lambda _: Reply(Known(manager="vera"), 0.5)
    )
    world.run(START + 0.2)
    world.core.handle(port.CallerGone(CallId("sim-1"), "16 Normal Clearing"), START + 0.2)
    world.run(START + 5)

    assert story.outcomes == {"sim-1": Outcome.ABANDONED_IN_MENU}
    assert not story.of(journal.LookedUp)
    assert not story.of(facts.LegStarted)
    assert not world.core._lookups


def test_a_new_plan_meanwhile_leaves_the_call_its_own() -> None:
    world, story = stage(
        company(), [caller()], ANSWERS, crm=lambda _: Reply(Known(manager="vera"), 0.5)
    )
    world.run(START + 0.2)
    fewer = plan([ANNA, BORIS], [sales(ANNA, BORIS, strategy="linear")])
    world.core.replace_plan(fewer, START + 0.2)
    world.run(START + 60)

    assert looked_up(story).detail == "manager vera"  # of the plan that the call began with
    assert story.talks == {"sim-1": "anna"}


# Whatever is said, whenever -------------------------------------------------------------------

TEXTS = st.one_of(
    st.sampled_from(["", "anna", "vera", "101", "200", "nobody", "en", "EN_us", "ru", "../x"]),
    st.text(max_size=300),
)
SAYS: st.SearchStrategy[Said] = st.one_of(
    st.builds(
        Known,
        manager=TEXTS,
        vip=st.booleans(),
        name=TEXTS,
        language=TEXTS,
        ignored=st.lists(TEXTS, max_size=2).map(tuple),
    ),
    st.builds(Failed, st.sampled_from(Result), TEXTS),
)
SOON = st.floats(0.0, 3.0)
CALLERS = st.lists(
    st.tuples(
        SOON,  # comes
        st.sampled_from(["", IVAN, "+79160000002"]),
        st.sampled_from(["", "1", "2"]),
        st.one_of(st.none(), SOON),  # hangs up so long after
    ),
    min_size=1,
    max_size=4,
)


class Watched(SimulatedSwitch):
    """Knows when each caller came and when something was first done for them."""

    def __init__(self, script: Script) -> None:
        super().__init__(script, start=START)
        self.came: dict[CallId, float] = {}
        self.led: dict[CallId, float] = {}

    def _call(self, call_id: CallId, script: CallerScript) -> None:
        self.came[call_id] = self._now
        super()._call(call_id, script)

    def send(self, command: port.SwitchCommand) -> None:
        if isinstance(command, port.ForCaller | port.Hold):
            self.led.setdefault(command.call_id, self._now)
        super().send(command)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CALLERS, st.lists(st.tuples(SAYS, SOON), min_size=1, max_size=4), st.data())
def test_nothing_that_is_said_breaks_a_call_or_keeps_it_waiting(
    callers: list[tuple[float, str, str, float | None]],
    replies: list[tuple[Said, float]],
    data: st.DataObject,
) -> None:
    script = Script(
        tuple(
            caller(at_s, number, keys=(keys,), hang_up=HangUp(At.TALKING, 3.0))
            for at_s, number, keys, _ in callers
        ),
        ANSWERS,
    )
    switch, story = Watched(script), Story()
    made = company(entry="main", max_wait_s=60.0)
    left = list(replies)

    def crm(_: Request) -> Reply | str:
        said, after_s = left.pop() if left else replies[0]
        return "not now" if after_s > 2.9 else Reply(said, after_s)

    dispatcher = Dispatcher(made.routing, strategies=Registry.builtin(), rng=random.Random(1))
    world = VirtualWorld(
        made, dispatcher, start=START, on_entry=story.entries.append, switch=switch, crm=crm
    )

    def tell(call_id: CallId, said: Said) -> None:
        world.core.looked_up(call_id, said, world.clock.now())

    gone: dict[CallId, float] = {}
    for n, (at_s, _, _, hangs_up) in enumerate(callers, start=1):
        call_id = CallId(f"sim-{n}")
        if hangs_up is not None:
            gone[call_id] = START + at_s + hangs_up
            switch.later(at_s + hangs_up, partial(switch._caller_gone, call_id, "gone"))
    for said, at_s in data.draw(st.lists(st.tuples(SAYS, SOON), max_size=6)):
        call_id = CallId(data.draw(st.sampled_from(["sim-1", "sim-2", "unknown"])))
        switch.later(at_s, partial(tell, call_id, said))
    world.run(START + 300)

    for call_id, came in switch.came.items():
        if gone.get(call_id, START + 300) > came + DEFAULT_LIMIT_S:
            assert switch.led[call_id] <= came + DEFAULT_LIMIT_S + 1e-6
    assert not world.core._lookups
    assert not world.core.calls.by_id
    assert len(story.outcomes) == len(callers)
    by_call = [one.call_id for one in story.of(journal.LookedUp)]
    assert len(by_call) == len(set(by_call)), "two answers for one call"
