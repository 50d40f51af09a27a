"""The log's database takes nothing while real calls go on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from lab.asterisk import AsteriskLab
from lab.seen import CallSeen
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Phone
from tests.asterisk.running import QUEUE, logged, story_of
from tests.journal.databases import locked, postgres

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]


async def metric(pbx: PbxProcess, name: str) -> float:
    lines = (await pbx.metrics()).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def rises(pbx: PbxProcess, name: str, deadline_s: float = 40.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not await metric(pbx, name):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.1)


async def accepts(pbx: PbxProcess) -> None:
    """Waits until it takes calls, whatever else is not well."""
    async with asyncio.timeout(40), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{pbx.url}/readyz?verbose") as answer:
                    if "[+] accepting_calls" in await answer.text():
                        return
            await asyncio.sleep(0.1)


async def began(pbx: PbxProcess, *, times: int) -> None:
    async with asyncio.timeout(60):
        while pbx.log.read_text().count('"engine_started"') < times:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await pbx.ready()


@contextlib.asynccontextmanager
async def company(
    plan: Path, tmp_path: Path, database: str = ""
) -> AsyncIterator[tuple[AsteriskLab, PbxProcess]]:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(200, talk_ms=1000)),
        PbxProcess(lab, plan, tmp_path / "state", database=database) as pbx,
    ):
        yield lab, pbx


async def calls_in(lab: AsteriskLab, number: int) -> CallSeen:
    dialling = Dialling(QUEUE, from_number=f"+79160000{number:03}", talk_ms=10_000)
    return await Caller(lab, dialling).run(30)


async def talks(lab: AsteriskLab, number: int) -> None:
    """A call that is answered, whatever becomes of the log."""
    seen = await calls_in(lab, number)
    assert seen.status == 200
    assert seen.ended_at is not None
    assert seen.answered_at is not None
    assert seen.ended_at - seen.answered_at < 8, "the manager hung up: they talked"


@pytest.mark.parametrize("killed", [False, True], ids=["", "and-the-engine-killed"])
async def test_calls_go_on_while_it_is_locked_and_are_all_in_it_afterwards(
    plan: Path, tmp_path: Path, killed: bool
) -> None:
    async with company(plan, tmp_path) as (lab, pbx):
        await talks(lab, 1)
        await logged(pbx, lambda calls: len(calls) == 1)
        with locked(pbx.folder / "voronka.db"):
            for number in (2, 3, 4):
                await talks(lab, number)
            await rises(pbx, "voronka_journal_failing")
            if killed:
                await pbx.kill()
        if killed:
            await pbx.start()
        calls = await logged(
            pbx, lambda calls: len(calls) == 4 and all(one.outcome for one in calls)
        )
        assert {one.outcome for one in calls} == {"answered"}
        assert not (tmp_path / "state" / "spool.jsonl").exists()
        for one in calls:
            legs = story_of(pbx, one.call_id).legs
            assert [leg.disposition for leg in legs if leg.kind == "device"] == ["answered"], legs
        assert await metric(pbx, "voronka_journal_failing") == 0


GONE_S = 300
RESTART_AFTER_S = 150


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.timeout(GONE_S + 180)
async def test_calls_go_on_while_it_is_gone_for_five_minutes(plan: Path, tmp_path: Path) -> None:
    spool = tmp_path / "state" / "spool.jsonl"
    with postgres() as server:
        async with company(plan, tmp_path, server.url) as (lab, pbx):
            await talks(lab, 0)
            await logged(pbx, lambda calls: len(calls) == 1)
            server.stop(signal.SIGQUIT)
            gone, made, restarted = time.monotonic(), 1, False
            while (since := time.monotonic() - gone) < GONE_S:
                await talks(lab, made)
                made += 1
                assert spool.stat().st_size > 0
                assert await metric(pbx, "voronka_journal_failing")
                if since > RESTART_AFTER_S and not restarted:
                    # An engine that dies in a talk, and must be started just now, serves callers
                    # all the same.
                    talk = asyncio.create_task(calls_in(lab, made))
                    made += 1
                    await rises(pbx, 'voronka_agents{state="talking"}', 20)
                    await pbx.kill()
                    await talk
                    await pbx.start(wait=False)
                    await accepts(pbx)
                    restarted = True
                await asyncio.sleep(5)
            server.start()
            # What only the log knows is taken over by an engine that begins anew.
            await began(pbx, times=3)
            await talks(lab, made)
            made += 1
            calls = await logged(
                pbx, lambda calls: len(calls) == made and all(one.outcome for one in calls)
            )
            assert {one.outcome for one in calls} == {"answered"}
            whole = [one for one in calls if not one.reconstructed]
            # The one in whose talk the engine was killed is known from Asterisk's records.
            assert len(whole) >= made - 1
            for one in whole:
                legs = story_of(pbx, one.call_id).legs
                assert [leg.disposition for leg in legs if leg.kind == "device"] == ["answered"]
            assert not spool.exists()
            assert await metric(pbx, "voronka_journal_failing") == 0
