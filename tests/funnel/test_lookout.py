"""The engine looks for fallen stages by itself, and /metrics tells."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, select

from pbx.funnel.book import key_of, note
from pbx.funnel.lookout import Lookout
from pbx.funnel.stages import StageEvent
from pbx.funnel.watch import EPOCH, Look
from pbx.journal.tables import outbox
from pbx.metrics import Metrics
from pbx.plan.model import FunnelPlan, Plan
from pbx.reports.columns import ColumnStore
from pbx.webhooks.kinds import EventKind
from tests.reports.randomlog import opened
from tests.world import agent, plan, sales

NOW = datetime(2026, 11, 23, tzinfo=UTC)
STAGES = FunnelPlan({"cold-call": "cold call", "meeting": "meeting", "deal": "deal"}, 30.0, 86400.0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Engine]:
    engine = opened(tmp_path)
    yield engine
    engine.dispose()


def company() -> Plan:
    anna = agent("anna")
    return replace(plan([anna], [sales(anna)]), funnel=STAGES)


def passed(stage: str, who: int, at: datetime) -> StageEvent:
    subject = f"+7916{who:07}"
    return StageEvent(key_of(stage, subject, at, ""), stage, subject, at, number=subject)


def weeks_of_cold_calls(recent_meetings: int) -> list[StageEvent]:
    """100 a week, of which 40 lead to a meeting; in the last settled week fewer do."""
    until = Look().due(NOW, EPOCH)
    events = []
    for week in range(9):
        began = until - timedelta(weeks=week + 1)
        for n in range(100):
            who = week * 100 + n
            events.append(passed("cold-call", who, began + timedelta(hours=1)))
            if n < (recent_meetings if week == 0 else 40):
                events.append(passed("meeting", who, began + timedelta(days=2)))
    return events


async def test_a_stage_that_fell_is_a_number_above_zero_and_a_steady_one_is_zero(
    log: Engine, tmp_path: Path
) -> None:
    note(log, weeks_of_cold_calls(5), NOW)
    lookout = Lookout(log, ColumnStore(tmp_path / "columns"), log, company, lambda: NOW)
    registry = CollectorRegistry()
    Metrics(registry).funnel_source(lookout)

    def fallen(stage: str) -> float | None:
        labels = {"funnel": "sales", "stage": stage}
        return registry.get_sample_value("voronka_funnel_fallen_slices", labels)

    assert fallen("meeting") is None
    await lookout.look()

    assert fallen("meeting") == 1
    assert fallen("deal") == 0
    looked = registry.get_sample_value("voronka_funnel_looked_timestamp_seconds")
    assert looked == NOW.timestamp()


async def test_what_fell_is_told_to_webhooks_once_a_week(log: Engine, tmp_path: Path) -> None:
    note(log, weeks_of_cold_calls(5), NOW)
    now = NOW
    lookout = Lookout(log, ColumnStore(tmp_path / "columns"), log, company, lambda: now)

    def told() -> list[dict[str, object]]:
        query = select(outbox.c.body).where(outbox.c.kind == EventKind.STAGE_FELL)
        with log.connect() as connection:
            return [json.loads(body)["data"] for body in connection.execute(query).scalars()]

    for _ in range(3):
        await lookout.look()
        now += timedelta(hours=1)
    until = Look().due(NOW, EPOCH)
    (one,) = told()
    assert (one["funnel"], one["slice"], one["label"], one["stage"]) == ("sales", "", "", "meeting")
    assert (one["before_had"], one["before_came"]) == (800, 320)
    assert (one["recent_had"], one["recent_came"]) == (100, 5)
    assert one["until"] == until.isoformat()


async def test_a_log_that_can_not_be_read_is_looked_at_again(log: Engine, tmp_path: Path) -> None:
    looks = 0
    seen = asyncio.Event()

    def plan_in_force() -> Plan:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise OSError("gone")
        if looks == 3:
            seen.set()
        return company()

    store = ColumnStore(tmp_path / "columns")
    lookout = Lookout(log, store, log, plan_in_force, lambda: NOW, first_s=0, every_s=0)
    looking = asyncio.create_task(lookout.run())
    async with asyncio.timeout(20):
        await seen.wait()
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking

    assert lookout.looked_at == NOW.timestamp()
