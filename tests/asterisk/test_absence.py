"""The engine is killed, comes back or stays away: who is served, and what the log says then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Manual, NoAnswer, Phone
from pbx.journal.queries import CallFilter, call_story, list_calls
from pbx.journal.story import CallRow, CallStory

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]

DID = "78005553535"
PLAN = """
settings:
  region: RU
  time_zone: Europe/Moscow
  languages: [en]
  rescue: {members: [boris], ring_time: 3s}
managers:
  anna: {name: Анна, department: sales}
  boris: {name: Борис, department: rescue}
queues:
  sales:
    members: {department: sales}
    strategy: round-robin
    ring_time: 30s
prompts:
  hello: {sound: beep}
menus:
  welcome:
    menu: hello
    timeout: 60s
    keys: {1: {queue: sales}}
numbers:
  "+78005553535": {entry: welcome}
  "+78005553536": {entry: {queue: sales}}
"""
QUEUE = "78005553536"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def _calls(pbx: PbxProcess) -> list[CallRow]:
    engine = create_engine(pbx.database)
    try:
        return list_calls(engine, CallFilter())
    finally:
        engine.dispose()


def _story(pbx: PbxProcess, call_id: str) -> CallStory:
    engine = create_engine(pbx.database)
    try:
        story = call_story(engine, call_id)
    finally:
        engine.dispose()
    assert story is not None
    return story


async def _logged(
    pbx: PbxProcess, holds: Callable[[list[CallRow]], bool], deadline_s: float = 40.0
) -> list[CallRow]:
    """Waits until the log says so."""
    calls: list[CallRow] = []
    try:
        async with asyncio.timeout(deadline_s):
            while not holds(calls := _calls(pbx)):  # noqa: ASYNC110 (another process writes)
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"the log says {calls}") from None
    return calls


async def test_killed_while_callers_wait_and_choose(plan: Path, tmp_path: Path) -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
        Caller(lab, Dialling(QUEUE, from_number="+79160000001")) as first,
    ):
        await first.answered()
        async with (
            Caller(lab, Dialling(QUEUE, from_number="+79160000002")) as second,
            Caller(lab, Dialling(DID, from_number="+79160000003")) as choosing,
        ):
            await second.answered()
            await choosing.answered()
            await asyncio.sleep(0.5)
            await pbx.kill()
            await pbx.start()
            await asyncio.sleep(0.5)
            assert not any(one.seen.ended for one in (first, second, choosing))
            # In their old order, and the menu from its beginning.
            async with Phone(lab, "anna", Answer(50, talk_ms=300)) as anna:
                await first.ended(20)
                await second.ended(20)
                await choosing.press("1")
                await choosing.ended(20)
                served = [call.from_user for call in anna.calls() if call.answered]
        assert served == ["+79160000001", "+79160000002", "+79160000003"]
        calls = await _logged(pbx, lambda calls: all(one.outcome for one in calls))
        assert [one.outcome for one in calls] == ["answered"] * 3
        assert all(one.reconstructed for one in calls)
        waits = {one.number: one.wait_s or 0.0 for one in calls}
        # The old waiting time counts, the engine's absence too.
        assert waits["+79160000001"] > 1.0


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
        (call,) = await _logged(pbx, lambda calls: (calls[0].talk_s or 0) > 11)
        assert (call.outcome, call.agent, call.reconstructed) == ("answered", "anna", True)
        device = next(leg for leg in _story(pbx, call.call_id).legs if leg.kind == "device")
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
        (call,) = await _logged(pbx, lambda calls: (calls[0].talk_s or 0) > 2.5)
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
        calls = await _logged(
            pbx, lambda calls: len(calls) == 3 and all(one.cause for one in calls), 60
        )
        told = {one.number: (one.outcome, one.reconstructed) for one in calls}
        assert told == {
            "+79160000001": ("answered", True),
            "+79160000002": ("answered", True),
            "+79160000003": ("voicemail", True),
        }
