"""The adapter alone on a real Asterisk: each promise of pbx/switch/port.py."""

from __future__ import annotations

import asyncio

import pytest

from ivr import commands as ivr_commands
from ivr import events as ivr_events
from lab.asterisk import AsteriskLab
from lab.sipp import (
    Answer,
    Behaviour,
    Busy,
    Caller,
    Dialling,
    Manual,
    NoAnswer,
    Phone,
    Refuse,
    Reject,
    Silent,
)
from pbx.switch import port
from routing.commands import StopRinging
from routing.events import DeviceAnswered, DeviceRinging, Joined, LegEnded
from routing.values import Disposition
from tests.asterisk.adapter import adapter, collect, sound, until

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(60)]

DID = "78005553535"


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (Busy(), Disposition.BUSY),
        (Refuse(600, "Busy Everywhere"), Disposition.BUSY),
        (Reject(), Disposition.REJECTED),
        (Refuse(480, "Temporarily Unavailable"), Disposition.NO_ANSWER),
        (Refuse(408, "Request Timeout"), Disposition.NO_ANSWER),
        (Refuse(404, "Not Found"), Disposition.FAILED),
        (Refuse(503, "Service Unavailable"), Disposition.FAILED),
        (NoAnswer(), Disposition.NO_ANSWER),
        (Silent(), Disposition.NO_ANSWER),
    ],
    ids=["486", "600", "603", "480", "408", "404", "503", "rings", "silent"],
)
async def test_each_end_of_a_leg_has_its_disposition(
    behaviour: Behaviour, expected: Disposition
) -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", behaviour),
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        leg_id = told.ring(call_id, "anna", ring_time_s=1.5)

        ended = await told.wait(LegEnded)
        assert (ended.leg_id, ended.disposition) == (leg_id, expected), ended
        caller.hang_up()
        await told.wait(port.CallerGone)
        await lab.nothing_left()
        assert len(told.of(LegEnded)) == 1


@pytest.mark.parametrize("address", ["PJSIP/nobody", "PJSIP/x y", "SIP/old"])
async def test_what_cannot_be_rung_ends_failed(address: str) -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        told.ring(call_id, address)

        assert (await told.wait(LegEnded)).disposition is Disposition.FAILED
        caller.hang_up()
        await lab.nothing_left()
        assert len(told.of(LegEnded)) == 1


async def test_of_five_that_pick_up_at_once_one_talks() -> None:
    names = ["anna", "boris", "vera", "gleb", "dina"]
    async with AsteriskLab(phones=names) as lab:
        phones = [Phone(lab, name, Manual()) for name in names]
        for phone in phones:
            await phone.__aenter__()
        async with adapter(lab) as told, Caller(lab, Dialling(DID)) as caller:
            call_id = await told.held()
            for name in names:
                told.ring(call_id, name)
            await told.wait(DeviceRinging, 5)
            for phone in phones:
                phone.answer()
            await told.wait(DeviceAnswered, 5)
            await told.wait(LegEnded, 4)
            await told.wait(Joined)

            lost = {one.leg_id: one.disposition for one in told.of(LegEnded)}
            assert set(lost.values()) == {Disposition.ANSWERED_ELSEWHERE}
            assert told.of(Joined)[0].leg_id not in lost
            caller.hang_up()
            await told.wait(LegEnded, 5)
            assert told.of(LegEnded)[4].disposition is Disposition.ANSWERED
            await told.wait(port.CallerGone)
            await lab.nothing_left()
            assert len(told.of(Joined)) == 1
        for phone in phones:
            await phone.stop()


@pytest.mark.parametrize(
    ("why", "elsewhere"), [(Disposition.ANSWERED_ELSEWHERE, True), (Disposition.CANCELLED, False)]
)
async def test_a_phone_that_is_stopped_sees_why(why: Disposition, elsewhere: bool) -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", NoAnswer()) as anna,
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        leg_id = told.ring(call_id, "anna")
        await told.wait(DeviceRinging)
        told.switch.send(StopRinging(leg_id, why))

        assert (await told.wait(LegEnded)).disposition is why
        seen = await anna.wait_for(lambda call: call.cancelled)
        assert all(one.answered_elsewhere is elsewhere for one in seen)
        caller.hang_up()
        await lab.nothing_left()


async def test_a_leg_stopped_before_it_exists_ends_once() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", NoAnswer()),
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        leg_id = told.ring(call_id, "anna")
        told.switch.send(StopRinging(leg_id, Disposition.CANCELLED))

        assert (await told.wait(LegEnded)).disposition is Disposition.CANCELLED
        caller.hang_up()
        await told.wait(port.CallerGone)
        await lab.nothing_left()
        assert len(told.of(LegEnded)) == 1


async def test_an_agent_who_answers_during_a_prompt_gets_the_caller_after_it() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Answer(100)),
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        arrived = await told.wait(port.CallArrived)
        play = ivr_commands.PlayPrompts(sound("vm-nobodyavail"), "en")
        told.switch.send(port.ForCaller(arrived.call_id, play))
        told.switch.send(port.Hold(arrived.call_id, "default"))
        told.ring(arrived.call_id, "anna")
        await told.wait(Joined)

        kinds = [type(one) for one in told.events]
        assert kinds.index(DeviceAnswered) < kinds.index(port.CallerDid) < kinds.index(Joined)
        caller.hang_up()
        await lab.nothing_left()


async def test_after_the_talk_the_caller_is_asked_and_waits_again() -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(100, talk_ms=600)),
        Phone(lab, "boris", Answer(100)),
        adapter(lab) as told,
        Caller(lab, Dialling(DID, digits=[(3500, "5")])) as caller,
    ):
        call_id = await told.held()
        told.ring(call_id, "anna")
        await told.wait(port.TalkOver)
        told.switch.send(port.ForCaller(call_id, collect("beep", timeout_s=8)))
        did = await told.wait(port.CallerDid)
        assert did.event == ivr_events.DigitsPressed("5")
        told.switch.send(port.Hold(call_id, "ringing"))
        told.ring(call_id, "boris")
        await told.wait(Joined, 2)

        caller.hang_up()
        await told.wait(port.CallerGone)
        await told.wait(LegEnded, 2)
        assert [one.disposition for one in told.of(LegEnded)] == [Disposition.ANSWERED] * 2
        await lab.nothing_left()


async def test_a_caller_who_waits_is_fetched_for_a_question_and_waits_on() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Answer(100)),
        adapter(lab) as told,
        Caller(lab, Dialling(DID, digits=[(1500, "7")])) as caller,
    ):
        call_id = await told.held()
        told.switch.send(port.ForCaller(call_id, collect("vm-nobodyavail", timeout_s=8)))
        assert (await told.wait(port.CallerDid)).event == ivr_events.DigitsPressed("7")
        told.switch.send(port.Hold(call_id, ""))
        told.ring(call_id, "anna")
        await told.wait(Joined)

        assert not told.of(port.TalkOver)
        caller.hang_up()
        await lab.nothing_left()


async def test_sixteen_keys_pressed_fast_all_arrive() -> None:
    digits = "4276123456789012"
    async with (
        AsteriskLab() as lab,
        adapter(lab, ["PJSIP/none"]) as told,
        Caller(lab, Dialling(DID, digits=[(800, digits + "#")])) as caller,
    ):
        arrived = await told.wait(port.CallArrived)
        ask = collect("beep", "beep", max_digits=20, timeout_s=5)
        told.switch.send(port.ForCaller(arrived.call_id, ask))

        did = await told.wait(port.CallerDid, deadline_s=20)
        assert did.event == ivr_events.DigitsPressed(digits, terminated=True)
        caller.hang_up()
        await lab.nothing_left()


@pytest.mark.parametrize("key", ["1", "#", "*", "0"])
async def test_one_key_ends_the_prompt_whichever_it_is(key: str) -> None:
    async with (
        AsteriskLab() as lab,
        adapter(lab, ["PJSIP/none"]) as told,
        Caller(lab, Dialling(DID, digits=[(1000, key)])) as caller,
    ):
        arrived = await told.wait(port.CallArrived)
        ask = collect("vm-nobodyavail", "vm-nobodyavail", timeout_s=10)
        told.switch.send(port.ForCaller(arrived.call_id, ask))

        assert (await told.wait(port.CallerDid)).event == ivr_events.DigitsPressed(key)
        caller.hang_up()


async def test_no_key_is_no_digits_and_a_missing_sound_strands_nobody() -> None:
    async with (
        AsteriskLab() as lab,
        adapter(lab, ["PJSIP/none"]) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        arrived = await told.wait(port.CallArrived)
        for count, sounds in enumerate((("no-such-sound", "beep"), ("no-such-sound",), ()), 1):
            ask = collect(*sounds, max_digits=3, timeout_s=0.5)
            told.switch.send(port.ForCaller(arrived.call_id, ask))
            await told.wait(port.CallerDid, count)

        assert [one.event for one in told.of(port.CallerDid)] == [ivr_events.DigitsPressed("")] * 3
        caller.hang_up()


@pytest.mark.parametrize("waiting", [False, True], ids=["in a prompt", "waiting"])
async def test_a_released_caller_gets_the_dialplans_own_way(waiting: bool) -> None:
    async with (
        AsteriskLab(
            phones=["anna"],
            extra={"extensions_site.conf": "[globals](+)\nVORONKA_ALONE = PJSIP/anna\n"},
        ) as lab,
        Phone(lab, "anna", Answer(100)) as anna,
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        if waiting:
            call_id = await told.held()
        else:
            call_id = (await told.wait(port.CallArrived)).call_id
            play = ivr_commands.PlayPrompts(sound("beep"), "en")
            told.switch.send(port.ForCaller(call_id, play))
        before = len(told.of(port.CallerDid))
        told.switch.send(port.Release(call_id))
        await anna.wait_for(lambda call: call.answered)
        told.switch.channels.renew_limits()

        await until(lambda: len(told.of(port.AddressBusy)) == 1)
        limit = await lab.cli("core show channels verbose")
        assert "voronka-alone" in limit, limit
        caller.hang_up()
        await told.wait(port.CallerGone)
        await told.wait(port.AddressIdle)
        assert len(told.of(port.CallerDid)) == before
        await lab.nothing_left()


async def test_a_message_is_recorded_and_measured() -> None:
    async with (
        AsteriskLab() as lab,
        adapter(lab, ["PJSIP/none"]) as told,
        Caller(lab, Dialling(DID, digits=[(2500, "#")])) as caller,
    ):
        arrived = await told.wait(port.CallArrived)
        record = ivr_commands.RecordMessage("../sales", 30.0, 5.0)
        told.switch.send(port.ForCaller(arrived.call_id, record))

        event = (await told.wait(port.CallerDid)).event
        assert isinstance(event, ivr_events.MessageRecorded)
        assert event.length_s > 0.5
        assert "/.." not in event.path.removeprefix(str(lab.recordings.host))
        caller.hang_up()
        await lab.nothing_left()


async def test_a_short_talk_after_renewal_is_not_cut() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Answer(100)),
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        channels = told.switch.channels
        channel = channels.callers[call_id].channel
        told.ring(call_id, "anna")
        # Just when the dialplan lifts the limit, before we hear of the talk: the glare.
        await told.wait(DeviceAnswered)
        channels.renew_limits()
        await told.wait(Joined)
        channels.renew_limits()
        await asyncio.wait_for(told.switch.connection.ask("Ping"), 5)

        shown = await lab.cli(f"core show channel {channel}")
        assert "Hang up at: 0" in shown or "Timeout absolute" not in shown, shown
        caller.hang_up()
        await lab.nothing_left()


@pytest.mark.parametrize(
    ("sender", "number", "name"),
    [
        ('"Ivan <x>" <sip:+79161234567@h>', "+79161234567", "Ivan <x>"),
        ('"<sip:+7000@h>;tag=1" <sip:+79161234567@h>', "+79161234567", "<sip:+7000@h>;tag=1"),
        (r'"a\"> <b\\" <sip:+79161234567@h>;x="<y>"', "+79161234567", 'a"> <b'),
        (f'"{"<" * 90}" <sip:+79161234567@h>', "+79161234567", "<" * 90),
        ("Мария <sip:+79161234567;isub=5@h;user=phone>", "+79161234567", "Мария"),
        ('"О\'Hara?, ${EXTEN} & co" <sip:105@h>', "105", "О'Hara?, ${EXTEN} & co"),
        ("<sip:+79161234567@h>", "+79161234567", ""),
        ("sip:+79161234567@h", "+79161234567", ""),
        ("<sip:anonymous@anonymous.invalid>", "", ""),
        ("<sip:10.0.0.1>", "", ""),
        ("<sip:+7916&PJSIP,x@h>", "+7916", ""),
    ],
)
async def test_a_callers_number_is_read_whatever_the_name_holds(
    sender: str, number: str, name: str
) -> None:
    async with (
        AsteriskLab() as lab,
        adapter(lab, ["PJSIP/none"]) as told,
        Caller(lab, Dialling(DID, from_header=sender)) as caller,
    ):
        arrived = await told.wait(port.CallArrived)
        assert (arrived.number, arrived.name) == (number, name)
        caller.hang_up()
        await told.wait(port.CallerGone)
        await lab.nothing_left()
