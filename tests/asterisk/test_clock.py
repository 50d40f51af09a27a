"""The machine's clock jumps while real callers choose, wait, hear it ring and talk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from ivr.nodes import Menu
from lab.asterisk import AsteriskLab
from lab.engine import engine_on
from lab.seen import CallSeen
from lab.sipp import Answer, Caller, Dialling, Phone
from pbx.engine.clock import SystemClock
from pbx.journal import port as journal
from routing import facts
from routing.values import Outcome
from tests.world import DID, agent, plan, sales, tree

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]

HOUR_S = 3600.0
STAYS_MS = 16_000
"""How long who is joined first talks: past the jump, and past Asterisk's limit after it."""


async def until(holds: Callable[[], bool], deadline_s: float = 20.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not holds():  # noqa: ASYNC110 (state of the engine: there is nothing to await)
            await asyncio.sleep(0.02)


def up_s(seen: CallSeen) -> float:
    """From the answer of the switch to the end, as the caller had it."""
    assert seen.answered_at is not None
    assert seen.ended_at is not None
    return seen.ended_at - seen.answered_at


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S], ids=["forward", "back"])
async def test_no_caller_is_lost_and_no_length_is_wrong(jump_s: float) -> None:
    anna, boris = agent("anna"), agent("boris")
    ahead_s = 0.0
    clock = SystemClock(wall=lambda: time.time() + ahead_s)
    nodes = tree()
    menu = nodes["main"]
    assert isinstance(menu, Menu)
    nodes["main"] = replace(menu, timeout_s=30.0)
    team = sales(anna, boris, strategy="linear", ring_time_s=30.0)
    company = plan([anna, boris], [team], nodes=nodes, entry="main")

    def caller(number: int) -> Caller:
        return Caller(lab, Dialling(DID, from_number=f"+7916000000{number}"))

    def joined(count: int) -> Callable[[], bool]:
        return lambda: len(story.of(facts.LegJoined)) == count

    async with (
        AsteriskLab(phones=["anna", "boris"], watch=True) as lab,
        Phone(lab, "anna", Answer(200, talk_ms=STAYS_MS)),
        Phone(lab, "boris", Answer(STAYS_MS - 2000, talk_ms=1000)),
        engine_on(lab, company, clock=clock) as (engine, story),
        caller(1) as talks,
        caller(2) as hears_it_ring,
        caller(3) as waits,
        caller(4) as chooses,
    ):
        await until(lambda: len(story.of(journal.CallStarted)) == 4)
        for one, done in (
            (talks, joined(1)),
            (hears_it_ring, lambda: len(story.of(facts.LegStarted)) == 2),
            (waits, lambda: len(story.of(facts.WaitStarted)) == 3),
        ):
            await one.wait_for(lambda call: call.answered)
            await one.press("1")
            await until(done)
        await chooses.wait_for(lambda call: call.answered)
        ahead_s = jump_s
        lab.clock_jumps(jump_s)
        await until(joined(2), 30)
        await chooses.press("1")
        seen = [await one.ended() for one in (talks, hears_it_ring, waits, chooses)]
        await until(lambda: len(story.of(journal.CallEnded)) == 4)

        ended = {call.call_id: call for call in story.of(journal.CallEnded)}
        numbers = {call.call_id: call.number for call in story.of(journal.CallStarted)}
        by_number = {numbers[one]: call for one, call in ended.items()}
        for number, phone in enumerate(seen, 1):
            call = by_number[f"+7916000000{number}"]
            assert call.outcome is Outcome.ANSWERED
            assert 0 <= call.wait_s <= up_s(phone)
            assert 0 < call.talk_s <= up_s(phone) + 0.5
        assert by_number["+79160000001"].talk_s == pytest.approx(STAYS_MS / 1000, abs=2)
        # What begins after it has the time that a watch shows.
        await Caller(lab, Dialling(DID, from_number="+79160000005", talk_ms=500)).run(20)
        await until(lambda: len(story.of(journal.CallEnded)) == 5)
        began = [one.at for one in story.entries if isinstance(one.entry, journal.CallStarted)]
        assert began[-1].timestamp() == pytest.approx(time.time() + jump_s, abs=30)
        assert engine.failures == 0
        await lab.nothing_left()
        assert not story.of(facts.Irregular)
        assert lab.log_errors() == []
