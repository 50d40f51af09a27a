"""What callers hear and press while they wait, on a real Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.commands import PlayPrompts
from ivr.events import DigitsPressed
from ivr.nodes import Prompt, ToQueue
from lab.asterisk import AsteriskLab
from lab.engine import engine_on
from lab.sipp import Answer, Caller, Dialling, Load, Manual, NoAnswer, Phone
from pbx.journal import port as journal
from pbx.plan.model import Announcements, Plan, QueueSounds, Spoken
from pbx.switch import port
from routing import facts
from routing.commands import StopRinging
from routing.events import DeviceAnswered, DeviceRinging, Joined, LegEnded
from routing.plan import Agent
from routing.values import CallId, Disposition, LegId, Outcome
from tests.asterisk.adapter import Told, Wire, adapter, collect, sound, until
from tests.world import SALES, Story, agent, plan, sales, tree

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(60)]

DID = "78005553535"
LOUD = 500
"""Mean amplitude of what is no silence, of 32,768."""


def announce(told: Told, call_id: CallId, *sounds: str) -> None:
    prompts = tuple(prompt for name in sounds for prompt in sound(name))
    told.switch.send(port.Announce(call_id, prompts, "en"))


async def recorded(told: Told, lab: AsteriskLab) -> Path:
    """Record what Asterisk will send to the caller who has just come."""
    arrived = await told.wait(port.CallArrived)
    heard = lab.recordings / "heard.sln"
    command = f"EXEC MixMonitor {lab.recordings.asterisk}/both.sln,t({heard.asterisk})"
    channel = told.switch.channels.callers[arrived.call_id].channel
    fields = (("Channel", channel), ("Command", command), ("CommandID", "test"))
    await told.switch.connection.ask("AGI", fields)
    return heard.host


def levels(file: Path) -> list[float]:
    """The mean amplitude of each half second; the file is whole when the call is over."""
    samples = [abs(one) for (one,) in struct.iter_unpack("<h", file.read_bytes())]
    parts = [samples[n : n + 4000] for n in range(0, len(samples), 4000)]
    return [sum(part) / len(part) for part in parts]


async def test_an_announcement_is_heard_while_the_phone_rings_on() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", NoAnswer()) as anna,
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        heard = await recorded(told, lab)
        call_id = await told.held("")
        told.ring(call_id, "anna")
        await told.wait(DeviceRinging)
        announce(told, call_id, "vm-nobodyavail")
        await told.wait(port.AnnouncementOver)

        assert told.switch.channels.callers[call_id].held
        assert not any(call.cancelled or call.ended for call in anna.calls())
        assert not told.of(LegEnded)
        # Once more: the first left nothing in the way.
        announce(told, call_id, "beep")
        await told.wait(port.AnnouncementOver, 2)
        caller.hang_up()
        await told.wait(port.CallerGone)
        told.switch.send(StopRinging(told.of(DeviceRinging)[0].leg_id, Disposition.CANCELLED))
        await lab.nothing_left()
        assert len(told.of(port.AnnouncementOver)) == 2
        # Silence as music sends nothing: all that is there was said.
        await until(lambda: max(levels(heard), default=0.0) > LOUD)
        assert lab.log_errors() == []


async def test_who_answers_in_the_middle_is_joined_at_once_and_the_rest_is_not_said() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Manual()) as anna,
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        told.ring(call_id, "anna")
        await told.wait(DeviceRinging)
        announce(told, call_id, *["vm-nobodyavail"] * 10)
        await until(lambda: bool(told.switch.channels.announcing.settled()))
        await _channels(lab, 4)
        anna.answer()
        await told.wait(Joined)

        assert not told.of(port.AnnouncementOver)
        # Thirty seconds are left to be said: that the halves are gone is our doing.
        await _channels(lab, 2)
        assert not told.switch.channels.announcing.known()
        assert not told.of(port.AddressBusy), "taken for a call of somebody's"
        caller.hang_up()
        await told.wait(LegEnded)
        await lab.nothing_left()


async def test_who_hangs_up_or_is_fetched_in_the_middle_leaves_nothing_behind() -> None:
    async with (
        AsteriskLab() as lab,
        adapter(lab, ["PJSIP/none"]) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        announce(told, call_id, *["vm-nobodyavail"] * 10)
        await _channels(lab, 3)
        told.switch.send(port.ForCaller(call_id, PlayPrompts(sound("beep"), "en")))
        await told.wait(port.CallerDid)
        await _channels(lab, 1)
        told.switch.send(port.Hold(call_id, "default"))
        await until(lambda: told.switch.channels.callers[call_id].held)
        # At once, before Asterisk has made a channel of it.
        announce(told, call_id, *["vm-nobodyavail"] * 10)
        caller.hang_up()
        await told.wait(port.CallerGone)
        await lab.nothing_left()
        assert not told.switch.channels.announcing.known()


async def test_an_announcement_that_cannot_be_made_is_over() -> None:
    async with (
        AsteriskLab() as lab,
        adapter(lab, ["PJSIP/none"]) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        arrived = await told.wait(port.CallArrived)
        announce(told, arrived.call_id, "beep")  # not yet in the bridge
        await told.wait(port.AnnouncementOver)
        call_id = await told.held()
        announce(told, call_id, "no-such-sound")
        await told.wait(port.AnnouncementOver, 2)
        announce(told, call_id, "a,b", "\n", "x" * 1000)
        await told.wait(port.AnnouncementOver, 3)
        announce(told, call_id, "beep")
        announce(told, call_id, "beep")  # one is being said
        await told.wait(port.AnnouncementOver, 5)
        caller.hang_up()
        await lab.nothing_left()


async def test_an_answer_at_any_moment_of_an_announcement_joins_once() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Manual()) as anna,
        adapter(lab) as told,
    ):
        for turn, delay_s in enumerate((0.0, 0.005, 0.01, 0.02, 0.04, 0.1), start=1):
            async with Caller(lab, Dialling(DID)) as caller:
                arrived = await told.wait(port.CallArrived, turn)
                told.switch.send(port.Hold(arrived.call_id, "default"))
                await until(lambda a=arrived: told.switch.channels.callers[a.call_id].held)  # type: ignore[misc]
                told.ring(arrived.call_id, "anna", leg=f"leg-{turn}")
                await told.wait(DeviceRinging, turn)
                anna.answer()
                await asyncio.sleep(delay_s)
                announce(told, arrived.call_id, "vm-nobodyavail", "vm-nobodyavail")
                await told.wait(Joined, turn)
                await told.wait(DeviceAnswered, turn)
                caller.hang_up()
                await told.wait(LegEnded, turn)
                await told.wait(port.CallerGone, turn)
            await lab.nothing_left()


async def test_an_announcement_that_ended_while_the_line_was_broken_is_over() -> None:
    async with (
        AsteriskLab() as lab,
        Wire(lab) as wire,
        adapter(lab, ["PJSIP/none"], ami_port=wire.port) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        announce(told, call_id, "vm-nobodyavail")
        await _channels(lab, 3)
        wire.cut()
        await told.wait(port.SwitchDown)
        await _channels(lab, 1)
        wire.mend()
        await told.wait(port.SwitchUp, 2)

        assert len(told.of(port.AnnouncementOver)) == 1
        announce(told, call_id, "beep")
        await told.wait(port.AnnouncementOver, 2)
        caller.hang_up()
        await told.wait(port.CallerGone)
        await lab.nothing_left()


async def test_one_that_is_said_while_the_line_breaks_is_said_to_its_end() -> None:
    async with (
        AsteriskLab() as lab,
        Wire(lab) as wire,
        adapter(lab, ["PJSIP/none"], ami_port=wire.port) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        announce(told, call_id, *["vm-nobodyavail"] * 3)
        await _channels(lab, 3)
        wire.cut()
        await told.wait(port.SwitchDown)
        wire.mend()
        await told.wait(port.SwitchUp, 2)

        assert await lab.channels() == 3
        assert not told.of(port.AnnouncementOver)
        await told.wait(port.AnnouncementOver, deadline_s=20)
        caller.hang_up()
        await lab.nothing_left()


async def test_an_engine_that_finds_an_announcement_of_one_before_it_ends_it() -> None:
    async with (
        AsteriskLab() as lab,
        Caller(lab, Dialling(DID)) as caller,
    ):
        async with adapter(lab, ["PJSIP/none"]) as first:
            announce(first, await first.held(), *["vm-nobodyavail"] * 10)
            await _channels(lab, 3)
        async with adapter(lab, ["PJSIP/none"]) as told:
            await told.wait(port.CallerFound)
            await _channels(lab, 1)
            assert not told.of(port.AddressBusy)
            caller.hang_up()
            await told.wait(port.CallerGone)
        await lab.nothing_left()


async def test_a_key_takes_the_caller_out_and_what_rings_can_be_stopped() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", NoAnswer()) as anna,
        adapter(lab) as told,
        Caller(lab, Dialling(DID)) as caller,
    ):
        call_id = await told.held()
        told.ring(call_id, "anna")
        await told.wait(DeviceRinging)
        announce(told, call_id, *["vm-nobodyavail"] * 10)
        await _channels(lab, 4)
        await caller.press("1")
        assert await told.wait(port.KeyPressed) == port.KeyPressed(call_id, "1")
        told.switch.send(port.Fetch(call_id))
        await told.wait(port.WaitLeft)
        assert not any(call.cancelled for call in anna.calls()), "rings until it is stopped"
        told.switch.send(StopRinging(told.of(DeviceRinging)[0].leg_id, Disposition.CANCELLED))
        assert (await told.wait(LegEnded)).disposition is Disposition.CANCELLED
        told.switch.send(port.ForCaller(call_id, collect("beep", timeout_s=10)))
        await asyncio.sleep(0.5)
        await caller.press("2")
        assert (await told.wait(port.CallerDid)).event == DigitsPressed("2")

        caller.hang_up()
        await told.wait(port.CallerGone)
        await lab.nothing_left()
        assert len(told.of(port.WaitLeft)) == 1


async def test_of_a_key_and_an_answer_at_the_same_moment_one_wins() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Manual()) as anna,
        adapter(lab) as told,
    ):
        for turn, delay_s in enumerate((0.0, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06), start=1):
            async with Caller(lab, Dialling(DID)) as caller:
                arrived = await told.wait(port.CallArrived, turn)
                call_id = arrived.call_id
                told.switch.send(port.Hold(call_id, "default"))
                await until(lambda c=call_id: told.switch.channels.callers[c].held)  # type: ignore[misc]
                leg_id = told.ring(call_id, "anna", leg=f"leg-{turn}")
                await told.wait(DeviceRinging, turn)
                anna.answer()
                await asyncio.sleep(delay_s)
                told.switch.send(port.Fetch(call_id))

                def decided(call_id: CallId = call_id, leg_id: LegId = leg_id) -> bool:
                    return (port.WaitLeft(call_id) in told.events) + (
                        Joined(leg_id) in told.events
                    ) == 1

                await until(decided)
                if port.WaitLeft(call_id) in told.events:
                    told.switch.send(StopRinging(leg_id, Disposition.CANCELLED))
                    await told.wait(LegEnded, turn)
                else:
                    shown = await lab.cli("core show channels")
                    assert "2 active channels" in shown, "they talk"
                caller.hang_up()
                await told.wait(port.CallerGone, turn)
                await told.wait(LegEnded, turn)
            await lab.nothing_left()
            assert decided(), "both"


# With the engine ---------------------------------------------------------------------------------

OFTEN = Announcements(Spoken(0.3, 5.0), True, True, Spoken(0.0, None))


def telling(team: list[Agent], announcements: Announcements, **more: object) -> Plan:
    """A company whose queue tells, and whose key 1 leaves for voicemail."""
    nodes = tree()
    waits = nodes["to-sales"]
    assert isinstance(waits, ToQueue)
    nodes["to-sales"] = replace(waits, keys={"1": "message"})
    made = plan(team, [sales(*team, **more)], nodes=nodes)  # type: ignore[arg-type]
    return replace(made, queue_sounds={SALES: QueueSounds("default", announcements)})


async def test_a_caller_hears_their_place_and_leaves_for_voicemail_while_a_phone_rings() -> None:
    anna = agent("anna")
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", NoAnswer()) as phone,
        engine_on(lab, telling([anna], OFTEN)) as (engine, story),
        Caller(lab, Dialling(DID)) as caller,
    ):
        await until(lambda: bool(announced(story)))
        assert announced(story) == ["position.1"]
        await phone.wait_for(lambda call: call.ringing_at is not None)
        await asyncio.sleep(0.5)
        await caller.press("1")
        await phone.wait_for(lambda call: call.cancelled)
        await asyncio.sleep(2.5)
        await caller.press("#")
        await until(lambda: bool(story.of(journal.MessageLeft)))
        await caller.ended()
        await until(lambda: bool(story.of(journal.CallEnded)))

        (call,) = story.of(journal.CallEnded)
        assert call.outcome is Outcome.VOICEMAIL
        assert [one[1:] for one in story.legs] == [("anna", "cancelled")]
        assert [one.reason for one in story.of(facts.WaitEnded)] == ["key"]
        assert engine.failures == 0
        await lab.nothing_left()
        assert not story.of(facts.Irregular)
        assert lab.log_errors() == []


async def test_nothing_is_left_of_many_callers_who_are_told_much() -> None:
    team = [agent(name) for name in ("anna", "boris", "vera")]
    company = telling(team, OFTEN, strategy="longest-idle")
    calls = 45
    async with (
        AsteriskLab(phones=[one.agent_id for one in team]) as lab,
        contextlib.AsyncExitStack() as stack,
        engine_on(lab, company, resolve=sentence) as (engine, story),
    ):
        for one in team:
            behaviour = Answer(100, talk_ms=600)
            await stack.enter_async_context(Phone(lab, one.agent_id, behaviour, load=True))
        result = await Load(lab, Dialling(DID, talk_ms=60_000), rate=15, calls=calls).run()
        await until(lambda: len(story.of(journal.CallEnded)) == calls)

        assert result.failed == 0
        assert len(announced(story)) >= calls // 2
        assert {one.outcome for one in story.of(journal.CallEnded)} == {Outcome.ANSWERED}
        assert story.of(journal.EstimateProved)
        assert engine.failures == 0
        assert not story.of(facts.Irregular)
        await lab.nothing_left()
        assert lab.log_errors() == []


def sentence(prompt: Prompt, language: str) -> str:
    """Every sentence lasts about three seconds."""
    return "vm-nobodyavail"


def announced(story: Story) -> list[str]:
    """What was said to whoever waited."""
    return [one.detail for one in story.of(journal.MenuStep) if one.kind == "announcement"]


async def _channels(lab: AsteriskLab, count: int, deadline_s: float = 8.0) -> None:
    """Until Asterisk has so many channels."""
    async with asyncio.timeout(deadline_s):
        while await lab.channels() != count:  # noqa: ASYNC110 (Asterisk is asked: it does not tell)
            await asyncio.sleep(0.05)
