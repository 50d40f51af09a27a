"""The engine is killed, comes back or stays away: who is served, and what the log says then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Manual, NoAnswer, Phone
from tests.asterisk.running import DID, QUEUE, logged, story_of

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]


async def test_killed_while_callers_wait_and_choose(plan: Path, tmp_path: Path) -> None:
    first_digit = [(500, "1")]
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
        Caller(lab, Dialling(DID, from_number="+79160000001", digits=first_digit)) as first,
    ):
        await first.answered()
        await asyncio.sleep(1.0)
        async with (
            Caller(lab, Dialling(QUEUE, from_number="+79160000002")) as second,
            Caller(lab, Dialling(DID, from_number="+79160000003")) as choosing,
        ):
            await second.answered()
            await choosing.answered()
            await asyncio.sleep(1.0)  # the log is written
            await pbx.kill()
            # Comes while nobody leads, and waits with the others.
            async with Caller(lab, Dialling(QUEUE, from_number="+79160000004")) as late:
                await pbx.start()
                await asyncio.sleep(0.5)
                assert not any(one.seen.ended for one in (first, second, choosing, late))
                # In their old order, without their menu; who chose begins it anew.
                async with Phone(lab, "anna", Answer(50, talk_ms=300)) as anna:
                    for one in (first, second, late):
                        await one.ended(20)
                    await choosing.press("1")
                    await choosing.ended(20)
                    served = [call.from_user for call in anna.calls() if call.answered]
        assert served == ["+79160000001", "+79160000002", "+79160000004", "+79160000003"]
        calls = await logged(pbx, lambda calls: all(one.outcome for one in calls))
        assert [one.outcome for one in calls] == ["answered"] * 4
        assert all(one.reconstructed for one in calls)
        waits = {one.number: one.wait_s or 0.0 for one in calls}
        # The old waiting time counts, the engine's absence too.
        assert waits["+79160000001"] > waits["+79160000002"] > waits["+79160000004"] > 0.5
        assert waits["+79160000001"] > 2.5


async def test_killed_while_it_rings_and_answered_without_an_engine(
    plan: Path, tmp_path: Path
) -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Manual()) as anna,
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
        Caller(lab, Dialling(QUEUE)) as caller,
    ):
        await anna.wait_for(lambda call: call.ringing_at is not None)
        await asyncio.sleep(1.0)  # the log is written
        await pbx.kill()
        anna.answer()
        await anna.wait_for(lambda call: call.answered)
        await asyncio.sleep(12)  # longer than the caller's limit
        assert not caller.seen.ended
        await pbx.start()
        await asyncio.sleep(1)
        caller.hang_up()
        await caller.ended()
        await lab.nothing_left()
        (call,) = await logged(pbx, lambda calls: (calls[0].talk_s or 0) > 11)
        assert (call.outcome, call.agent, call.reconstructed) == ("answered", "anna", True)
        device = next(leg for leg in story_of(pbx, call.call_id).legs if leg.kind == "device")
        assert device.disposition == "answered"
        assert (device.talk_s or 0) > 11


async def test_killed_in_a_talk_that_ends_before_it_is_back(plan: Path, tmp_path: Path) -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(50)),
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
        Caller(lab, Dialling(QUEUE)) as caller,
    ):
        await caller.answered()
        await asyncio.sleep(1.5)
        await pbx.kill()
        await asyncio.sleep(2)
        assert not caller.seen.ended
        caller.hang_up()
        await lab.nothing_left()
        await pbx.start()
        (call,) = await logged(pbx, lambda calls: (calls[0].talk_s or 0) > 2.5)
        assert (call.outcome, call.reconstructed) == ("answered", True)
        assert call.talk_s is not None
        assert call.talk_s < 5


async def test_absent_and_staying_so(plan: Path, tmp_path: Path) -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "boris", Answer(300)) as boris,
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
        Caller(lab, Dialling(QUEUE, from_number="+79160000001")) as waiting,
    ):
        await waiting.answered()
        await pbx.kill()
        killed = asyncio.get_running_loop().time()
        # Who waits is served within 10 s, by the group that the plan names.
        await boris.wait_for(lambda call: call.answered, deadline_s=15)
        assert asyncio.get_running_loop().time() - killed < 12
        waiting.hang_up()
        await waiting.ended()
        # A new caller at once.
        async with Caller(lab, Dialling(DID, from_number="+79160000002")) as new:
            await boris.wait_for(lambda call: call.answered, count=2, deadline_s=3)
            new.hang_up()
            await new.ended()
        await lab.nothing_left(40)  # Asterisk still tries to reach a phone that is not there
        await boris.stop()
        # The group does not answer: a message.
        async with (
            Phone(lab, "boris", NoAnswer()),
            Caller(lab, Dialling(DID, from_number="+79160000003")) as talker,
        ):
            await talker.answered(15)
            await asyncio.sleep(12)  # the words before the beep take 6 s
            talker.hang_up()
            await talker.ended()
        await lab.nothing_left()
        await pbx.start()
        calls = await logged(
            pbx, lambda calls: len(calls) == 3 and all(one.cause for one in calls), 60
        )
        told = {one.number: (one.outcome, one.reconstructed) for one in calls}
        assert told == {
            "+79160000001": ("answered", True),
            "+79160000002": ("answered", True),
            "+79160000003": ("voicemail", True),
        }
