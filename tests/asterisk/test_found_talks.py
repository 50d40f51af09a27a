"""The engine is killed in a talk and starts again: what is done at the talk's end is the plan's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Phone
from pbx.journal.tables import agent_states
from pbx.switch.port import UNSEEN
from tests.asterisk.running import logged, story_of

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(90)]

DID = "78005553535"
CALLER = "+79160000001"
PLAN = f"""
settings:
  region: RU
  time_zone: UTC
  languages: [en]
managers:
  anna: {{name: Анна, extension: 101, wrap_up: 2s}}
  boris: {{name: Борис, extension: 102}}
queues:
  sales: {{members: anna, strategy: round-robin, ring_time: 30s}}
prompts:
  hello: {{sound: beep}}
menus:
  survey:
    menu: hello
    timeout: 30s
    keys: {{5: hangup}}
numbers:
  "+{DID}": {{entry: {{queue: sales, after_talk: survey}}}}
"""


@dataclass(slots=True)
class InTalk:
    """The caller talks with Anna, and another engine leads than the one that joined them."""

    lab: AsteriskLab
    pbx: PbxProcess
    anna: Phone
    boris: Phone
    caller: Caller

    def states(self, agent: str) -> list[str]:
        """Of an agent in the log, in order."""
        engine = create_engine(self.pbx.database)
        query = select(agent_states.c.state).where(agent_states.c.agent == agent)
        try:
            with engine.connect() as connection:
                newest = query.order_by(agent_states.c.started_at, agent_states.c.interval_id)
                return list(connection.execute(newest).scalars())
        finally:
            engine.dispose()


@asynccontextmanager
async def in_talk(folder: Path) -> AsyncIterator[InTalk]:
    path = folder / "plan.yaml"
    path.write_text(PLAN)
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(50)) as anna,
        Phone(lab, "boris", Answer(50)) as boris,
        PbxProcess(lab, path, folder / "state") as pbx,
        Caller(lab, Dialling(DID, from_number=CALLER)) as caller,
    ):
        await anna.wait_for(lambda call: call.answered)
        await asyncio.sleep(1.5)  # the log is written
        await pbx.kill()
        await pbx.start()
        await asyncio.sleep(0.5)
        assert not caller.seen.ended
        yield InTalk(lab, pbx, anna, boris, caller)


async def test_the_manager_hangs_up_and_the_caller_goes_the_plans_way(tmp_path: Path) -> None:
    async with in_talk(tmp_path) as here:
        here.anna.hang_up()
        await asyncio.sleep(1.5)
        assert not here.caller.seen.ended
        await here.caller.press("5")
        await here.caller.ended(10)
        (call,) = await logged(here.pbx, lambda calls: bool(calls[0].outcome))
        await here.lab.nothing_left()

        assert (call.outcome, call.agent, call.queue) == ("answered", "anna", "sales")
        assert call.cause is not None
        assert UNSEEN not in call.cause, "all of it was seen"
        assert call.talk_s is not None
        (at_phone,) = here.anna.calls()
        assert at_phone.talk_ms is not None
        assert call.talk_s == pytest.approx(at_phone.talk_ms / 1000, abs=1.4), "to the hang-up"
        story = story_of(here.pbx, call.call_id)
        (device,) = [leg for leg in story.legs if leg.kind == "device"]
        assert device.disposition == "answered"
        assert device.talk_s == pytest.approx(call.talk_s, abs=0.1)
        assert story.steps[-2].node == "survey" or story.steps[-1].node == "survey"
        await asyncio.sleep(2.5)
        assert here.states("anna")[-4:] == ["free", "talking", "wrap_up", "free"]
        assert here.lab.log_errors() == []


async def test_the_manager_sends_the_caller_on(tmp_path: Path) -> None:
    async with in_talk(tmp_path) as here:
        here.anna.transfer("102")
        await here.boris.wait_for(lambda call: call.answered)
        assert here.boris.calls()[0].from_user == CALLER
        await asyncio.sleep(1.0)
        here.caller.hang_up()
        await here.caller.ended()
        (call,) = await logged(here.pbx, lambda calls: bool(calls[0].outcome))
        await here.lab.nothing_left()

        assert (call.outcome, call.agent) == ("answered", "boris")
        answered = [
            (leg.agent, leg.disposition)
            for leg in story_of(here.pbx, call.call_id).legs
            if leg.kind == "device"
        ]
        assert answered == [("anna", "answered"), ("boris", "answered")]
        await asyncio.sleep(2.5)
        assert here.states("anna")[-1] == here.states("boris")[-1] == "free"
