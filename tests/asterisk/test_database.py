"""The log's database takes nothing while real calls go on."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Phone
from tests.asterisk.running import QUEUE, logged, story_of

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]


@contextlib.contextmanager
def locked(pbx: PbxProcess) -> Iterator[None]:
    other = sqlite3.connect(pbx.folder / "voronka.db", isolation_level=None)
    other.execute("begin exclusive")
    try:
        yield
    finally:
        other.execute("rollback")
        other.close()


async def metric(pbx: PbxProcess, name: str) -> float:
    lines = (await pbx.metrics()).splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


async def rises(pbx: PbxProcess, name: str, deadline_s: float = 40.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not await metric(pbx, name):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def company(plan: Path, tmp_path: Path) -> AsyncIterator[tuple[AsteriskLab, PbxProcess]]:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(200, talk_ms=1000)),
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
    ):
        yield lab, pbx


async def talks(lab: AsteriskLab, number: int) -> None:
    """A call that is answered, whatever becomes of the log."""
    dialling = Dialling(QUEUE, from_number=f"+7916000000{number}", talk_ms=10_000)
    seen = await Caller(lab, dialling).run(30)
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
        with locked(pbx):
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
