"""The engine goes away and comes back, or only its line to Asterisk does."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest

from ivr import commands as ivr_commands
from ivr import events as ivr_events
from lab.asterisk import AsteriskLab
from lab.sipp import Answer, Caller, Dialling, Manual, NoAnswer, Phone
from pbx.switch import port
from routing.events import DeviceRinging, Joined, LegEnded
from routing.values import CallId, Disposition
from tests.asterisk.adapter import Told, Wire, adapter, collect, sound, until

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(60)]

DID = "78005553535"


def _alone(limit_s: int) -> dict[str, str]:
    text = f"[globals](+)\nVORONKA_ALONE = PJSIP/anna\nVORONKA_LIMIT = {limit_s}\n"
    return {"extensions_site.conf": text}


async def _down_and_up(told: Told, wire: Wire) -> None:
    ups = len(told.of(port.SwitchUp))
    wire.mend()
    await told.wait(port.SwitchUp, ups + 1)


async def test_what_happened_while_the_line_was_broken_is_told() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Manual()) as anna,
        Wire(lab) as wire,
        adapter(lab, ami_port=wire.port) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        leg_id = told.ring(call_id, "anna")
        await told.wait(DeviceRinging)
        wire.cut()
        await told.wait(port.SwitchDown)
        anna.answer()
        await anna.wait_for(lambda call: call.answered)
        await _bridged(lab)
        assert not told.of(Joined)

        await _down_and_up(told, wire)
        assert [one.leg_id for one in told.of(Joined)] == [leg_id]
        assert not told.of(LegEnded)
        caller.hang_up()
        assert (await told.wait(LegEnded)).disposition is Disposition.ANSWERED
        await told.wait(port.CallerGone)
        await lab.nothing_left()
        assert len(told.of(Joined)) == 1


async def test_the_end_of_a_talk_while_the_line_was_broken_is_told() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Answer(100)) as anna,
        Wire(lab) as wire,
        adapter(lab, ami_port=wire.port) as told,
        Caller(lab, Dialling(DID, digits=[(6000, "3")])) as caller,
    ):
        call_id = await told.held()
        told.ring(call_id, "anna")
        await told.wait(Joined)
        wire.cut()
        await told.wait(port.SwitchDown)
        anna.hang_up()
        await anna.wait_for(lambda call: call.ended)
        await _channels(lab, 1)

        await _down_and_up(told, wire)
        assert [one.disposition for one in told.of(LegEnded)] == [Disposition.ANSWERED]
        assert len(told.of(port.TalkOver)) == 1
        told.switch.send(port.ForCaller(call_id, collect("beep", timeout_s=10)))
        assert (await told.wait(port.CallerDid)).event == ivr_events.DigitsPressed("3")
        caller.hang_up()
        await told.wait(port.CallerGone)
        await lab.nothing_left()


async def test_who_went_while_the_line_was_broken_is_told_gone_once() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", NoAnswer()),
        Wire(lab) as wire,
        adapter(lab, ami_port=wire.port) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        told.ring(call_id, "anna", ring_time_s=2)
        await told.wait(DeviceRinging)
        wire.cut()
        await told.wait(port.SwitchDown)
        caller.hang_up()
        await lab.nothing_left()

        await _down_and_up(told, wire)
        assert [one.call_id for one in told.of(port.CallerGone)] == [call_id]
        assert len(told.of(LegEnded)) == 1
        assert isinstance(told.events[-1], port.SwitchUp)


async def test_a_question_whose_answer_was_lost_is_asked_again() -> None:
    async with (
        AsteriskLab() as lab,
        Wire(lab) as wire,
        adapter(lab, ["PJSIP/none"], ami_port=wire.port) as told,
        Caller(lab, Dialling(DID, digits=[(1500, "1"), (12000, "2")])) as caller,
    ):
        arrived = await told.wait(port.CallArrived)
        ask = collect("beep", max_digits=1, timeout_s=10)
        told.switch.send(port.ForCaller(arrived.call_id, ask))
        await caller.answered()
        wire.cut()
        await told.wait(port.SwitchDown)
        await _past(lab, 3)  # the 1 is pressed, and Asterisk's answer reached nobody

        await _down_and_up(told, wire)
        did = await told.wait(port.CallerDid, deadline_s=20)
        assert did.event == ivr_events.DigitsPressed("2")
        caller.hang_up()
        await told.wait(port.CallerGone)
        assert len(told.of(port.CallerDid)) == 1


async def test_a_ring_asked_for_on_a_broken_line_ends_and_rings_nobody() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", NoAnswer()) as anna,
        Wire(lab) as wire,
        adapter(lab, ami_port=wire.port) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        wire.cut()
        await told.wait(port.SwitchDown)
        told.ring(call_id, "anna")

        assert (await told.wait(LegEnded)).disposition is Disposition.FAILED
        await _down_and_up(told, wire)
        assert not anna.calls()
        caller.hang_up()
        await told.wait(port.CallerGone)
        assert len(told.of(LegEnded)) == 1


async def test_a_new_engine_finds_callers_and_goes_on_with_them() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Answer(100)),
        Caller(lab, Dialling(DID, digits=[(6000, "4")], from_name="Мария")) as in_menu,
        Caller(lab, Dialling(DID, from_number="+79160000002")) as waiting,
    ):
        async with adapter(lab) as before:
            await before.wait(port.CallArrived, 2)
            first, second = before.of(port.CallArrived)
            if first.number.endswith("02"):
                first, second = second, first
            ask = collect("beep", timeout_s=2)
            before.switch.send(port.ForCaller(first.call_id, ask))
            before.switch.send(port.Hold(second.call_id, "default"))
            await until(lambda: before.switch.channels.callers[second.call_id].held)
        async with adapter(lab) as told:
            await told.wait(port.SwitchUp)
            found = {one.call_id: one for one in told.of(port.CallerFound)}
            assert found.keys() == {first.call_id, second.call_id}
            assert found[first.call_id].name == "Мария"
            assert found[second.call_id].number == "+79160000002"
            assert {one.dialled for one in found.values()} == {DID}

            told.switch.send(port.ForCaller(first.call_id, collect("beep", timeout_s=9)))
            play = ivr_commands.PlayPrompts(sound("beep"), "en")
            told.switch.send(port.ForCaller(second.call_id, play))
            told.switch.send(port.Hold(second.call_id, "default"))
            told.ring(second.call_id, "anna")
            await told.wait(Joined)
            await told.wait(port.CallerDid, 2)
            assert {one.call_id: one.event for one in told.of(port.CallerDid)} == {
                first.call_id: ivr_events.DigitsPressed("4"),
                second.call_id: ivr_events.PlayFinished(),
            }
            in_menu.hang_up()
            waiting.hang_up()
            await told.wait(port.CallerGone, 2)
            await lab.nothing_left()


async def test_a_talk_goes_on_when_the_engine_is_gone_and_past_the_limit() -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"], extra=_alone(2)) as lab,
        Phone(lab, "anna", Manual()) as anna,
        Phone(lab, "boris", Manual()) as boris,
        Caller(lab, Dialling(DID)) as caller,
    ):
        async with adapter(lab) as before:
            call_id = await before.held()
            before.ring(call_id, "anna")
            before.ring(call_id, "boris")
            await before.wait(DeviceRinging, 2)
        # Nobody leads any more: one is picked up, the caller's limit passes.
        anna.answer()
        await _bridged(lab)
        await _past(lab, 4)
        assert not caller.seen.ended
        async with adapter(lab) as told:
            await told.wait(port.SwitchUp)
            (talk,) = told.of(port.TalkFound)
            assert (talk.call_id, talk.leg_id, talk.address) == (call_id, "leg-anna", "PJSIP/anna")
            assert not told.of(port.CallerFound)
            # The phone that still rang for the engine before us is silent.
            await boris.wait_for(lambda call: call.cancelled)
            told.switch.channels.renew_limits()
            anna.hang_up()
            assert (await told.wait(LegEnded)).disposition is Disposition.ANSWERED
            await told.wait(port.TalkOver)
            # The caller is led again.
            told.switch.send(port.ForCaller(call_id, collect("beep", timeout_s=1)))
            await told.wait(port.CallerDid)
            told.switch.send(port.ForCaller(call_id, ivr_commands.HangUpCaller(None)))
            await told.wait(port.CallerGone)
            await caller.ended()
            await lab.nothing_left()
            assert not told.of(port.AddressBusy)


@pytest.mark.parametrize("waits", [False, True], ids=["in a menu", "waiting"])
async def test_callers_of_a_dead_engine_are_served_by_the_dialplan(waits: bool) -> None:
    async with (
        AsteriskLab(phones=["anna"], extra=_alone(2)) as lab,
        Phone(lab, "anna", Answer(100)) as anna,
        Caller(lab, Dialling(DID)) as caller,
    ):
        async with adapter(lab) as told:
            if waits:
                await told.held()
            else:
                arrived = await told.wait(port.CallArrived)
                told.switch.send(port.ForCaller(arrived.call_id, collect("beep", timeout_s=60)))
                await caller.answered()
        await anna.wait_for(lambda call: call.answered)
        await _past(lab, 3)
        assert not caller.seen.ended
        caller.hang_up()
        await lab.nothing_left()


async def test_a_call_without_any_engine_is_served_by_the_dialplan() -> None:
    async with (
        AsteriskLab(phones=["anna"], extra=_alone(1)) as lab,
        Phone(lab, "anna", Answer(100)) as anna,
        Caller(lab, Dialling(DID)) as caller,
    ):
        await anna.wait_for(lambda call: call.answered)
        await caller.answered()
        caller.hang_up()
        await lab.nothing_left()


async def test_the_house_keeping_forgets_what_is_gone_and_nothing_else() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", NoAnswer()),
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        told.ring(call_id, "anna")
        await told.wait(DeviceRinging)  # looks in a row: one on its way is no ghost
        channels = told.switch.channels
        ghost = CallId("1.1")
        channels.callers[ghost] = type(channels.callers[call_id])(ghost, "PJSIP/trunk-ffff")

        keeping = told.switch.housekeeping
        for _ in range(3):
            await keeping.look()
        assert (keeping.forgotten, keeping.repaired) == (1, 0)
        assert [one.call_id for one in told.of(port.CallerGone)] == [ghost]
        assert not told.of(LegEnded)
        caller.hang_up()
        await told.wait(port.CallerGone, 2)


async def test_of_two_engines_one_leads_and_the_other_takes_over() -> None:
    async with (
        AsteriskLab() as lab,
        Wire(lab) as wire,
        adapter(lab, ["PJSIP/none"], ami_port=wire.port, me="first") as first,
        contextlib.AsyncExitStack() as stack,
    ):
        second = asyncio.create_task(
            stack.enter_async_context(adapter(lab, ["PJSIP/none"], me="second"))
        )
        async with Caller(lab, Dialling(DID)) as caller:
            call_id = await first.held()
            await asyncio.sleep(4)  # longer than a lease lasts
            assert not second.done()
            wire.cut()
            told = await asyncio.wait_for(second, 5)
            (found,) = told.of(port.CallerFound)
            assert found.call_id == call_id
            # The first comes back, sees who leads, and lets go for good.
            wire.mend()
            await asyncio.wait_for(first.switch.connection.deposed(), 10)
            caller.hang_up()
            await told.wait(port.CallerGone)


async def test_an_engine_that_ends_hands_the_lead_over_at_once() -> None:
    async with AsteriskLab() as lab:
        for me in ("first", "second", "third"):
            async with asyncio.timeout(1.5), adapter(lab, ["PJSIP/none"], me=me) as told:
                await told.wait(port.SwitchUp)
        await lab.nothing_left()


async def _shown(lab: AsteriskLab) -> list[list[str]]:
    text = await lab.cli("core show channels concise")
    return [line.split("!") for line in text.splitlines() if line]


async def _bridged(lab: AsteriskLab) -> None:
    """Waits until somebody is in a bridge of two."""
    while not re.search(r" 2 basic ", await lab.cli("bridge show all")):  # the CLI takes its time
        pass


async def _channels(lab: AsteriskLab, count: int) -> None:
    while await lab.channels() != count:
        pass


async def _past(lab: AsteriskLab, seconds: int) -> None:
    """Waits until every channel is older than so many seconds, by Asterisk's own clock."""
    while any(int(row[11]) <= seconds for row in await _shown(lab)):
        pass
