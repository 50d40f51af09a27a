"""Missed calls on a real Asterisk: from the caller who gives up to the talk that settles it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import Engine

from lab.asterisk import HOST, AsteriskLab
from lab.engine import engine_on
from lab.sipp import Answer, Busy, Caller, Dialling, NoAnswer, Phone, TrunkPhones, in_turn
from pbx.journal import port as journal
from pbx.journal.database import open_for_reading
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook
from pbx.missed.owners import owner_rule
from pbx.missed.queries import TaskFilter, list_tasks
from pbx.missed.rules import Task, TaskClass
from tests.webhooks.receiver import receiver
from tests.world import DID, agent, plan, sales

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(90)]

CLIENT = "+79161234567"
ANNA = agent("anna")
COMPANY = plan([ANNA], [sales(ANNA)])


class Log:
    """A log in a file with its missed calls, and questions to it."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'log.db'}"
        book = MissedBook(owner_rule(COMPANY.routing), {})
        self.journal = SqlJournal(url, spool=folder / "spool.jsonl", followers=[book])
        self.journal.start()
        self._engine: Engine = open_for_reading(url)

    def tasks(self) -> list[Task]:
        self.journal.flush(5.0)
        return list_tasks(self._engine, TaskFilter(open_only=False))

    async def until(self, holds: Callable[[list[Task]], bool]) -> list[Task]:
        async with asyncio.timeout(15):
            while not holds(tasks := self.tasks()):  # noqa: ASYNC110 (a database tells nobody)
                await asyncio.sleep(0.05)
        return tasks


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path)
    yield made
    made.journal.close(5.0)


async def gives_up(lab: AsteriskLab) -> None:
    seen = await Caller(lab, Dialling(DID[1:], from_number=CLIENT, talk_ms=1000)).run(20)
    assert seen.answered


async def test_a_client_who_gave_up_and_gets_through_later_is_settled_by_that(log: Log) -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", in_turn(NoAnswer(), NoAnswer(), Answer(200, talk_ms=500))),
        engine_on(lab, COMPANY, journal=log.journal),
    ):
        await gives_up(lab)
        (task,) = await log.until(lambda tasks: bool(tasks))
        assert (task.number, task.owner, task.outcome) == (CLIENT, "sales", "abandoned_waiting")
        await gives_up(lab)
        await log.until(lambda tasks: tasks[0].calls == 2)

        await Caller(lab, Dialling(DID[1:], from_number=CLIENT)).run(20)

        (task,) = await log.until(lambda tasks: tasks[0].closed_at is not None)
        assert task.calls == 2
        assert task.closed_by == "anna"
        assert task.classed(datetime.now(UTC)) is TaskClass.GOT_THROUGH


async def test_a_manager_who_calls_the_client_settles_it_by_talking_not_by_ringing(
    log: Log,
) -> None:
    # As a phone dials at home; the trunk is asked for +7...
    dials = f"8{CLIENT[2:]}"
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", NoAnswer()),
        TrunkPhones(lab, {CLIENT: in_turn(Busy(300), Answer(300, talk_ms=800))}) as mobiles,
        engine_on(lab, COMPANY, journal=log.journal) as (_, story),
    ):
        await gives_up(lab)
        await log.until(lambda tasks: bool(tasks))

        await Caller(lab, Dialling(dials, from_number="anna"), host=HOST).run(20)
        assert len(mobiles.calls_to(CLIENT)) == 1
        assert not story.of(journal.OwnTalkStarted)
        assert [one.closed_at for one in log.tasks()] == [None]

        await Caller(lab, Dialling(dials, from_number="anna"), host=HOST).run(20)
        (task,) = await log.until(lambda tasks: tasks[0].closed_at is not None)
        assert story.of(journal.OwnTalkStarted) == [journal.OwnTalkStarted(ANNA.agent_id, CLIENT)]
        assert task.closed_by == "anna"
        assert task.classed(datetime.now(UTC)) is TaskClass.WITHIN_20_MIN
        await lab.nothing_left()


async def test_a_call_from_phone_to_phone_is_nobodys_callback() -> None:
    boris = agent("boris")
    company = plan([ANNA, boris], [sales(ANNA, boris)])
    inside = {"extensions_site.conf": "[globals](+)\nVORONKA_EXT_102 = PJSIP/boris\n"}
    async with (
        AsteriskLab(phones=["anna", "boris"], extra=inside) as lab,
        Phone(lab, "boris", Answer(200, talk_ms=500)) as phone,
        engine_on(lab, company) as (engine, story),
    ):
        await Caller(lab, Dialling("102", from_number="anna"), host=HOST).run(20)

        assert len(phone.calls()) == 1
        assert not story.of(journal.OwnTalkStarted)
        assert engine.failures == 0


PLAN = f"""
settings: {{region: RU, time_zone: Europe/Moscow, languages: [en]}}
numbers: {{"{DID}": {{entry: {{queue: sales}}}}}}
managers: {{anna: {{name: Anna}}}}
queues: {{sales: {{members: anna, strategy: ring-all}}}}
"""


@contextlib.asynccontextmanager
async def program(lab: AsteriskLab, folder: Path, webhook: str) -> AsyncIterator[str]:
    """``pbx run`` as it is; gives the address of its HTTP server."""
    (folder / "plan.yaml").write_text(PLAN, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    env = os.environ | {
        "VORONKA_PLAN": str(folder / "plan.yaml"),
        "VORONKA_STATE_DIR": str(folder / "state"),
        "VORONKA_AMI_PORT": str(lab.ami_port),
        "VORONKA_AMI_SECRET": lab.ami_secret,
        "VORONKA_HTTP_PORT": str(port),
        "VORONKA_MISSED_WEBHOOK": webhook,
        "VORONKA_MISSED_WEBHOOK_ALLOW_HTTP": "yes",
        "VORONKA_MISSED_WEBHOOK_SECRET": "k" * 24,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from pbx.cli import main; main(['run'])", env=env
    )
    try:
        yield f"http://{HOST}:{port}"
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_whole_program_tells_a_crm_and_the_metrics(tmp_path: Path) -> None:
    async with (
        AsteriskLab(phones=["anna"]) as lab,
        Phone(lab, "anna", in_turn(NoAnswer(), Answer(200, talk_ms=500))),
        receiver(500, 200) as crm,
        program(lab, tmp_path, crm.url) as address,
        aiohttp.ClientSession(address) as http,
    ):

        async def metrics_say(line: str) -> None:
            async with asyncio.timeout(20):
                while True:
                    with contextlib.suppress(aiohttp.ClientError):
                        if line in await (await http.get("/metrics")).text():
                            return
                    await asyncio.sleep(0.1)

        await metrics_say('voronka_missed_open{queue="sales"} 0.0')
        await metrics_say("voronka_ami_connected 1.0")
        await gives_up(lab)
        await metrics_say('voronka_missed_open{queue="sales"} 1.0')
        await metrics_say('voronka_webhook_delivered_total{target="missed"} 1.0')
        await Caller(lab, Dialling(DID[1:], from_number=CLIENT)).run(20)
        await metrics_say('voronka_missed_open{queue="sales"} 0.0')
        await metrics_say('voronka_webhook_delivered_total{target="missed"} 2.0')

        opened = ("missed.opened", CLIENT)
        assert crm.told == [opened, opened, ("missed.closed", CLIENT)]
        assert json.loads(crm.seen[-1][1])["data"]["class"] == "got_through"
