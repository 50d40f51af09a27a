"""Managers' pauses: on record with who asked and why, and nobody is rung in one."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

from ivr.nodes import DialAgent
from pbx.engine.core import EngineCore
from pbx.engine.virtual import VirtualWorld
from pbx.journal import port as journal
from pbx.journal.port import OpenPause
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from routing import facts
from routing.dispatcher import Dispatcher
from routing.plan import Agent
from routing.strategy import Registry
from routing.values import AgentId, AgentState, Outcome
from tests.world import DID, START, Story, agent, plan, sales, stage, tree

ANNA, BORIS = agent("anna"), agent("boris")
TALKS = PhoneAct(Reaction.ANSWER, 1.0, 20.0)
SILENT = PhoneAct(Reaction.NO_ANSWER)
CALLER = CallerScript("", 1.0, DID, "89161234567")


def staged(
    *agents: Agent, act: PhoneAct = TALKS, callers: tuple[CallerScript, ...] = (CALLER,)
) -> tuple[VirtualWorld, Story]:
    phones = {f"PJSIP/{one.agent_id}": (act,) for one in agents}
    return stage(plan(agents, [sales(*agents, strategy="linear")]), callers, phones)


def until(world: VirtualWorld, at_s: float) -> float:
    world.run(START + at_s)
    return START + at_s


def pauses(story: Story) -> list[journal.Entry]:
    return [
        one.entry
        for one in story.entries
        if isinstance(one.entry, journal.PauseStarted | journal.PauseEnded)
    ]


def test_a_paused_manager_is_not_rung_until_the_pause_is_over() -> None:
    world, story = staged(ANNA, BORIS)
    now = until(world, 0.5)
    assert world.core.pauses.pause(ANNA.agent_id, "lunch", "ivanov (web)", now)
    until(world, 60.0)
    (offer,) = story.of(facts.OfferMade)
    assert offer.chosen == (BORIS.agent_id,)
    assert offer.left_out == (facts.LeftOut(ANNA.agent_id, "paused"),)

    now = until(world, 61.0)
    assert world.core.pauses.unpause(ANNA.agent_id, "root", now)
    began, ended = pauses(story)
    assert began == journal.PauseStarted(began.pause_id, ANNA.agent_id, "lunch", "ivanov (web)")  # type: ignore[union-attr]
    assert ended == journal.PauseEnded(began.pause_id, ANNA.agent_id, "root")
    assert world.core.dispatcher.agent_state(ANNA.agent_id) is AgentState.FREE


def test_a_pause_in_a_talk_is_on_record_at_once_and_begins_after_it() -> None:
    world, story = staged(replace(ANNA, wrap_up_s=5.0))
    now = until(world, 10.0)
    assert world.core.dispatcher.agent_state(ANNA.agent_id) is AgentState.TALKING
    world.core.pauses.pause(ANNA.agent_id, "обед", "anna (web)", now)
    assert world.core.dispatcher.agent_state(ANNA.agent_id) is AgentState.TALKING
    assert len(pauses(story)) == 1

    until(world, 300.0)

    last = story.of(facts.AgentChanged)[-1]
    assert (last.old, last.new) == (AgentState.TALKING, AgentState.PAUSED)
    assert last.reason == "обед", "the interval has the pause's own reason"


def test_who_is_rung_when_paused_is_rung_no_more() -> None:
    world, story = staged(ANNA, BORIS, act=replace(TALKS, after_s=5.0))
    now = until(world, 2.0)
    world.core.pauses.pause(ANNA.agent_id, "lunch", "x", now)
    until(world, 60.0)

    assert set(story.talks.values()) == {"boris"}
    assert world.core.dispatcher.agent_state(ANNA.agent_id) is AgentState.PAUSED


def dialled(act: PhoneAct) -> tuple[VirtualWorld, Story]:
    """A caller dials Anna's extension, and leaves a message where she is not to be had."""
    nodes = tree()
    ways = ("message", "message", "message")
    nodes["anna"] = DialAgent("anna", ANNA.agent_id, None, {}, 20.0, *ways)
    where = plan((ANNA,), [sales(ANNA)], nodes=nodes, entry="anna")
    return stage(where, (CALLER,), {"PJSIP/anna": (act,)})


def test_who_dials_a_paused_managers_extension_rings_them_and_the_pause_goes_on() -> None:
    world, story = dialled(TALKS)
    now = until(world, 0.5)
    world.core.pauses.pause(ANNA.agent_id, "lunch", "anna (web)", now)
    until(world, 60.0)

    assert list(story.talks.values()) == ["anna"]
    assert world.core.dispatcher.agent_state(ANNA.agent_id) is AgentState.PAUSED
    assert len(pauses(story)) == 1


def test_a_phone_that_is_not_to_be_disturbed_turns_everybody_away() -> None:
    """Whatever the pause: the phone says so itself, and the caller goes on at once."""
    world, story = dialled(PhoneAct(Reaction.BUSY))
    until(world, 60.0)

    assert story.talks == {}
    assert list(story.outcomes.values()) == [Outcome.VOICEMAIL]


def test_the_same_again_is_no_news_and_another_reason_is() -> None:
    world, story = staged(ANNA, callers=())
    now = until(world, 1.0)
    for reason in ("lunch", "lunch", "training"):
        assert world.core.pauses.pause(ANNA.agent_id, reason, "x", now)
    assert world.core.pauses.unpause(ANNA.agent_id, "x", now)
    assert world.core.pauses.unpause(ANNA.agent_id, "x", now)

    assert [type(one).__name__ for one in pauses(story)] == [
        "PauseStarted",
        "PauseEnded",
        "PauseStarted",
        "PauseEnded",
    ]
    for who in (AgentId("nobody"),):
        assert not world.core.pauses.pause(who, "lunch", "x", now)
        assert not world.core.pauses.unpause(who, "x", now)


def test_a_pause_for_not_answering_is_on_record_as_the_engines_own() -> None:
    world, story = staged(replace(ANNA, pause_after_no_answers=1), act=SILENT)
    until(world, 100.0)

    (began,) = pauses(story)
    assert isinstance(began, journal.PauseStarted)
    assert (began.agent_id, began.reason, began.by) == ("anna", "no_answer_1_times", "")
    world.core.pauses.unpause(ANNA.agent_id, "x", START + 100.0)
    assert isinstance(pauses(story)[-1], journal.PauseEnded)


def test_a_wrap_up_ends_early() -> None:
    world, story = staged(replace(ANNA, wrap_up_s=50.0))
    now = until(world, 30.0)
    assert world.core.dispatcher.agent_state(ANNA.agent_id) is AgentState.WRAP_UP
    world.core.pauses.unpause(ANNA.agent_id, "anna (web)", now)

    assert world.core.dispatcher.agent_state(ANNA.agent_id) is AgentState.FREE
    assert pauses(story) == []


def restarted(*before: OpenPause) -> tuple[EngineCore, list[journal.Entry]]:
    """An engine that finds these pauses in the log, after its start."""
    told: list[journal.Entry] = []
    company = plan([ANNA, BORIS], [sales(ANNA, BORIS)])
    core = EngineCore(
        company,
        Dispatcher(company.routing, strategies=Registry.builtin(), rng=random.Random(1)),
        send=lambda command: None,
        note=lambda entry, now: told.append(entry),
        to_utc=lambda at: datetime.fromtimestamp(at, UTC),
        id_prefix="b",
        open_pauses=before,
    )
    return core, told


def found(name: str, reason: str = "lunch") -> OpenPause:
    since = datetime(2026, 11, 18, tzinfo=UTC)
    return OpenPause(f"pause-{name}-{reason}", AgentId(name), reason, "x", since)


def test_pauses_outlast_a_restart_and_those_of_who_has_left_end() -> None:
    core, told = restarted(found("anna", "old"), found("anna"), found("gone"))
    core.open_for_work(START + 1)

    states = core.dispatcher.agent_state
    assert (states(ANNA.agent_id), states(BORIS.agent_id)) == (AgentState.PAUSED, AgentState.FREE)
    changed = [one for one in told if isinstance(one, facts.AgentChanged)]
    assert [(one.agent_id, one.new, one.reason) for one in changed] == [
        ("anna", AgentState.PAUSED, "lunch"),
        ("boris", AgentState.FREE, "logged_in"),
    ]
    assert [one for one in told if isinstance(one, journal.PauseEnded | journal.PauseStarted)] == [
        journal.PauseEnded("pause-anna-old", ANNA.agent_id, ""),
        journal.PauseEnded("pause-gone-lunch", AgentId("gone"), "plan"),
    ]
    assert core.pauses.unpause(ANNA.agent_id, "x", START + 2)
    assert told[-2] == journal.PauseEnded("pause-anna-lunch", ANNA.agent_id, "x")


def test_who_leaves_the_plan_is_not_paused_any_more() -> None:
    world, story = staged(ANNA, BORIS, callers=())
    now = until(world, 1.0)
    world.core.pauses.pause(ANNA.agent_id, "lunch", "x", now)
    world.core.replace_plan(plan([BORIS], [sales(BORIS)]), now)

    ended = pauses(story)[-1]
    assert isinstance(ended, journal.PauseEnded)
    assert (ended.agent_id, ended.by) == ("anna", "plan")
