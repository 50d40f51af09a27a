"""Callbacks on a real Asterisk: the manager, then the client, and both hear each other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import Row, create_engine, select

from ivr.nodes import AskCallback, HangUp, Prompt, ToQueue
from lab.asterisk import AsteriskLab
from lab.engine import engine_on
from lab.service import PbxProcess
from lab.sipp import Answer, Busy, Caller, Dialling, Manual, NoAnswer, Phone, TrunkPhones, in_turn
from pbx.journal import port as journal
from pbx.journal.tables import callback_tasks
from pbx.plan.model import CallbackRule, Plan
from pbx.recordings.names import file_of
from pbx.switch.port import UNSEEN
from routing import facts
from routing.plan import Agent
from routing.values import AgentId, AgentState, Outcome
from tests.asterisk.running import logged
from tests.asterisk.test_recording import ALL, pitch, sides, silent_s, until
from tests.world import DID, SALES, Story, agent, plan, sales, tree, words

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(90)]

CLIENT = "+79161112233"
CLIENT_HZ, ANNA_HZ = 200, 500
RULE = CallbackRule(attempts=2, pause_s=3.0, ring_time_s=5.0)
ANNA = agent("anna")


def company(*agents: Agent, rule: CallbackRule = RULE) -> Plan:
    """2 in the line asks for a callback."""
    nodes = tree()
    waits = nodes["to-sales"]
    assert isinstance(waits, ToQueue)
    nodes["to-sales"] = replace(waits, keys={"2": "callback"})
    nodes["callback"] = AskCallback("callback", SALES, words("soon"), "bye")
    nodes["bye"] = HangUp("bye")
    who = agents or (ANNA,)
    where = plan(who, [sales(*who, ring_time_s=20.0, retry_delay_s=1.0)], nodes=nodes)
    return replace(where, callback_rules={SALES: rule})


async def asks(lab: AsteriskLab, story: Story, number: str = CLIENT) -> None:
    """Calls, presses 2 while the first phone rings, and is gone."""
    async with Caller(lab, Dialling(DID[1:], from_number=number)) as caller:
        await caller.answered()
        await until(lambda: bool(story.of(facts.LegRang)))
        await asyncio.sleep(0.3)
        await caller.press("2")
        await caller.ended()
    await until(lambda: bool(story.of(journal.CallEnded)))


def results(story: Story) -> Sequence[str]:
    return [one.result for one in story.of(journal.CallbackClosed)]


async def test_the_manager_and_the_client_hear_each_other() -> None:
    where = replace(company(), queue_records={SALES: ALL})
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", in_turn(NoAnswer(), Answer(500)), tone_hz=ANNA_HZ) as anna,
        TrunkPhones(lab, {CLIENT: Answer(2500, talk_ms=3000)}, tone_hz=CLIENT_HZ) as outside,
        engine_on(lab, where) as (engine, story),
    ):
        await asks(lab, story)
        await until(lambda: bool(story.of(journal.RecordingKept)), 30)

        (client,) = outside.calls()
        assert (client.to_user, client.from_user) == (CLIENT, DID)
        manager = anna.calls()[-1]
        assert manager.from_user == CLIENT
        assert client.invite_at is not None
        assert manager.answered_at is not None
        assert client.invite_at > manager.answered_at, "the manager first"
        (kept,) = story.of(journal.RecordingKept)
        said, heard = sides(file_of(lab.talks.host, kept.path))
        assert pitch(said) == pytest.approx(ANNA_HZ, rel=0.05)
        assert pitch(heard) == pytest.approx(CLIENT_HZ, rel=0.05)
        assert silent_s(said) <= 0.1
        assert silent_s(heard) <= 0.3
        assert results(story) == ["talked"]
        assert list(story.outcomes.values()) == [Outcome.OVERFLOW, Outcome.ANSWERED]
        await lab.nothing_left()
        await until(lambda: engine.core.dispatcher.agent_state(AgentId("anna")) is AgentState.FREE)
        assert lab.log_errors() == []


@pytest.mark.parametrize("skips", [False, True], ids=["to its end", "skipped by a key"])
async def test_the_manager_hears_the_number_and_then_the_client_is_called(skips: bool) -> None:
    said: list[str] = []

    def a_second_each(prompt: Prompt, language: str) -> str:
        said.append(prompt.name)
        return "silence/1"

    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", in_turn(NoAnswer(), Answer(200))) as anna,
        TrunkPhones(lab, {CLIENT: Answer(300, talk_ms=500)}) as outside,
        engine_on(lab, company(), resolve=a_second_each) as (_, story),
    ):
        await asks(lab, story)
        await until(lambda: len(story.of(facts.LegRang)) == 2)
        await anna.wait_for(lambda call: call.answered)
        if skips:
            await asyncio.sleep(0.5)
            await anna.press("1")
        await until(lambda: bool(results(story)), 30)

        assert results(story) == ["talked"]
        number = [f"digit.{one}" for one in "89161112233"]
        begins = said.index("callback.greeting")
        assert said[begins + 1 : begins + 12] == number
        (client,) = outside.calls()
        manager = anna.calls()[-1]
        assert manager.from_user == CLIENT, "and sees it"
        assert manager.answered_at is not None
        assert client.invite_at is not None
        whole_s = 1.0 + len(number)
        assert (client.invite_at - manager.answered_at < whole_s) is skips
        await lab.nothing_left()
        assert lab.log_errors() == []


@pytest.mark.parametrize("act", [Busy(), NoAnswer()])
async def test_a_client_who_does_not_answer_is_called_as_often_as_the_plan_says(
    act: Busy | NoAnswer,  # type: ignore[valid-type]
) -> None:
    rule = replace(RULE, ring_time_s=2.0)
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", in_turn(NoAnswer(), Answer(200))) as anna,
        TrunkPhones(lab, {CLIENT: act}) as outside,
        engine_on(lab, company(rule=rule)) as (engine, story),
    ):
        await asks(lab, story)
        await until(lambda: bool(results(story)), 30)

        assert results(story) == ["not_reached"]
        assert len(outside.calls()) == 2
        assert len([call for call in anna.calls() if call.answered]) == 2
        reached = {one.disposition for one in story.of(journal.OutsideLegFinished)}
        assert reached == {"busy" if act == Busy() else "no_answer"}
        await lab.nothing_left()
        await until(lambda: engine.core.dispatcher.agent_state(AgentId("anna")) is AgentState.FREE)
        assert lab.log_errors() == []


async def test_a_client_who_calls_again_and_talks_is_not_called() -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", in_turn(NoAnswer(), NoAnswer(), Answer(300, talk_ms=500))) as anna,
        TrunkPhones(lab, {CLIENT: Answer()}) as outside,
        engine_on(lab, company()) as (_, story),
    ):
        await asks(lab, story)
        await until(lambda: len(story.of(facts.LegRang)) == 2)
        again = await Caller(lab, Dialling(DID[1:], from_number=CLIENT)).run(20)

        assert again.answered
        assert results(story) == ["got_through"]
        assert [call.answered for call in anna.calls()] == [False, False, True]
        assert outside.calls() == []
        await lab.nothing_left()


async def test_a_client_who_picks_up_when_the_manager_has_gone_is_hung_up_and_called_again() -> (
    None
):
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", in_turn(NoAnswer(), Manual(), Answer(200))) as anna,
        TrunkPhones(lab, {CLIENT: in_turn(Manual(), Answer(3000, talk_ms=1000))}) as outside,
        engine_on(lab, company()) as (_, story),
    ):
        await asks(lab, story)
        await until(lambda: len(story.of(facts.LegRang)) == 2)
        anna.answer()
        await outside.wait_for(lambda call: call.ringing_at is not None)
        anna.hang_up()
        await until(lambda: bool(results(story)), 30)

        assert results(story) == ["talked"]
        assert [call.answered for call in outside.calls()] == [False, True]
        await lab.nothing_left()


# The engine killed ---------------------------------------------------------------------------

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
  sales:
    members: anna
    strategy: round-robin
    ring_time: 15s
    retry: 1s
    callback: {{attempts: 2, pause: 10s, ring_time: 25s}}
    keys: {{2: {{callback: sales, confirm: false}}}}
numbers:
  "{DID}": {{entry: {{queue: sales}}}}
"""


@dataclass(slots=True)
class House:
    """A lab with Anna, the client's phone and the engine as a process."""

    lab: AsteriskLab
    anna: Phone
    outside: TrunkPhones
    pbx: PbxProcess

    def task(self) -> Row[tuple[object, ...]] | None:
        """The newest callback in the log."""
        engine = create_engine(self.pbx.database)
        try:
            with engine.connect() as connection:
                newest = select(callback_tasks).order_by(callback_tasks.c.opened_at.desc())
                return connection.execute(newest).first()
        finally:
            engine.dispose()

    async def ask(self) -> None:
        """The client calls, asks to be called back while Anna's phone rings, and hangs up."""
        dialling = Dialling(DID[1:], from_number=CLIENT)
        async with Caller(self.lab, dialling) as caller:
            await caller.answered()
            await self.anna.wait_for(lambda call: call.ringing_at is not None)
            await asyncio.sleep(0.5)
            await caller.press("2")
            await caller.ended()
        await until(lambda: self.task() is not None)

    async def again(self) -> None:
        """kill -9, and a new engine."""
        await self.pbx.kill()
        await self.pbx.start()

    async def closed(self, deadline_s: float = 40.0) -> str:
        """The result."""

        def result() -> str | None:
            task = self.task()
            return task.result if task is not None else None

        await until(lambda: result() is not None, deadline_s)
        return str(result())


@contextlib.asynccontextmanager
async def house(folder: Path, anna: object, client: object) -> AsyncIterator[House]:
    path = folder / "plan.yaml"
    path.write_text(PLAN)
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", anna) as desk,  # type: ignore[arg-type]
        TrunkPhones(lab, {CLIENT: client}) as outside,  # type: ignore[dict-item]
        PbxProcess(lab, path, folder / "state") as pbx,
    ):
        yield House(lab, desk, outside, pbx)


async def test_killed_while_the_client_is_called_they_still_talk_and_nobody_calls_twice(
    tmp_path: Path,
) -> None:
    plans = (in_turn(NoAnswer(), Answer(300), Answer(300)), Manual())
    async with house(tmp_path, *plans) as where:
        await where.ask()
        await where.outside.wait_for(lambda call: call.ringing_at is not None, deadline_s=30)
        await where.pbx.kill()
        where.outside.answer()
        await where.outside.wait_for(lambda call: call.answered)
        await where.pbx.start()
        assert await where.closed() == "talked"
        await asyncio.sleep(2)
        assert not where.outside.calls()[0].ended, "the talk goes on"
        where.outside.hang_up()
        await where.lab.nothing_left()
        await asyncio.sleep(3)
        assert len(where.outside.calls()) == 1


async def test_killed_when_the_attempt_has_ended_without_us_it_is_not_made_again(
    tmp_path: Path,
) -> None:
    plans = (in_turn(NoAnswer(), Answer(300), Answer(300)), in_turn(Manual(), Answer(200)))
    async with house(tmp_path, *plans) as where:
        await where.ask()
        await where.outside.wait_for(lambda call: call.ringing_at is not None, deadline_s=30)
        await where.pbx.kill()
        where.outside.refuse()
        await where.outside.wait_for(lambda call: call.ended)
        await where.lab.nothing_left(20)  # the manager may wait 15 s
        await where.pbx.start()

        assert await where.closed() == "unknown"
        await asyncio.sleep(12)
        assert len(where.outside.calls()) == 1


async def test_killed_while_the_managers_phone_rings_the_client_is_called_once(
    tmp_path: Path,
) -> None:
    plans = (in_turn(NoAnswer(), NoAnswer(), Answer(300)), Answer(300, talk_ms=8000))
    async with house(tmp_path, *plans) as where:
        await where.ask()
        await until(lambda: len(where.anna.calls()) == 2)
        await where.again()

        assert await where.closed() == "talked"
        assert len(where.outside.calls()) == 1
        await where.lab.nothing_left(20)


async def test_killed_in_the_talk_of_a_callback_the_next_engine_sees_its_end(
    tmp_path: Path,
) -> None:
    async with house(tmp_path, in_turn(NoAnswer(), Answer(300)), Answer(300)) as where:
        await where.ask()
        await where.outside.wait_for(lambda call: call.answered, deadline_s=40)
        await asyncio.sleep(1.5)  # the log is written
        await where.again()
        await asyncio.sleep(1.0)
        assert not where.outside.calls()[0].ended, "the talk goes on"
        where.anna.hang_up()
        await where.outside.wait_for(lambda call: call.ended)
        await where.lab.nothing_left()

        assert await where.closed() == "talked"
        calls = await logged(where.pbx, lambda calls: all(one.outcome for one in calls))
        (made,) = [one for one in calls if one.origin == "callback"]
        assert (made.outcome, made.agent) == ("answered", "anna")
        assert made.cause is not None
        assert UNSEEN not in made.cause
        assert made.talk_s is not None
        assert made.talk_s > 2.0
