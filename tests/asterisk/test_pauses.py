"""A paused manager's phone stays silent, on a real Asterisk, over a restart of the engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Phone
from pbx.control import ask
from pbx.journal.tables import pauses
from tests.asterisk.running import logged
from tests.world import DID

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(90)]

PLAN = f"""
settings: {{region: RU, languages: [en], time_zone: UTC}}
managers:
  anna: {{name: Анна}}
  boris: {{name: Борис}}
queues:
  sales: {{members: [anna, boris], strategy: linear, ring_time: 15s}}
numbers:
  "{DID}": {{entry: {{queue: sales}}}}
"""


def kept(pbx: PbxProcess) -> list[tuple[str, str, str, str | None]]:
    """Each pause: whose, why, who began and who ended it."""
    engine = create_engine(pbx.database)
    column = pauses.c
    query = select(column.agent, column.reason, column.began_by, column.ended_by)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query.order_by(column.began_at))]
    finally:
        engine.dispose()


async def test_a_paused_manager_is_not_rung_even_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(200, talk_ms=500)) as anna,
        Phone(lab, "boris", Answer(200, talk_ms=500)) as boris,
    ):
        async with PbxProcess(lab, path, tmp_path / "state") as pbx:
            web: dict[str, object] = {"command": "pause", "agent": "anna"}
            web |= {"reason": "обед", "by": "maria"}
            reply = await asyncio.to_thread(ask, pbx.folder, web, timeout_s=5.0)
            assert (reply["agent"], reply["state"]) == ("anna", "paused")
            await Caller(lab, Dialling(DID[1:])).run(20)
            await lab.nothing_left()
            assert (len(anna.calls()), len(boris.calls())) == (0, 1)
            await pbx.kill()

        async with PbxProcess(lab, path, tmp_path / "state") as pbx:
            await Caller(lab, Dialling(DID[1:])).run(20)
            await lab.nothing_left()
            assert (len(anna.calls()), len(boris.calls())) == (0, 2)

            code, said = await pbx.command("unpause", "anna")
            assert (code, said) == (0, "not paused: free\n")
            assert (await pbx.command("unpause", "nobody"))[0] == 1
            await Caller(lab, Dialling(DID[1:])).run(20)
            await lab.nothing_left()
            assert (len(anna.calls()), len(boris.calls())) == (1, 2)
            await logged(pbx, lambda calls: len(calls) == 3 and all(c.outcome for c in calls))
            async with asyncio.timeout(5):
                while kept(pbx)[0][-1] is None:  # noqa: ASYNC110 (another process writes)
                    await asyncio.sleep(0.1)
        ((agent, reason, by, ended_by),) = kept(pbx)
        assert (agent, reason, by) == ("anna", "обед", "maria (web)")
        assert ended_by not in ("", None, "maria (web)")
        assert lab.log_errors() == []
