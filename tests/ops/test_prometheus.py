"""The shipped rules in a real Prometheus that scrapes the engine's own /metrics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from lab.asterisk import HOST
from lab.ports import PortSlot
from pbx.http import start_http
from pbx.journal.port import Stamped
from pbx.metrics import Metrics
from pbx.web.metrics import WebMetrics
from routing.facts import WaitEnded
from routing.values import CallId, QueueId
from tests.ops.test_alerts import FOLDER, RULES, alerts, asked

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="no Prometheus here"),
]

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


class Fallen:
    """A funnel whose meetings got fewer."""

    fallen = {("sales", "meeting"): 2}  # noqa: RUF012 (read only)
    looked_at = 0.0


class Prometheus:
    """Debian's, on a loopback port, with the shipped configuration at the pace of a test."""

    def __init__(self, folder: Path, port: int, target: int, page: int) -> None:
        self._folder = folder
        self._port = port
        text = (FOLDER / "prometheus.yml").read_text()
        text = text.replace("_interval: 15s", "_interval: 1s")
        text = text.replace("127.0.0.1:9180", f"{HOST}:{target}")
        text = text.replace("127.0.0.1:9181", f"{HOST}:{page}")
        (folder / "prometheus.yml").write_text(text.replace("127.0.0.1:9090", f"{HOST}:{port}"))
        for file in RULES:
            (folder / file.name).write_text(
                file.read_text().replace("interval: 30s", "interval: 1s")
            )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address={HOST}:{self._port}",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    async def ask(self, path: str, **params: str) -> Any:
        """``data`` of its answer; None while it does not answer."""
        url = f"http://{HOST}:{self._port}/api/v1/{path}"
        try:
            async with aiohttp.ClientSession() as session, session.get(url, params=params) as one:
                told = json.loads(await one.text())
        except (aiohttp.ClientConnectionError, ValueError):
            return None
        assert told["status"] == "success", (params, told)
        return told["data"]

    async def value(self, query: str) -> float | None:
        """Of the one series that the query has."""
        data = await self.ask("query", query=query)
        found = data["result"] if data else []
        return float(found[0]["value"][1]) if len(found) == 1 else None


async def until(holds: Callable[[], Awaitable[bool]], deadline_s: float = 40.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not await holds():  # noqa: ASYNC110 (another process does it)
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_rules_are_loaded_alerts_fire_and_panels_have_answers(tmp_path: Path) -> None:
    slot = PortSlot()
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.funnel_source(Fallen())
    metrics.ami_connected(True)
    metrics.plan_loaded(NOW.timestamp(), ok=True)
    web = WebMetrics(CollectorRegistry())
    web.live_source(lambda: 7, lambda: True)
    target, page, port = slot.port(), slot.port(), slot.port()
    runner = await start_http(HOST, target, registry=registry, ready=lambda: {})
    page_runner = await start_http(HOST, page, registry=web.registry, ready=lambda: {})
    prometheus = Prometheus(tmp_path, port, target, page)

    def waits(seconds: float, reason: str) -> None:
        ended = WaitEnded(CallId("c"), QueueId("sales"), seconds, reason)
        metrics.observe(Stamped(NOW, ended))

    async def firing() -> bool:
        data = await prometheus.ask("alerts")
        found = data["alerts"] if data else []
        return {one["labels"]["alertname"] for one in found if one["state"] == "firing"} == {
            "VoronkaFunnelFell"
        }

    async def scraped() -> bool:
        return await prometheus.value('count(voronka_wait_seconds_count{ended="left"})') == 1

    async def viewers() -> bool:
        return await prometheus.value("voronka_web_viewers") == 7

    async def service_level() -> bool:
        level = await prometheus.value("queue:voronka_service_level_of_offered:ratio1h")
        return level is not None and abs(level - 0.6) < 0.001

    try:
        async with prometheus.running():
            waits(3.0, "joined")
            waits(30.0, "joined")
            waits(40.0, "left")
            waits(1.0, "left")
            await until(scraped)
            await until(viewers)
            # An increase begins with the first value that was scraped: 3 of 5, and a short one.
            for seconds, reason in ((1, "joined"), (5, "joined"), (20, "joined"), (21, "joined")):
                waits(seconds, reason)
            waits(60.0, "left")
            waits(2.0, "left")
            await until(service_level)
            await until(firing)
            groups = (await prometheus.ask("rules"))["groups"]
            loaded = [rule for group in groups for rule in group["rules"]]
            assert {one["name"] for one in loaded if one["type"] == "alerting"} == {
                one["alert"] for one in alerts()
            }
            assert {one["health"] for one in loaded} == {"ok"}
            for expr in asked().values():
                if not expr.startswith("label_values"):
                    query = expr.replace("$queue", ".*").replace("$number", ".*")
                    assert await prometheus.ask("query", query=query) is not None
    finally:
        await runner.cleanup()
        await page_runner.cleanup()
        slot.close()
