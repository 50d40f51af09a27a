"""The demo without Asterisk leaves a log of which every report can be asked."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import func, select

from lab.demo_simulated import play_simulated
from lab.morning import MORNING
from pbx.journal.database import open_for_reading
from pbx.journal.tables import call_facts, calls, missed

CONFIG = Path(__file__).parent.parent / "config"


@pytest.mark.slow
def test_the_simulated_morning_is_in_reports_and_among_missed_calls(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'voronka.db'}"
    said = io.StringIO()
    play_simulated(CONFIG, url, tmp_path, 10_000, Console(file=said, width=140))
    engine = open_for_reading(url)
    with engine.connect() as connection:
        logged = connection.scalar(select(func.count()).select_from(calls))
        told = connection.scalar(select(func.count()).select_from(call_facts))
        open_ = connection.scalar(select(func.count()).select_from(missed))
    engine.dispose()
    assert logged == told == len(MORNING.callers)
    assert open_
    assert f"{len(MORNING.callers)} callers" in said.getvalue()
