"""What managers' phones do besides the queues' calls, on a real Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lab.asterisk import HOST, AsteriskLab, LabPhone
from lab.desk import DeskPhone
from lab.engine import engine_on
from lab.sipp import Answer, Caller, Dialling, Phone, TrunkPhones
from pbx.journal import port as journal
from routing import facts
from routing.values import AgentId, AgentState, Outcome
from tests.world import DID, agent, plan, sales

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(60)]

MOBILE = "+79161112233"


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 (state of the engine: there is nothing to await)
            await asyncio.sleep(0.02)


async def test_a_managers_own_call_counts_as_busy() -> None:
    anna, boris = agent("anna"), agent("boris")
    company = plan([anna, boris], [sales(anna, boris, strategy="linear")])
    own = Dialling(MOBILE, from_number="anna", talk_ms=4000)
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "boris", Answer(200, talk_ms=500)),
        TrunkPhones(lab, {MOBILE: Answer(200)}),
        engine_on(lab, company) as (engine, story),
        Caller(lab, own, host=HOST) as annas_phone,
    ):
        await annas_phone.answered()
        await _until(
            lambda: engine.core.dispatcher.agent_state(AgentId("anna")) is AgentState.TALKING
        )

        await Caller(lab, Dialling(DID[1:])).run(20)

        (offer,) = story.of(facts.OfferMade)
        assert offer.chosen == ("boris",)
        assert offer.left_out == (facts.LeftOut(AgentId("anna"), "busy"),)
        await annas_phone.ended(20)
        await _until(lambda: engine.core.dispatcher.agent_state(AgentId("anna")) is AgentState.FREE)


async def test_a_phone_that_is_not_registered_is_left_out() -> None:
    anna, boris = agent("anna"), agent("boris")
    company = plan([anna, boris], [sales(anna, boris)])
    phones = [LabPhone("anna", password="never-used"), LabPhone("boris")]
    async with (
        AsteriskLab(phones=phones) as lab,
        Phone(lab, "boris", Answer(200, talk_ms=500)),
        engine_on(lab, company) as (_, story),
    ):
        await Caller(lab, Dialling(DID[1:])).run(20)

        (offer,) = story.of(facts.OfferMade)
        assert offer.left_out == (facts.LeftOut(AgentId("anna"), "unreachable"),)


async def test_a_hostile_name_and_number_change_nothing_but_themselves() -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna)])
    name = 'Ivan\\", ${SHELL(id)} & PJSIP/x, <b>'
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Answer(200, talk_ms=500)) as phone,
        engine_on(lab, company) as (engine, story),
    ):
        hostile = Dialling(DID[1:], from_number="+7916&PJSIP,x", from_name=name)
        await Caller(lab, hostile).run(20)
        await _until(lambda: bool(story.of(journal.CallEnded)))

        assert [one.agent_id for one in story.of(facts.LegJoined)] == ["anna"]
        (call,) = phone.calls()
        assert set(call.from_user) <= set("0123456789+*#") or call.from_user == "anonymous"
        assert engine.failures == 0
        await lab.nothing_left()


async def test_a_number_that_is_not_digits_gets_404_and_no_event() -> None:
    anna = agent("anna")
    company = plan([anna], [sales(anna)])
    async with AsteriskLab(phones=["anna"]) as lab, engine_on(lab, company) as (_, story):
        seen = await Caller(lab, Dialling("78005553535;x=1", cancel_ms=2000)).run(20)
        other = await Caller(lab, Dialling("abc", cancel_ms=2000)).run(20)

        assert other.status == 404
        assert seen.status in (404, 200, 487)
        assert all(one.did in (DID, "") for one in story.of(journal.CallStarted))


async def test_a_manager_asks_a_colleague_and_joins_the_caller_with_them() -> None:
    anna, boris = agent("anna"), agent("boris")
    company = plan([anna, boris], [sales(anna)])
    inside = {"extensions_site.conf": "[globals](+)\nVORONKA_EXT_102 = PJSIP/boris\n"}
    async with (
        AsteriskLab(phones=["anna", "boris"], extra=inside) as lab,
        DeskPhone(lab, "anna") as desk,
        Phone(lab, "boris", Answer(100, talk_ms=3000)) as colleague,
        engine_on(lab, company) as (engine, story),
        Caller(lab, Dialling(DID[1:])) as caller,
    ):
        with_caller = await desk.rung()
        await _until(lambda: bool(story.of(facts.LegJoined)))
        with_colleague = await desk.call("102")
        await asyncio.sleep(0.5)  # they speak: until both are in a bridge nobody knows who it is
        assert await desk.transfer(with_caller, with_colleague) == "SIP/2.0 200 OK"
        desk.hang_up(with_caller)
        state = engine.core.dispatcher.agent_state
        await _until(lambda: state(AgentId("anna")) is AgentState.FREE)
        assert state(AgentId("boris")) is AgentState.TALKING
        assert not caller.seen.ended

        # The colleague's end is the end of the talk: the caller goes on as after any talk.
        await colleague.wait_for(lambda call: call.ended)
        await caller.ended(20)
        await _until(lambda: bool(story.of(journal.CallEnded)))

        (ended,) = story.of(journal.CallEnded)
        (first,) = story.of(facts.LegFinished)
        (second,) = story.of(journal.OutsideLegFinished)
        (sent_on,) = story.of(journal.Transferred)
        assert (sent_on.leg_id, sent_on.target) == (first.leg_id, "102")
        assert (first.agent_id, second.agent) == ("anna", "boris")
        assert ended.outcome is Outcome.ANSWERED
        assert 2.0 < second.talk_s < ended.talk_s < first.talk_s + second.talk_s + 0.5
        await _until(lambda: state(AgentId("boris")) is AgentState.FREE)
        await lab.nothing_left()
