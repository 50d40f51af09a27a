"""500 real calls within 5 s onto 10 managers."""

from __future__ import annotations

import asyncio
import socket

import pytest

from lab.asterisk import HOST, AsteriskLab, LabPhone
from lab.engine import engine_on
from lab.sipp import Answer, Dialling, Load, Phone
from pbx.journal import port as journal
from routing import facts
from routing.values import Outcome
from tests.world import DID, agent, plan, sales

pytestmark = [pytest.mark.asterisk, pytest.mark.load, pytest.mark.timeout(240)]

CALLS, RATE, MANAGERS = 500, 100, 10
TALKS_MS = 300
PATIENCE_MS = 90_000


async def test_nobody_gets_busy_and_the_order_is_kept() -> None:
    team = [agent(f"a{n}") for n in range(MANAGERS)]
    company = plan(team, [sales(*team, strategy="longest-idle", max_wait_s=None)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    async with (
        AsteriskLab(phones=[LabPhone(one.agent_id, port=port) for one in team]) as lab,
        Phone(lab, "a0", Answer(50, talk_ms=TALKS_MS), load=True, audio=False),
        engine_on(lab, company) as (engine, story),
    ):
        most_waiting = 0
        load = asyncio.create_task(
            Load(lab, Dialling(DID[1:], talk_ms=PATIENCE_MS), rate=RATE, calls=CALLS).run(150)
        )
        while not load.done():
            most_waiting = max(most_waiting, len(engine.core.calls.by_id))
            await asyncio.sleep(0.1)
        result = await load

        assert most_waiting > CALLS // 2, "they came faster than they were served"
        assert (result.answered, result.failed) == (CALLS, 0)
        assert {call.status for call in result.calls} == {200}
        await lab.nothing_left(10)
        ended = story.of(journal.CallEnded)
        assert [one.outcome for one in ended] == [Outcome.ANSWERED] * CALLS
        # Who waited first is rung for first: none was refused, so nobody is rung for twice.
        line = [one.call_id for one in story.of(facts.WaitStarted)]
        assert [one.call_id for one in story.of(facts.LegStarted)] == line
        assert engine.failures == 0
        assert not engine.core.calls.by_id
        assert not story.of(facts.Irregular)
