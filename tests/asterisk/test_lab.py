"""The lab itself: what the other tests of the real switch stand on."""

from __future__ import annotations

import asyncio
import re
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lab import ports
from lab.asterisk import AsteriskLab
from lab.sipp import (
    Answer,
    Busy,
    Caller,
    Dialling,
    Load,
    Manual,
    NoAnswer,
    Phone,
    Reject,
    TrunkPhones,
    in_turn,
)

pytestmark = pytest.mark.asterisk

DIALPLAN = """
[lab-steps]
exten => read,1,Answer()
 same => n,Read(DIGITS,silence/1,2,,1,5)
 same => n,Log(NOTICE,lab digits=${DIGITS} from=${PJSIP_HEADER(read,From)})
 same => n,Hangup()

[voronka-trunk](+)
exten => 9100,1,Goto(lab-steps,read,1)
exten => 9200,1,Dial(PJSIP/anna,20)
 same => n,Hangup()
exten => 9201,1,Dial(PJSIP/boris,20)
 same => n,Hangup()
exten => 9202,1,Dial(PJSIP/+79161112233@trunk,20)
 same => n,Hangup()
exten => 9300,1,Answer()
 same => n,Echo()

[voronka-phones](+)
exten => 9400,1,Answer()
 same => n,Wait(30)
"""


@pytest.fixture
async def lab() -> AsyncIterator[AsteriskLab]:
    async with AsteriskLab(phones=["anna", "boris"], dialplan=DIALPLAN) as running:
        yield running
        await running.nothing_left()
        assert running.log_errors() == []


def heard(lab: AsteriskLab) -> list[tuple[str, str]]:
    log = (lab.folder.host / "log/messages.log").read_text()
    return re.findall(r"lab digits=(\S*) from=(.*)", log)


async def test_starts_with_a_log_free_of_errors_and_leaves_nothing_on_the_disk() -> None:
    async with AsteriskLab() as lab:
        folder = lab.folder.host
        assert lab.log_errors() == []
        assert await lab.channels() == 0
        assert await lab.bridges() == 0
        assert "Asterisk 22." in await lab.cli("core show version")
        assert lab.cpu_s() > 0
    assert not folder.exists()


async def test_two_labs_stand_side_by_side() -> None:
    async with AsteriskLab() as one, AsteriskLab() as other:
        assert one.ami_port != other.ami_port
        assert one.sip_port != other.sip_port
        assert await one.channels() == await other.channels() == 0


async def test_a_killed_asterisk_comes_back_on_the_same_ports() -> None:
    async with AsteriskLab() as lab:
        before = lab.pid
        await lab.kill()
        await lab.restart()
        assert lab.pid != before
        assert await lab.channels() == 0


async def test_modules_that_run_programs_are_not_loaded(lab: AsteriskLab) -> None:
    modules = await lab.cli("module show")
    for name in (
        "app_system",
        "func_shell",
        "func_env",
        "app_externalivr",
        "app_originate",
        "app_exec",
        "func_curl",
    ):
        assert name not in modules


async def test_pressed_digits_and_a_cyrillic_name_arrive_intact(lab: AsteriskLab) -> None:
    caller = Caller(lab, Dialling("9100", from_name="Мария Щукина", digits=[(500, "4*")]))
    seen = await caller.run(20)
    assert seen.status == 200
    assert seen.hung_up_by == "them"
    [(digits, sender)] = heard(lab)
    assert digits == "4*"
    assert sender.startswith('"Мария Щукина" <sip:+79161234567@')


async def test_keys_pressed_by_command_are_heard(lab: AsteriskLab) -> None:
    async with Caller(lab, Dialling("9100")) as caller:
        await caller.answered()
        caller.press("7")
        await asyncio.sleep(0.4)  # a human's pace: a key is held for 100 ms
        caller.press("8")
        await caller.ended(20)
    assert [digits for digits, _ in heard(lab)] == ["78"]


async def test_phones_behave_call_by_call(lab: AsteriskLab) -> None:
    plan = in_turn(Answer(200), Busy(), Reject(100), NoAnswer(), Answer(50, talk_ms=300))
    async with Phone(lab, "anna", plan) as anna:
        results = [
            await Caller(lab, Dialling("9200", talk_ms=1500, cancel_ms=700)).run(20)
            for _ in range(5)
        ]
        calls = await anna.wait_for(lambda call: call.ended, count=5)
    assert [seen.status for seen in results] == [200, 486, 403, 487, 200]
    assert [call.status for call in calls] == [200, 486, 603, 487, 200]
    assert [call.hung_up_by for call in calls] == ["them", "", "", "them", "us"]
    assert calls[0].ring_ms == pytest.approx(200, abs=40)
    assert results[0].talk_ms == pytest.approx(1500, abs=60)


async def test_a_caller_hangs_up_at_any_stage(lab: AsteriskLab) -> None:
    async with Phone(lab, "anna", Manual()) as anna:
        async with Caller(lab, Dialling("9200")) as caller:
            await anna.wait_for(lambda call: call.ringing_at is not None)
            caller.hang_up()
            assert (await caller.ended()).status == 487
        await anna.wait_for(lambda call: call.cancelled)
        async with Caller(lab, Dialling("9200")) as caller:
            await anna.wait_for(lambda call: call.ringing_at is not None, count=2)
            anna.answer()
            await caller.answered()
            caller.hang_up()
            assert (await caller.ended()).hung_up_by == "us"
        await anna.wait_for(lambda call: call.ended, count=2)


async def test_a_caller_who_gives_up_as_they_are_answered_leaves_nothing() -> None:
    """A command reaches SIPp after ``SETTLE_S``; the answer comes in the milliseconds around it.

    Asterisk calls that an error of its session, so the log is not looked at.
    """
    async with (
        AsteriskLab(phones=["anna"], dialplan=DIALPLAN) as lab,
        Phone(lab, "anna", Answer(98)) as anna,
    ):
        for turn in range(15):
            async with Caller(lab, Dialling("9200")) as caller:
                await anna.wait_for(lambda call: call.ringing_at is not None, count=turn + 1)
                caller.hang_up()
                assert (await caller.ended()).status in (200, 487)
            await lab.nothing_left()


async def test_a_phone_sends_its_caller_on(lab: AsteriskLab) -> None:
    plan = Answer(50, talk_ms=300, transfer_to="9400")
    async with Phone(lab, "boris", plan) as boris, Caller(lab, Dialling("9201")) as caller:
        [call] = await boris.wait_for(lambda call: call.ended)
        assert call.refer_status == 202
        assert not caller.seen.ended
        caller.hang_up()
        await caller.ended()


async def test_a_mobile_behind_the_trunk_is_called_by_its_number(lab: AsteriskLab) -> None:
    async with TrunkPhones(lab, {"+79160000000": NoAnswer(), "+79161112233": Answer(100)}) as out:
        seen = await Caller(lab, Dialling("9202", talk_ms=200)).run(20)
        await out.wait_for(lambda call: call.ended)
        assert len(out.calls_to("+79161112233")) == 1
    assert seen.answered


async def test_a_load_of_callers_is_measured(lab: AsteriskLab) -> None:
    async with Phone(lab, "anna", Answer(50), load=True) as anna:
        result = await Load(lab, Dialling("9200", talk_ms=300), rate=20, calls=40).run()
        assert len(anna.short_calls()) == 40
    assert result.failed == 0
    assert 50 <= result.response_percentile_ms(0.5) < 200


def test_media_ports_that_somebody_has_are_passed_over() -> None:
    slot = ports.PortSlot()
    try:
        free = slot.media(4)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as left_over:
            left_over.bind(("127.0.0.2", free + 4))
            assert slot.media(4) == free + 8
    finally:
        slot.close()


async def test_who_finds_all_ports_taken_waits_for_those_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ports, "_WAIT_S", 0.0)
    taken = [await ports.free_slot() for _ in range(6)]
    with pytest.raises(ports.AllTaken):
        await ports.free_slot()
    monkeypatch.setattr(ports, "_WAIT_S", 20.0)
    waiting = asyncio.create_task(ports.free_slot())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    given_back = taken.pop()
    given_back.close()
    taken.append(await waiting)
    assert taken[-1].first == given_back.first
    for one in taken:
        one.close()
