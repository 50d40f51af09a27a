"""A talk that went on while the engine was away is led on at its end, and logged as any other."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

from ivr.nodes import Play, ToQueue
from pbx.engine.virtual import VirtualWorld
from pbx.journal import port as journal
from pbx.plan.model import Plan, Recording
from pbx.switch import port as switch
from pbx.switch.script import Script
from pbx.switch.simulated import SimulatedSwitch
from routing import events, facts
from routing.dispatcher import Dispatcher
from routing.strategy import Registry
from routing.values import (
    AgentId,
    AgentState,
    CallId,
    DeviceId,
    Disposition,
    LegId,
    Outcome,
    QueueId,
)
from tests import invariants
from tests.world import DID, SALES, START, Story, agent, plan, sales, tree, words

ANNA, BORIS = agent("anna", wrap_up_s=15.0), agent("boris")
CALL, LEG = CallId("1795000000.1"), LegId("old-l1")
CLIENT = "+79161234567"


def company() -> Plan:
    """After a talk a survey."""
    nodes = tree()
    waits = nodes["to-sales"]
    assert isinstance(waits, ToQueue)
    nodes["to-sales"] = replace(waits, after_talk="survey")
    nodes["survey"] = Play("survey", words("how was it"), "bye")
    return plan([ANNA, BORIS], [sales(ANNA, BORIS)], nodes=nodes)


def at(seconds: float) -> datetime:
    """So long after the start."""
    return datetime.fromtimestamp(START + seconds, UTC)


def device_leg(**more: object) -> journal.OpenLeg:
    known = journal.OpenLeg(
        agent_id=AgentId("anna"),
        device_id=DeviceId("anna/1"),
        queue_id=SALES,
        outside=False,
        started_at=at(-65.0),
        joined_at=at(-60.0),
    )
    return replace(known, **more)  # type: ignore[arg-type]


def left(**legs: journal.OpenLeg) -> journal.OpenTalk:
    return journal.OpenTalk(
        did=DID,
        number=CLIENT,
        name="Иван",
        language="ru",
        callback_of="",
        started_at=at(-90.0),
        queue_id=SALES,
        node_id="to-sales",
        passed=("welcome", "main", "to-sales"),
        wait_s=30.0,
        talk_s=0.0,
        legs={LegId(one): leg for one, leg in legs.items()},
    )


class Hears(SimulatedSwitch):
    """Keeps what it is told to do."""

    def __init__(self) -> None:
        super().__init__(Script((), {}), start=START)
        self.sent: list[switch.SwitchCommand] = []

    def send(self, command: switch.SwitchCommand) -> None:
        self.sent.append(command)
        super().send(command)


class Restarted:
    """An engine that finds a talk."""

    def __init__(self, *talks: journal.OpenTalk, where: Plan | None = None) -> None:
        where = where or company()
        self.story = Story()
        self.switch = Hears()
        dispatcher = Dispatcher(
            where.routing, strategies=Registry.builtin(), rng=random.Random(1), id_prefix="new-"
        )
        self.world = VirtualWorld(
            where,
            dispatcher,
            start=START,
            switch=self.switch,
            on_entry=self.story.entries.append,
            id_prefix="new-",
            open_talks=dict.fromkeys([CALL], talks[0]) if talks else {},
        )

    def hears(self, *told: switch.SwitchEvent, after_s: float = 0.0) -> None:
        self.world.run(self.world.clock.now() + after_s)
        for event in told:
            self.world.core.handle(event, self.world.clock.now())
            for holds in invariants.ALL:
                holds(self.world.core.dispatcher)

    def found(self, leg: str = LEG, address: str = "PJSIP/anna", record_as: str = "") -> None:
        dialled, began = DID.removeprefix("+"), START - 90.0
        self.hears(
            switch.TalkFound(CALL, LegId(leg), address, dialled, CLIENT, "Иван", began, record_as)
        )
        self.hears(switch.SwitchUp())

    def manager_hangs_up(self, leg: str = LEG, after_s: float = 40.0) -> None:
        answered = Disposition.ANSWERED
        self.hears(events.LegEnded(LegId(leg), answered, "16 bye"), after_s=after_s)
        self.hears(switch.TalkOver(CALL))

    def gone(self) -> journal.CallEnded:
        self.hears(switch.CallerGone(CALL, "16 bye"))
        (ended,) = self.story.of(journal.CallEnded)
        assert not self.world.core.calls.by_id
        assert not self.world.core.calls.by_outside_leg
        return ended

    def state(self, name: str = "anna") -> AgentState | None:
        return self.world.core.dispatcher.agent_state(AgentId(name))

    @property
    def steps(self) -> list[str]:
        return [one.node_id for one in self.story.of(journal.MenuStep)]


def test_the_caller_goes_the_plans_way_when_the_manager_hangs_up() -> None:
    engine = Restarted(left(**{LEG: device_leg()}))
    engine.found()
    assert engine.state() is AgentState.TALKING
    assert engine.steps == [], "the caller is where they were"
    engine.manager_hangs_up()

    assert engine.state() is AgentState.WRAP_UP
    assert engine.steps == ["to-sales"]
    (call,) = engine.world.core.calls.by_id.values()
    assert call.walk.current == "survey"
    engine.hears(after_s=16.0)
    assert engine.state() is AgentState.FREE
    ended = engine.gone()
    assert ended.outcome is Outcome.ANSWERED
    assert (ended.wait_s, round(ended.talk_s)) == (30.0, 100)
    (leg,) = engine.story.of(facts.LegFinished)
    assert (leg.leg_id, leg.disposition, leg.cause) == (LEG, Disposition.ANSWERED, "16 bye")
    assert (round(leg.ring_s), round(leg.talk_s)) == (5, 100)
    assert not engine.story.of(facts.LegJoined), "the log has it"
    assert not engine.story.of(facts.Irregular)
    (started,) = engine.story.of(journal.CallStarted)
    assert started.reconstructed


def test_a_caller_who_hangs_up_first_is_logged_with_the_whole_talk() -> None:
    engine = Restarted(left(**{LEG: device_leg()}))
    engine.found()
    engine.hears(
        events.LegEnded(LEG, Disposition.ANSWERED, "16 bye"),
        switch.CallerGone(CALL, "16 bye"),
        after_s=20.0,
    )

    (ended,) = engine.story.of(journal.CallEnded)
    assert (ended.outcome, round(ended.talk_s)) == (Outcome.ANSWERED, 80)
    assert ended.cause == "16 bye"
    assert engine.state() is AgentState.WRAP_UP


def test_who_was_called_by_extension_has_no_wrap_up() -> None:
    engine = Restarted(left(**{LEG: device_leg(queue_id=None)}))
    engine.found()
    engine.manager_hangs_up()

    assert engine.state() is AgentState.FREE


def test_the_manager_can_send_the_caller_on() -> None:
    engine = Restarted(left(**{LEG: device_leg()}))
    engine.found()
    answered = Disposition.ANSWERED
    engine.hears(events.LegEnded(LEG, answered, ""), switch.CallerTransferred(CALL, "102"))

    assert engine.state("boris") is AgentState.RESERVED
    (sent,) = engine.story.of(journal.Transferred)
    assert sent.target == "102"
    engine.hears(after_s=31.0)
    assert engine.state() is AgentState.RINGING, "nobody answers: back to who had sent them"


def test_nobody_is_rung_for_a_caller_who_talks_nor_a_manager_who_does() -> None:
    engine = Restarted(left(**{LEG: device_leg()}))
    engine.found()
    engine.hears(switch.CallerFound(CallId("2"), DID.removeprefix("+"), CLIENT, "", START))
    engine.hears(after_s=5.0)

    assert {one.agent_id for one in engine.story.of(facts.LegStarted)} <= {AgentId("boris")}


def test_what_nobody_saw_begin_is_marked_for_the_switchs_own_records() -> None:
    engine = Restarted(left(**{LEG: device_leg(joined_at=None)}))
    engine.found()
    engine.manager_hangs_up()
    ended = engine.gone()

    (leg,) = engine.story.of(facts.LegFinished)
    assert leg.cause.endswith(switch.UNSEEN)
    assert ended.cause.endswith(switch.UNSEEN)
    assert len(engine.story.of(facts.LegJoined)) == 1
    assert engine.state() is AgentState.WRAP_UP


def test_an_outside_number_that_talks_is_led_on_too() -> None:
    out = device_leg(agent_id=None, outside=True, joined_at=None)
    engine = Restarted(left(**{"old-x1": out}))
    engine.found("old-x1", "PJSIP/trunk")
    engine.manager_hangs_up("old-x1")

    (leg,) = engine.story.of(journal.OutsideLegFinished)
    assert (leg.leg_id, leg.disposition) == ("old-x1", "answered")
    assert engine.steps == ["to-sales"]
    assert engine.gone().outcome is Outcome.ANSWERED


def test_whom_a_manager_had_joined_by_hand_keeps_their_leg() -> None:
    arranged = device_leg(agent_id=AgentId("boris"), outside=True, joined_at=None)
    engine = Restarted(left(**{LEG: replace(arranged, outside=False), "old-x2": arranged}))
    engine.found("", "PJSIP/boris")
    engine.hears(switch.TalkOver(CALL), after_s=10.0)

    (leg,) = engine.story.of(journal.OutsideLegFinished)
    assert (leg.leg_id, leg.agent, round(leg.talk_s)) == ("old-x2", "boris", 75)
    assert engine.gone().outcome is Outcome.ANSWERED


def test_a_talk_that_the_log_does_not_know_ends_as_a_call_with_its_manager() -> None:
    engine = Restarted()
    engine.found()
    assert engine.state() is AgentState.TALKING
    engine.manager_hangs_up()

    ended = engine.gone()
    assert ended.outcome is Outcome.ANSWERED
    (started,) = engine.story.of(journal.CallStarted)
    assert (started.did, started.number) == (DID, CLIENT)


def test_a_step_that_the_plan_has_no_more_ends_the_call_after_the_talk() -> None:
    engine = Restarted(replace(left(**{LEG: device_leg(queue_id=QueueId("gone"))}), node_id="gone"))
    engine.found()
    engine.manager_hangs_up()

    (call,) = engine.world.core.calls.by_id.values()
    assert call.walk.ended
    assert engine.gone().outcome is Outcome.ANSWERED


def test_a_second_word_of_the_same_talk_changes_nothing() -> None:
    engine = Restarted(left(**{LEG: device_leg()}))
    engine.found()
    engine.found()
    engine.manager_hangs_up()

    ended = engine.gone()
    assert (round(ended.talk_s), ended.cause) == (100, "16 bye")
    assert engine.state() is AgentState.WRAP_UP
    assert not engine.story.of(facts.Irregular)


def test_the_managers_code_stops_the_recording_of_a_talk_that_was_found() -> None:
    rule = Recording(100, (), 86_400.0, pause_code="*7")
    where = replace(company(), queue_records={SALES: rule})
    engine = Restarted(left(**{LEG: device_leg()}), where=where)
    engine.found(record_as="2026-11-18-old-l1")
    engine.hears(switch.LegKey(LEG, "*"), switch.LegKey(LEG, "7"))

    assert [one for one in engine.switch.sent if isinstance(one, switch.PauseRecording)] == [
        switch.PauseRecording(LEG, paused=True)
    ]
    assert not engine.story.of(journal.RecordingStarted), "the log has it"
    engine.manager_hangs_up()
    assert not engine.world.core.recordings.live
