"""What strategies and the distribution promise, one by one, in virtual time."""

from __future__ import annotations

import random
from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pbx.journal import port as journal
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from routing import commands, events, facts
from routing.dispatcher import Dispatcher
from routing.last_talks import LastTalk, LastTalks
from routing.memory import Memory
from routing.plan import Agent, RoutingPlan
from routing.strategy import CallerView, Choice, FreeAgents, Registry, Strategy, UnknownStrategy
from routing.values import (
    AgentId,
    AgentState,
    CallId,
    Disposition,
    LegId,
    QueueId,
    ReturnReason,
    SkillNeed,
)
from tests.world import DID, START, agent, plan, play, sales, stage

Q = QueueId("sales")
TALKS = PhoneAct(Reaction.ANSWER, 1.0, 5.0)
SILENT = PhoneAct(Reaction.NO_ANSWER)


def caller(at_s: float, number: str = "+79161234567") -> CallerScript:
    return CallerScript("", at_s, DID, number)


class Desk:
    """A dispatcher with one queue, driven by hand."""

    def __init__(
        self, *agents: Agent, strategy: str = "linear", memory: Memory | None = None, **more: object
    ) -> None:
        queue = sales(*agents, strategy=strategy, **more)  # type: ignore[arg-type]
        self.plan = RoutingPlan({one.agent_id: one for one in agents}, {Q: queue})
        self.dispatcher = Dispatcher(
            self.plan, strategies=Registry.builtin(), rng=random.Random(3), memory=memory
        )
        self.now = 1000.0
        self.rings: list[commands.RingDevice] = []
        self.facts: list[facts.Fact] = []
        self.given: list[commands.Command] = []
        for one in agents:
            self.tell(events.AgentLoggedIn(one.agent_id))

    def tell(self, event: events.Event) -> None:
        step = self.dispatcher.handle(event, self.now)
        self.facts += step.facts
        self.given += step.commands
        self.rings += [one for one in step.commands if isinstance(one, commands.RingDevice)]

    def queue(self, call: str, **more: object) -> None:
        self.tell(events.CallerQueued(CallId(call), Q, more.pop("number", ""), **more))  # type: ignore[arg-type]

    def talk(self, call: str) -> LegId:
        """The last ring for this call is answered and joined."""
        leg_id = next(one.leg_id for one in reversed(self.rings) if one.call_id == call)
        self.tell(events.DeviceAnswered(leg_id))
        self.tell(events.Joined(leg_id))
        return leg_id

    def end(self, call: str, leg_id: LegId) -> None:
        self.tell(events.LegEnded(leg_id, Disposition.ANSWERED))
        self.tell(events.CallerLeft(CallId(call)))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.tell(events.Woke())

    def state(self, name: str) -> AgentState | None:
        return self.dispatcher.agent_state(AgentId(name))


@given(st.integers(1, 6), st.integers(1, 40))
def test_round_robin_is_fair_within_one_call(size: int, calls: int) -> None:
    desk = Desk(*(agent(f"a{n}") for n in range(size)), strategy="round-robin")
    for n in range(calls):
        desk.queue(f"c{n}")
        desk.end(f"c{n}", desk.talk(f"c{n}"))

    counts = Counter(one.agent_id for one in desk.rings)
    assert max(counts.values()) - min(counts.get(AgentId(f"a{n}"), 0) for n in range(size)) <= 1


def test_round_robin_goes_on_after_a_restart() -> None:
    team = [agent(name) for name in ("anna", "boris", "vera")]
    desk = Desk(*team, strategy="round-robin", memory=Memory(last_chosen={Q: AgentId("boris")}))

    desk.queue("c1")

    assert [one.agent_id for one in desk.rings] == ["vera"]


def test_callers_are_served_by_priority_then_by_waiting_time() -> None:
    desk = Desk(agent("anna"))
    desk.queue("first")
    leg_id = desk.talk("first")
    for call, priority in (("low", 0), ("low-later", 0), ("vip", 5)):
        desk.now += 1
        desk.queue(call, priority=priority)

    served = []
    call = "first"
    for _ in range(3):
        desk.end(call, leg_id)
        call = desk.rings[-1].call_id
        served.append(call)
        leg_id = desk.talk(call)

    assert served == ["vip", "low", "low-later"]


def test_sticky_waits_for_the_busy_manager_then_falls_back() -> None:
    number = "+79161234567"
    memory = Memory(last_talks=LastTalks({number: LastTalk(AgentId("boris"), 900.0)}))
    desk = Desk(
        agent("anna"),
        agent("boris"),
        strategy="sticky-to-last-manager",
        params={"wait_s": 10.0},
        memory=memory,
    )
    desk.tell(events.OwnCallStarted(AgentId("boris"), "x"))
    desk.queue("c1", number=number)
    assert desk.rings == []

    desk.wait(10.0)
    assert [one.agent_id for one in desk.rings] == ["anna"]


def test_sticky_gets_the_manager_who_becomes_free_in_time() -> None:
    number = "+79161234567"
    memory = Memory(last_talks=LastTalks({number: LastTalk(AgentId("boris"), 900.0)}))
    desk = Desk(agent("anna"), agent("boris"), strategy="sticky-to-last-manager", memory=memory)
    desk.tell(events.OwnCallStarted(AgentId("boris"), "x"))
    desk.queue("c1", number=number)
    desk.now += 5
    desk.tell(events.OwnCallEnded(AgentId("boris"), "x"))

    assert [one.agent_id for one in desk.rings] == ["boris"]


BORIS = AgentId("boris")


@pytest.mark.parametrize("strategy", Registry.builtin().names())
def test_under_every_strategy_the_responsible_manager_is_rung_or_waited_for(strategy: str) -> None:
    desk = Desk(agent("anna"), agent("boris"), strategy=strategy, manager_wait_s=10.0)
    desk.queue("c1", manager=BORIS)
    desk.queue("c2", manager=BORIS)
    assert [(one.call_id, one.agent_id) for one in desk.rings] == [("c1", "boris")]

    # Anna comes free anew and is still not wanted; others are served past who waits.
    desk.tell(events.OwnCallStarted(AgentId("anna"), "x"))
    desk.tell(events.OwnCallEnded(AgentId("anna"), "x"))
    assert len(desk.rings) == 1
    desk.queue("c3")
    assert [(one.call_id, one.agent_id) for one in desk.rings[1:]] == [("c3", "anna")]
    desk.end("c3", desk.talk("c3"))

    desk.end("c1", desk.talk("c1"))
    assert [(one.call_id, one.agent_id) for one in desk.rings[2:]] == [("c2", "boris")]


def test_who_waits_for_the_responsible_manager_is_served_by_others_after_the_queues_time() -> None:
    desk = Desk(agent("anna"), agent("boris"), manager_wait_s=10.0)
    desk.tell(events.OwnCallStarted(BORIS, "x"))
    desk.queue("c1", manager=BORIS)
    desk.wait(9.9)
    assert desk.rings == []

    desk.wait(0.1)
    assert [one.agent_id for one in desk.rings] == ["anna"]


@pytest.mark.parametrize("away", ["paused", "offline", "unskilled", "another"])
def test_a_responsible_manager_who_is_not_to_be_had_is_not_waited_for(away: str) -> None:
    needs = (SkillNeed("tech", 1),) if away == "unskilled" else ()
    desk = Desk(agent("anna", skills={"tech": 1}), agent("boris"))
    if away == "paused":
        desk.tell(events.AgentPaused(BORIS, "lunch"))
    elif away == "offline":
        desk.tell(events.AgentLoggedOut(BORIS))
    desk.queue("c1", needs=needs, manager=AgentId("gleb") if away == "another" else BORIS)

    assert [one.agent_id for one in desk.rings] == ["anna"]


def test_skill_priority_takes_the_best_and_widens_with_time() -> None:
    junior, senior = agent("junior", skills={"tech": 1}), agent("senior", skills={"tech": 3})
    desk = Desk(junior, senior, strategy="skill-priority", params={"widen_after_s": [10.0, 20.0]})
    needs = (SkillNeed("tech", 1),)
    desk.queue("c1", needs=needs)
    desk.talk("c1")
    desk.queue("c2", needs=needs)
    assert [one.agent_id for one in desk.rings] == ["senior"]

    desk.wait(10.0)
    assert len(desk.rings) == 1
    desk.wait(10.0)
    assert [one.agent_id for one in desk.rings] == ["senior", "junior"]


@given(st.floats(1.79e9, 1.8e9), st.floats(0.001, 1000.0))
def test_the_time_to_widen_comes_once(now: float, step: float) -> None:
    desk = Desk(
        agent("junior", skills={"tech": 1}),
        strategy="skill-priority",
        params={"widen_after_s": [step]},
    )
    desk.now = now
    desk.queue("c1", needs=(SkillNeed("tech", 1),))
    assert desk.rings == []

    # The strategy is asked by hand first: in the dispatcher a mistake would be an endless loop.
    (at,) = [one.at for one in desk.given if isinstance(one, commands.WakeAt)]
    desk.now = at
    strategy = Registry.builtin().make(
        "skill-priority", {"widen_after_s": [step]}, None, rng=random.Random(1), weights={}
    )
    (call,) = desk.dispatcher.calls.values()
    assert strategy.needs(call, at) == ((SkillNeed("tech", 1),), None)
    desk.tell(events.Woke())
    assert [one.agent_id for one in desk.rings] == ["junior"]


class NeverSure(Strategy):
    """Says 'ask me again now'."""

    name = "never-sure"
    text = "Nobody, for now."

    def needs(self, caller: CallerView, now: float) -> tuple[tuple[SkillNeed, ...], float | None]:
        return caller.needs, now

    def choose(self, caller: CallerView, free: FreeAgents, now: float) -> Choice:
        return Choice((), "not now", ask_again_at=now - 1.0)


def test_a_strategy_that_wants_to_be_asked_at_once_does_not_stop_the_engine() -> None:
    registry = Registry({"never-sure": NeverSure})
    anna = agent("anna")
    company = RoutingPlan({anna.agent_id: anna}, {Q: sales(anna, strategy="never-sure")})
    dispatcher = Dispatcher(company, strategies=registry, rng=random.Random(1))
    dispatcher.handle(events.AgentLoggedIn(anna.agent_id), 1000.0)
    step = dispatcher.handle(events.CallerQueued(CallId("c1"), Q, ""), 1000.0)

    wakes = [one.at for one in step.commands if isinstance(one, commands.WakeAt)]
    assert wakes == [1001.0]
    again = dispatcher.handle(events.Woke(), 1001.0)
    assert again.commands == (commands.WakeAt(1002.0),)


def test_who_refused_is_asked_again_only_after_the_others_and_the_retry_time() -> None:
    desk = Desk(agent("anna"), agent("boris"), retry_delay_s=5.0)
    desk.queue("c1")
    for _ in range(2):
        desk.tell(events.LegEnded(desk.rings[-1].leg_id, Disposition.REJECTED))
    assert [one.agent_id for one in desk.rings] == ["anna", "boris"]

    desk.wait(4.0)
    assert len(desk.rings) == 2
    desk.wait(1.0)
    assert [one.agent_id for one in desk.rings] == ["anna", "boris", "anna"]


def test_a_manager_who_does_not_answer_is_paused_with_the_reason() -> None:
    anna = agent("anna", pause_after_no_answers=2)
    desk = Desk(anna, retry_delay_s=1.0)
    desk.queue("c1")
    for _ in range(2):
        desk.tell(events.LegEnded(desk.rings[-1].leg_id, Disposition.NO_ANSWER))
        desk.wait(1.0)

    assert desk.state("anna") is AgentState.PAUSED
    last = [one for one in desk.facts if isinstance(one, facts.AgentChanged)][-1]
    assert last.reason == "no_answer_2_times"
    assert len(desk.rings) == 2


def test_wrap_up_keeps_the_next_call_away_for_its_time() -> None:
    desk = Desk(agent("anna", wrap_up_s=10.0))
    desk.queue("c1")
    desk.end("c1", desk.talk("c1"))
    desk.queue("c2")
    assert desk.state("anna") is AgentState.WRAP_UP
    assert len(desk.rings) == 1

    desk.wait(10.0)
    assert [one.call_id for one in desk.rings] == ["c1", "c2"]


def test_a_full_queue_and_an_empty_one_send_the_caller_on_at_once() -> None:
    full = Desk(agent("anna"), max_length=1)
    full.tell(events.OwnCallStarted(AgentId("anna"), "x"))
    full.queue("c1")
    full.queue("c2")
    assert commands.ReturnCaller(CallId("c2"), ReturnReason.QUEUE_FULL) in full.given

    empty = Desk(agent("anna"), leave_when_no_agents=True)
    empty.queue("c1")
    empty.tell(events.LegEnded(empty.rings[-1].leg_id, Disposition.BUSY))
    empty.tell(events.AgentLoggedOut(AgentId("anna")))
    assert commands.ReturnCaller(CallId("c1"), ReturnReason.NO_AGENTS) in empty.given


def test_one_phones_early_end_leaves_the_others_ringing() -> None:
    team = [agent(name) for name in ("anna", "boris", "vera")]
    desk = Desk(*team, strategy="ring-all")
    desk.queue("c1")
    desk.tell(events.LegEnded(desk.rings[0].leg_id, Disposition.REJECTED))

    stopped = [one for one in desk.given if isinstance(one, commands.StopRinging)]
    assert stopped == []
    assert desk.state("boris") is AgentState.RESERVED


def test_an_end_that_is_never_heard_does_not_hold_an_agent() -> None:
    desk = Desk(agent("anna"))
    desk.queue("c1")
    desk.tell(events.CallerLeft(CallId("c1")))
    assert desk.state("anna") is AgentState.RESERVED

    desk.wait(10.0)
    assert desk.state("anna") is AgentState.FREE


def test_weights_share_the_calls() -> None:
    team = [agent("anna"), agent("boris")]
    desk = Desk(*team, strategy="weighted", weights={AgentId("anna"): 80, AgentId("boris"): 20})
    for n in range(500):
        desk.queue(f"c{n}")
        desk.end(f"c{n}", desk.talk(f"c{n}"))

    share = Counter(one.agent_id for one in desk.rings)["anna"] / 500  # type: ignore[index]
    assert 0.7 < share < 0.9


def test_an_unknown_strategy_is_an_error_never_a_default() -> None:
    with pytest.raises(UnknownStrategy):
        Desk(agent("anna"), strategy="raund-robin")


def test_a_long_wait_is_served_in_the_end_and_told() -> None:
    anna = agent("anna")
    callers = [caller(n * 0.5, f"+7916000000{n}") for n in range(6)]
    story = play(plan([anna], [sales(anna)]), callers, {"PJSIP/anna": (TALKS,)})

    joined = [one.call_id for one in story.of(facts.LegJoined)]
    assert joined == [f"sim-{n}" for n in range(1, 7)]
    waits = [one.wait_s for one in story.of(journal.CallEnded)]
    assert waits == sorted(waits)


def test_a_reload_in_the_middle_loses_nobody() -> None:
    anna, boris = agent("anna"), agent("boris")
    company = plan([anna], [sales(anna)])
    phones = {"PJSIP/anna": (TALKS,), "PJSIP/boris": (TALKS,)}
    world, story = stage(company, [caller(0.0), caller(1.0)], phones)
    world.run(START + 3.0)
    world.core.replace_plan(plan([anna, boris], [sales(anna, boris)]), world.clock.now())
    world.run(START + 60.0)

    assert set(story.talks.values()) == {"anna", "boris"}
    assert len(story.of(journal.CallEnded)) == 2
