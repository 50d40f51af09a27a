"""Click-to-call: the manager first, then the client; refused with a reason; counted as a talk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from pbx.engine.clicks import ClickResult
from pbx.engine.virtual import VirtualWorld
from pbx.journal import port as journal
from pbx.plan.model import OutsideLimits, Plan, Recording
from pbx.switch import port as switch
from pbx.switch.script import CallerScript, PhoneAct
from routing import events, facts
from routing.commands import StopRinging
from routing.values import AgentId, AgentState, DeviceId, Disposition, Outcome
from tests.engine.test_callbacks import (
    BUSY,
    CLIENT,
    HOLDS,
    NIGHT,
    PICKS_UP,
    SILENT,
    TALKS,
    TRUNK,
    Phones,
    asks,
    company,
    dialled,
    results,
    run_on,
    waits,
)
from tests.world import DID, SALES, START, Story, agent, stage

ANNA = AgentId("anna")
BORIS = agent("boris")


def clicked(
    phones: Phones,
    *,
    where: Plan | None = None,
    callers: list[CallerScript] | None = None,
    at_s: float = 1.0,
    number: str = CLIENT,
) -> tuple[ClickResult, VirtualWorld, Story]:
    """Anna clicks on the client's number."""
    world, story = stage(where or company(), callers or [], phones)
    run_on(world, at_s)
    result = world.core.clicks.click(ANNA, number, world.clock.now())
    return result, world, story


def over(world: VirtualWorld) -> None:
    """Everything is as if nothing had been."""
    run_on(world, world.clock.now() - START + 3_000.0)
    assert not world.switch.busy
    assert not world.core.calls.by_id
    assert world.core.dispatcher.agent_state(ANNA) is AgentState.FREE


@pytest.mark.parametrize("number", [CLIENT, "8 (916) 123-45-67"])
def test_the_manager_is_rung_and_then_the_client_and_both_talk(number: str) -> None:
    phones = {"PJSIP/anna": (HOLDS,), TRUNK: (replace(PICKS_UP, talk_s=30.0),)}
    result, world, story = clicked(phones, number=number)
    assert result is ClickResult.RINGING
    assert world.core.dispatcher.agent_state(ANNA) is AgentState.RESERVED
    over(world)

    (call,) = story.of(journal.CallStarted)
    assert call.callback_of.startswith(journal.CLICK)
    assert (call.number, call.did) == (CLIENT, DID)
    assert story.outcomes == {call.call_id: Outcome.ANSWERED}
    assert dialled(story) == [CLIENT]
    (offer,) = story.of(facts.OfferMade)
    assert (offer.strategy, offer.chosen) == ("click", (ANNA,))
    assert story.talks == {call.call_id: "anna"}
    states = [one.new for one in story.of(facts.AgentChanged) if one.agent_id == ANNA]
    assert states[1:] == [
        AgentState.RESERVED,
        AgentState.RINGING,
        AgentState.TALKING,
        AgentState.FREE,
    ]
    assert not story.of(journal.CallbackDialled), "it is no callback of the log's"
    assert not story.of(facts.Irregular)


@pytest.mark.parametrize(
    ("anna", "client", "called"),
    [(SILENT, TALKS, 0), (BUSY, TALKS, 0), (HOLDS, BUSY, 1), (HOLDS, SILENT, 1)],
)
def test_an_attempt_that_fails_is_not_made_again(
    anna: PhoneAct, client: PhoneAct, called: int
) -> None:
    result, world, story = clicked({"PJSIP/anna": (anna, HOLDS), TRUNK: (client, TALKS)})
    assert result is ClickResult.RINGING
    over(world)

    assert len(dialled(story)) == called
    assert [one.value for one in story.outcomes.values()] == ["failed"]
    (ended,) = story.of(journal.CallEnded)
    assert ended.cause.startswith("click: ")


def test_a_manager_who_hangs_up_while_the_client_is_called_ends_it() -> None:
    _, world, story = clicked({"PJSIP/anna": (HOLDS,), TRUNK: (SILENT,)})
    while not dialled(story):
        world.step()
    (leg_id,) = world.core.dispatcher.legs
    world.switch.send(StopRinging(leg_id, Disposition.FAILED))
    over(world)

    (out,) = story.of(journal.OutsideLegFinished)
    assert out.disposition == "cancelled"


def paused(world: VirtualWorld) -> None:
    world.core.tell(events.AgentPaused(ANNA, "lunch"), world.clock.now())


def away(world: VirtualWorld) -> None:
    world.core.tell(events.AgentLoggedOut(ANNA), world.clock.now())


def talking(world: VirtualWorld) -> None:
    world.core.handle(switch.AddressBusy("PJSIP/anna", "own"), world.clock.now())


def unplugged(world: VirtualWorld) -> None:
    world.core.tell(events.DeviceUnreachable(DeviceId("anna/1")), world.clock.now())


@pytest.mark.parametrize(
    ("before", "result"),
    [
        (paused, ClickResult.PAUSED),
        (away, ClickResult.OFFLINE),
        (talking, ClickResult.BUSY),
        (unplugged, ClickResult.UNREACHABLE),
    ],
)
def test_a_manager_who_can_not_take_it_is_not_rung(
    before: Callable[[VirtualWorld], None], result: ClickResult
) -> None:
    world, story = stage(company(), [], {})
    run_on(world, 1.0)
    before(world)

    assert world.core.clicks.click(ANNA, CLIENT, world.clock.now()) is result
    run_on(world, 60.0)
    assert not story.of(facts.LegStarted)
    assert not story.of(journal.CallStarted)


def test_one_who_is_rung_already_is_busy_and_a_stranger_unknown() -> None:
    world, _ = stage(company(agent("anna"), BORIS), [waits(0.0, "+79160000002")], {})
    run_on(world, 2.0)
    clicks, now = world.core.clicks, world.clock.now()

    assert clicks.click(ANNA, CLIENT, now) is ClickResult.BUSY
    assert clicks.click(AgentId("nobody"), CLIENT, now) is ClickResult.UNKNOWN_MANAGER


@pytest.mark.parametrize(
    ("number", "limits", "result"),
    [
        ("112", OutsideLimits(), ClickResult.NO_NUMBER),
        ("'; drop", OutsideLimits(), ClickResult.NO_NUMBER),
        ("", OutsideLimits(), ClickResult.NO_NUMBER),
        (DID, OutsideLimits(), ClickResult.NO_NUMBER),
        ("+4930901820", OutsideLimits(), ClickResult.NOT_ALLOWED),
        ("+78091234567", OutsideLimits(), ClickResult.PREMIUM),
        (CLIENT, OutsideLimits(hours=NIGHT), ClickResult.HOURS),
        (CLIENT, OutsideLimits(per_hour=0), ClickResult.LIMIT),
        (CLIENT, OutsideLimits(per_hour_each=0), ClickResult.MANAGER_LIMIT),
    ],
)
def test_a_number_that_may_not_be_called_is_refused_with_the_reason(
    number: str, limits: OutsideLimits, result: ClickResult
) -> None:
    where = replace(company(), outside_limits=limits)
    found, world, story = clicked({}, where=where, number=number)

    assert found is result
    run_on(world, 60.0)
    assert not story.of(facts.LegStarted)


def test_a_click_counts_for_its_manager() -> None:
    where = replace(company(), outside_limits=OutsideLimits(per_hour_each=1))
    phones = {"PJSIP/anna": (HOLDS,), TRUNK: (replace(PICKS_UP, talk_s=5.0),)}
    _, world, _ = clicked(phones, where=where)
    over(world)

    now = START + 1_000.0
    assert world.core.clicks.click(ANNA, CLIENT, now) is ClickResult.MANAGER_LIMIT


def test_the_talk_ends_the_clients_callback_which_rings_nobody_meanwhile() -> None:
    where = company(agent("anna"), BORIS, ring_time_s=5.0)
    phones = {
        "PJSIP/anna": (SILENT, replace(HOLDS, after_s=15.0)),
        "PJSIP/boris": (SILENT,) * 20,
        TRUNK: (replace(PICKS_UP, talk_s=30.0),),
    }
    world, story = stage(where, [asks()], phones)
    while world.core.dispatcher.agent_state(ANNA) is not AgentState.FREE or not story.outcomes:
        world.step()
    assert world.core.clicks.click(ANNA, CLIENT, world.clock.now()) is ClickResult.RINGING
    clicked_at = world.clock.now()
    over(world)

    late = [
        one.entry.agent_id
        for one in story.entries
        if isinstance(one.entry, facts.LegStarted) and one.at.timestamp() > clicked_at - 0.001
    ]
    assert late == ["anna"]
    assert results(story) == ["got_through"]
    assert dialled(story) == [CLIENT]


def test_nobody_calls_a_client_who_is_on_the_line_or_being_called() -> None:
    in_menu = replace(company(), numbers={DID: replace(company().numbers[DID], entry="welcome")})
    found, _, _ = clicked({}, where=in_menu, callers=[CallerScript("", 0.0, DID, CLIENT)])
    assert found is ClickResult.CLIENT_BUSY

    found, world, _ = clicked({"PJSIP/anna": (SILENT,)}, where=company(agent("anna"), BORIS))
    assert found is ClickResult.RINGING
    now = world.clock.now()
    assert world.core.clicks.click(AgentId("boris"), CLIENT, now) is ClickResult.CLIENT_BUSY


def test_it_is_recorded_as_the_managers_queue_says() -> None:
    rule = Recording(100, (), 86_400.0)
    where = replace(company(), queue_records={SALES: rule})
    phones = {"PJSIP/anna": (HOLDS,), TRUNK: (replace(PICKS_UP, talk_s=30.0),)}
    _, world, story = clicked(phones, where=where)
    over(world)

    assert len(story.of(journal.RecordingKept)) == 1
