"""Click-to-call on a real Asterisk: the manager, then the client, and both hear each other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from lab.asterisk import AsteriskLab
from lab.engine import engine_on
from lab.service import PbxProcess
from lab.sipp import Answer, Busy, Caller, Dialling, NoAnswer, Phone, TrunkPhones
from pbx.engine.clicks import ClickResult
from pbx.journal import port as journal
from pbx.recordings.names import file_of
from routing import events
from routing.values import AgentId, AgentState, Outcome
from tests.asterisk.running import logged
from tests.asterisk.test_callback import ANNA_HZ, CLIENT, CLIENT_HZ, company
from tests.asterisk.test_recording import ALL, pitch, sides, until
from tests.world import DID, SALES

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(90)]

ANNA = AgentId("anna")


async def test_the_manager_and_the_client_hear_each_other() -> None:
    where = replace(company(), queue_records={SALES: ALL})
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Answer(500), tone_hz=ANNA_HZ) as anna,
        TrunkPhones(lab, {CLIENT: Answer(500, talk_ms=2500)}, tone_hz=CLIENT_HZ) as outside,
        engine_on(lab, where) as (engine, story),
    ):
        assert await engine.click_to_call(ANNA, "8 916 111-22-33") is ClickResult.RINGING
        assert await engine.click_to_call(ANNA, CLIENT) is ClickResult.BUSY
        await until(lambda: bool(story.of(journal.RecordingKept)), 30)

        (client,), (manager,) = outside.calls(), anna.calls()
        assert (client.to_user, client.from_user) == (CLIENT, DID)
        assert manager.from_user == CLIENT
        assert client.invite_at is not None
        assert manager.answered_at is not None
        assert client.invite_at > manager.answered_at, "the manager first"
        (kept,) = story.of(journal.RecordingKept)
        said, heard = sides(file_of(lab.talks.host, kept.path))
        assert pitch(said) == pytest.approx(ANNA_HZ, rel=0.05)
        assert pitch(heard) == pytest.approx(CLIENT_HZ, rel=0.05)
        (call,) = story.of(journal.CallStarted)
        assert call.callback_of.startswith(journal.CLICK)
        assert story.outcomes == {call.call_id: Outcome.ANSWERED}
        await lab.nothing_left()
        await until(lambda: engine.core.dispatcher.agent_state(ANNA) is AgentState.FREE)
        assert lab.log_errors() == []


async def test_what_comes_to_nothing_leaves_nothing_and_a_paused_manager_is_not_rung() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", Answer(100)) as anna,
        TrunkPhones(lab, {CLIENT: Busy()}) as outside,
        engine_on(lab, company()) as (engine, story),
    ):
        assert await engine.click_to_call(ANNA, CLIENT) is ClickResult.RINGING
        await until(lambda: bool(story.of(journal.CallEnded)), 20)
        (out,) = story.of(journal.OutsideLegFinished)
        assert out.disposition == "busy"
        await lab.nothing_left()
        await until(lambda: engine.core.dispatcher.agent_state(ANNA) is AgentState.FREE)
        engine.tell(events.AgentPaused(ANNA, "lunch"))

        assert await engine.click_to_call(ANNA, CLIENT) is ClickResult.PAUSED
        assert len(anna.calls()) == len(outside.calls()) == 1
        assert lab.log_errors() == []


PLAN = f"""
settings:
  region: RU
  languages: [en]
  time_zone: UTC
  trunk: PJSIP/{{number}}@trunk
  outside: ["+7916"]
  outside_per_hour: 10
managers:
  anna: {{name: Анна}}
queues:
  sales: {{members: anna, strategy: round-robin, ring_time: 15s}}
numbers:
  "{DID}": {{entry: {{queue: sales}}}}
"""


async def test_a_missed_call_is_worked_off_by_a_click(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        PbxProcess(lab, path, tmp_path / "state") as pbx,
        TrunkPhones(lab, {CLIENT: Answer(200, talk_ms=1000)}),
    ):
        async with (
            Phone(lab, "anna", NoAnswer()) as anna,
            Caller(lab, Dialling(DID[1:], from_number=CLIENT)) as caller,
        ):
            await anna.wait_for(lambda call: call.ringing_at is not None)
            caller.hang_up()
            await caller.ended()
            await lab.nothing_left()
        await logged(pbx, lambda calls: bool(calls) and bool(calls[0].outcome))
        await asyncio.sleep(0.5)
        assert CLIENT in (await pbx.command("missed", "--csv"))[1]
        assert (await pbx.command("click", "anna", "+4930901820"))[0] == 1
        async with Phone(lab, "anna", Answer(200)):
            code, said = await pbx.command("click", "anna", CLIENT)
            assert (code, said.split(":")[0]) == (0, "ringing")
            calls = await logged(
                pbx, lambda calls: len(calls) == 2 and all(c.outcome for c in calls)
            )
            await lab.nothing_left()

        assert [(one.origin, one.outcome) for one in calls] == [
            ("client", "abandoned_waiting"),
            ("click", "answered"),
        ]
        await asyncio.sleep(0.5)
        assert CLIENT not in (await pbx.command("missed", "--csv"))[1]
        assert "manager" in (await pbx.command("missed", "--all", "--csv"))[1]
