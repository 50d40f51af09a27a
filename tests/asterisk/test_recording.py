"""Talks recorded on a real Asterisk: both sides, from the first word, whatever the disk does."""

from __future__ import annotations

import asyncio
import wave
from array import array
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from lab.asterisk import AsteriskLab
from lab.engine import engine_on
from lab.sipp import Answer, Caller, Dialling, Phone
from pbx.journal import port as journal
from pbx.plan.model import Plan, Recording
from pbx.recordings.names import file_of, recording_name
from routing import facts
from routing.values import LegId
from tests.world import DID, SALES, Story, agent, plan, sales, words

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(90)]

RATE = 8000
CALLER_HZ, ANNA_HZ, BORIS_HZ = 200, 500, 800
LOUD = 1000
ALL = Recording(share=100, notice=(), keep_s=86_400.0, pause_code="*7")


def recorded(rule: Recording = ALL) -> Plan:
    """Anna, then Boris; the queue's talks are recorded."""
    anna, boris = agent("anna"), agent("boris")
    company = plan([anna, boris], [sales(anna, boris, strategy="linear")])
    return replace(company, queue_records={SALES: rule})


async def until(holds: Callable[[], bool], deadline_s: float = 20.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not holds():  # noqa: ASYNC110 (state of the engine: there is nothing to await)
            await asyncio.sleep(0.02)


def sides(path: Path) -> tuple[array[int], array[int]]:
    """What the manager said, and what they heard."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        samples = array("h", file.readframes(file.getnframes()))
    return samples[0::2], samples[1::2]


def pitch(samples: array[int]) -> float:
    """Hz of a tone."""
    crossings = sum((before < 0) != (after < 0) for before, after in pairwise(samples))
    return crossings / 2 / (len(samples) / RATE)


def silent_s(samples: array[int]) -> float:
    """How much of it is silence, in pieces of 20 ms."""
    pieces = [samples[at : at + 160] for at in range(0, len(samples), 160)]
    return sum(max(map(abs, piece)) < LOUD for piece in pieces) * 0.02


def talk_s(story: Story) -> float:
    """Of the last talk."""
    return story.of(facts.LegFinished)[-1].talk_s


def held_times(story: Story, times: int) -> Callable[[], bool]:
    return lambda: len(story.of(journal.RecordingHeld)) == times


async def test_both_sides_are_recorded_apart_from_the_first_word_on() -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(300, talk_ms=3000), tone_hz=ANNA_HZ),
        engine_on(lab, recorded()) as (_, story),
    ):
        await Caller(lab, Dialling(DID[1:], tone_hz=CALLER_HZ)).run(30)
        await until(lambda: bool(story.of(journal.RecordingKept)))

        (started,), (kept,) = story.of(journal.RecordingStarted), story.of(journal.RecordingKept)
        assert (started.leg_id, started.path) == (kept.leg_id, kept.path)
        manager, caller = sides(file_of(lab.talks.host, kept.path))
        assert len(manager) == len(caller) == round(kept.length_s * RATE)
        assert pitch(manager) == pytest.approx(ANNA_HZ, rel=0.05)
        assert pitch(caller) == pytest.approx(CALLER_HZ, rel=0.05)
        # A few packets of the caller's are on their way when the phone is joined with them.
        assert silent_s(manager) <= 0.1
        assert silent_s(caller) <= 0.25
        assert kept.length_s == pytest.approx(talk_s(story), abs=0.5)
        assert list((lab.talks.host / "incoming").iterdir()) == []
        assert lab.log_errors() == []


async def test_a_transferred_caller_has_a_recording_of_each_talk() -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(300, 2000, "102"), tone_hz=ANNA_HZ),
        Phone(lab, "boris", Answer(300, talk_ms=2000), tone_hz=BORIS_HZ),
        engine_on(lab, recorded()) as (_, story),
    ):
        await Caller(lab, Dialling(DID[1:], tone_hz=CALLER_HZ)).run(30)
        await until(lambda: len(story.of(journal.RecordingKept)) == 2)

        found = [
            sides(file_of(lab.talks.host, one.path)) for one in story.of(journal.RecordingKept)
        ]
        pitches = sorted(round(pitch(manager), -2) for manager, _ in found)
        assert pitches == [ANNA_HZ, BORIS_HZ]
        assert all(pitch(caller) == pytest.approx(CALLER_HZ, rel=0.05) for _, caller in found)


async def test_nobody_is_on_the_recording_while_the_manager_has_paused_it() -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(300), tone_hz=ANNA_HZ) as anna,
        engine_on(lab, recorded()) as (_, story),
        Caller(lab, Dialling(DID[1:], tone_hz=CALLER_HZ)) as caller,
    ):
        await until(lambda: bool(story.of(journal.RecordingStarted)))
        for times in (1, 2):
            await asyncio.sleep(1)
            for key in "*7":
                await anna.press(key)
                await asyncio.sleep(0.2)
            await until(held_times(story, times))
        await asyncio.sleep(1)
        caller.hang_up()
        await until(lambda: bool(story.of(journal.RecordingKept)))

        assert [one.paused for one in story.of(journal.RecordingHeld)] == [True, False]
        held = [one.at for one in story.entries if isinstance(one.entry, journal.RecordingHeld)]
        paused_s = (held[1] - held[0]).total_seconds()
        (kept,) = story.of(journal.RecordingKept)
        manager, heard = sides(file_of(lab.talks.host, kept.path))
        assert silent_s(heard) == pytest.approx(paused_s, abs=0.2)
        # A phone that sends a key sends no sound.
        assert paused_s - 0.2 < silent_s(manager) < paused_s + 1.2
        assert kept.length_s == pytest.approx(talk_s(story), abs=0.5)


async def test_the_notice_comes_before_any_phone_rings() -> None:
    rule = replace(ALL, notice=words("this call is recorded"))
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(300, talk_ms=500)) as anna,
        engine_on(lab, recorded(rule), resolve=lambda prompt, language: "vm-goodbye") as (_, story),
    ):
        seen = await Caller(lab, Dialling(DID[1:])).run(30)

        assert seen.answered_at is not None
        rang_at = anna.calls()[0].invite_at
        assert rang_at is not None
        assert rang_at - seen.answered_at > 0.5  # vm-goodbye takes 0.9 s
        assert story.of(facts.LegFinished)[-1].talk_s > 0


async def test_a_recording_goes_on_without_the_engine_and_the_next_one_keeps_it() -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(300), tone_hz=ANNA_HZ),
        Caller(lab, Dialling(DID[1:], tone_hz=CALLER_HZ)) as caller,
    ):
        async with engine_on(lab, recorded(), id_prefix="a") as (_, story):
            await until(lambda: bool(story.of(journal.RecordingStarted)))
        await asyncio.sleep(2)
        caller.hang_up()
        await caller.ended(10)
        async with engine_on(lab, recorded(), id_prefix="b") as (_, later):
            await until(lambda: bool(later.of(journal.RecordingKept)), 30)

        (started,), (kept,) = story.of(journal.RecordingStarted), later.of(journal.RecordingKept)
        assert (kept.leg_id, kept.path) == (started.leg_id, started.path)
        assert kept.length_s > 2
        manager, heard = sides(file_of(lab.talks.host, kept.path))
        assert pitch(manager) == pytest.approx(ANNA_HZ, rel=0.05)
        assert pitch(heard) == pytest.approx(CALLER_HZ, rel=0.05)


async def test_a_talk_in_progress_is_left_to_itself_when_an_engine_starts() -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(300), tone_hz=ANNA_HZ),
        Caller(lab, Dialling(DID[1:], tone_hz=CALLER_HZ)) as caller,
    ):
        async with engine_on(lab, recorded(), id_prefix="a") as (_, story):
            await until(lambda: bool(story.of(journal.RecordingStarted)))
        async with engine_on(lab, recorded(), id_prefix="b") as (_, later):
            await asyncio.sleep(2)
            assert later.of(journal.RecordingKept) == []
            caller.hang_up()
            await until(lambda: bool(later.of(journal.RecordingKept)), 30)
            assert later.of(journal.RecordingKept)[0].length_s > 2


@pytest.mark.parametrize("fault", ["no folder", "not writable", "disk full", "no module"])
async def test_a_talk_goes_on_when_it_cannot_be_recorded(fault: str) -> None:
    modules = {"modules_site.conf": "noload = app_mixmonitor.so\n"} if fault == "no module" else {}
    async with (
        AsteriskLab(phones=["anna", "boris"], extra=modules) as lab,
        Phone(lab, "anna", Answer(300, talk_ms=1500)),
        engine_on(lab, recorded()) as (_, story),
    ):
        incoming = lab.talks.host / "incoming"
        match fault:
            case "no folder":
                incoming.rmdir()
                lab.talks.host.chmod(0o500)
            case "not writable":
                incoming.rmdir()
                incoming.write_text("a file where the folder should be")
            case "disk full":
                name = recording_name(datetime.now(UTC), LegId("tl1"))
                (incoming / f"{name}.raw").symlink_to("/dev/full")
        seen = await Caller(lab, Dialling(DID[1:])).run(30)
        await until(lambda: bool(story.of(journal.RecordingFailed)))

        assert seen.talk_ms is not None
        assert seen.talk_ms > 1500
        assert talk_s(story) == pytest.approx(1.5, abs=0.3)
        assert len(story.of(journal.CallEnded)) == 1
        assert story.of(journal.RecordingKept) == []
