"""Parts fail while calls are in progress: who is served, and what the log says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.asterisk import HOST, AsteriskLab, LabPhone
from lab.engine import engine_on
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Load, NoAnswer, Phone
from pbx.engine.loop import EngineLoop
from pbx.journal import port as journal
from routing import facts
from routing.values import AgentId, AgentState, Outcome
from tests.asterisk.running import QUEUE, logged
from tests.world import DID, agent, sales
from tests.world import plan as company_of

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]


async def _until(holds: Callable[[], bool], deadline_s: float = 15.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not holds():  # noqa: ASYNC110 (state of the engine: there is nothing to await)
            await asyncio.sleep(0.02)


def _state(engine: EngineLoop, name: str) -> AgentState | None:
    return engine.core.dispatcher.agent_state(AgentId(name))


async def test_asterisk_crashes_and_the_engine_goes_on() -> None:
    anna, boris = agent("anna"), agent("boris")
    company = company_of([anna, boris], [sales(anna, boris, strategy="linear")])
    phones = [LabPhone("anna"), LabPhone("boris", password="never-used")]
    async with (
        AsteriskLab(phones=phones) as lab,
        Phone(lab, "anna", Answer(100)),
        engine_on(lab, company) as (engine, story),
    ):
        async with (
            Caller(lab, Dialling(DID[1:], from_number="+79160000001")),
            Caller(lab, Dialling(DID[1:], from_number="+79160000002")),
        ):
            await _until(lambda: bool(story.of(facts.LegJoined)))
            await _until(lambda: len(story.of(facts.WaitStarted)) == 2)
            await lab.kill()
        # Nobody is left to talk with: the callers' phones have noticed by now.
        await lab.restart()
        await _until(lambda: engine.core.switch_up and len(story.of(journal.CallEnded)) == 2)
        ended = story.of(journal.CallEnded)
        assert {one.cause for one in ended} == {"0 Asterisk was restarted"}
        assert sorted(one.outcome for one in ended) == [
            Outcome.ABANDONED_WAITING,
            Outcome.ANSWERED,
        ]
        await _until(lambda: _state(engine, "anna") is AgentState.FREE)
        assert not engine.core.calls.by_id

        # And it goes on: the phones' registrations are as the new Asterisk has them.
        await Caller(lab, Dialling(DID[1:], talk_ms=300)).run(20)
        last = story.of(facts.OfferMade)[-1]
        assert last.chosen == ("anna",)
        assert facts.LeftOut(AgentId("boris"), "unreachable") in last.left_out
        await lab.nothing_left()


async def test_every_phone_unreachable_and_the_trunk_down_lead_to_the_message() -> None:
    anna = agent("anna", ("PJSIP/anna", 0.0), ("PJSIP/+79161112233@trunk", 0.0))
    company = company_of([anna], [sales(anna, max_wait_s=3.0)])
    async with (
        AsteriskLab(phones=["anna"]) as lab,  # no phone is started, nobody answers at the trunk
        engine_on(lab, company) as (engine, story),
    ):
        seen = await Caller(lab, Dialling(DID[1:], talk_ms=5000)).run(20)
        assert seen.status == 200
        await _until(lambda: bool(story.of(journal.CallEnded)))
        assert story.of(journal.CallEnded)[0].outcome is Outcome.VOICEMAIL
        assert not story.of(facts.LegJoined)
        assert engine.failures == 0


def _hire(plan: Path, names: list[str]) -> None:
    managers = "".join(f"  {name}: {{name: {name}, department: sales}}\n" for name in names)
    plan.write_text(plan.read_text().replace("managers:\n", f"managers:\n{managers}"))


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@pytest.mark.load
@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
async def test_a_restart_during_fifty_calls_drops_none(
    how: str, plan: Path, tmp_path: Path
) -> None:
    names = [f"a{n}" for n in range(60)]
    _hire(plan, names)
    port_of_all = _free_port()
    phones = [LabPhone(name, port_of_all) for name in names]
    phones += [LabPhone("anna", password="never-used"), LabPhone("boris", password="never-used")]
    async with (
        AsteriskLab(phones=phones) as lab,
        Phone(lab, "a0", Answer(100, talk_ms=9000), load=True, audio=False),
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
    ):
        load = asyncio.create_task(
            Load(lab, Dialling(QUEUE, talk_ms=60_000), rate=10, calls=50).run(60)
        )
        await asyncio.sleep(4)
        await (pbx.stop() if how == "SIGTERM" else pbx.kill())
        await pbx.start()
        result = await load
        assert (result.answered, result.failed) == (50, 0)
        await lab.nothing_left(10)
        calls = await logged(
            pbx, lambda calls: len(calls) == 50 and all((one.talk_s or 0) > 5 for one in calls)
        )
        assert {one.outcome for one in calls} == {"answered"}


async def test_nobody_answers_and_nothing_is_left() -> None:
    anna = agent("anna")
    company = company_of([anna], [sales(anna, ring_time_s=2.0, max_wait_s=5.0)])
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", NoAnswer()),
        engine_on(lab, company) as (_, story),
    ):
        await Caller(lab, Dialling(DID[1:], talk_ms=8000)).run(30)
        await _until(lambda: bool(story.of(journal.CallEnded)))
        assert story.of(journal.CallEnded)[0].outcome is Outcome.VOICEMAIL
        await lab.nothing_left()
