"""An engine's parts, built and connected to nothing yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx import wiring
from pbx.journal import outage
from pbx.journal.writer import SqlJournal
from pbx.settings import read_settings
from pbx.supervisor import Supervisor

PLAN = """
settings: {region: RU, time_zone: Europe/Moscow, languages: [en]}
managers: {anna: {name: Anna}}
queues: {sales: {members: [anna], strategy: linear}}
numbers: {"+78005553535": {entry: {queue: sales}}}
"""


async def test_a_log_that_goes_away_after_it_was_looked_at_keeps_nobody_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, database = tmp_path / "plan.yaml", tmp_path / "log.db"
    plan.write_text(PLAN)
    settings = read_settings(
        {
            "VORONKA_PLAN": str(plan),
            "VORONKA_DB": f"sqlite:///{database}",
            "VORONKA_AMI_SECRET": "a-long-secret",
            "VORONKA_STATE_DIR": str(tmp_path / "state"),
            "VORONKA_SOUNDS_DIR": str(tmp_path / "sounds"),
            "VORONKA_MESSAGES_DIR": str(tmp_path / "messages"),
            "VORONKA_RECORDINGS_DIR": str(tmp_path / "recordings"),
            "VORONKA_WEB": "off",
        }
    )
    looks = outage.start

    def start(journal: SqlJournal, url: str, state_dir: Path) -> None:
        looks(journal, url, state_dir)
        database.rename(tmp_path / "away.db")

    monkeypatch.setattr(outage, "start", start)
    monkeypatch.setattr(wiring, "set_up_logs", lambda form, level: None)
    service = await wiring.build(settings, Supervisor())
    await service.stop()
