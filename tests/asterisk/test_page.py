"""The page beside a real engine."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import aiohttp
import pytest

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess

pytestmark = pytest.mark.asterisk
HOST = "127.0.0.1"


async def test_a_port_that_is_taken_keeps_no_engine_and_the_page_comes_when_it_is_free(
    plan: Path, tmp_path: Path
) -> None:
    async with AsteriskLab() as lab:
        with socket.create_server((HOST, 0)) as other:
            port = other.getsockname()[1]
            settings = {"VORONKA_WEB": "on", "VORONKA_WEB_PORT": str(port)}
            pbx = PbxProcess(lab, plan, tmp_path / "state", settings=settings)
            await pbx.start()  # it takes calls
            async with asyncio.timeout(60):
                while "VORONKA_WEB_PORT" not in pbx.log.read_text():  # noqa: ASYNC110 (its own process)
                    await asyncio.sleep(0.1)
        try:
            text = await _login(port)
        finally:
            await pbx.stop()
    assert "pbx users add" in text


async def test_the_engine_goes_before_others_its_page_does_not(plan: Path, tmp_path: Path) -> None:
    """As far as this system lets it, and no further where it is not wanted."""
    page = {"VORONKA_WEB": "on", "VORONKA_WEB_PORT": "0"}
    async with AsteriskLab() as lab:
        async with PbxProcess(lab, plan, tmp_path / "state", settings=page) as pbx:
            assert pbx.process is not None
            policy = os.sched_getscheduler(pbx.process.pid) & ~os.SCHED_RESET_ON_FORK
            tasks = Path(f"/proc/{pbx.process.pid}/task/{pbx.process.pid}")
            others = [int(one) for one in (tasks / "children").read_text().split()]
            others += [int(one.name) for one in tasks.parent.iterdir() if one != tasks]

            assert f"voronka_realtime {float(policy == os.SCHED_RR)}" in await pbx.metrics()
            assert others
            assert {os.sched_getscheduler(one) for one in others} == {os.SCHED_OTHER}
        off = {"VORONKA_REALTIME": "off"}
        async with PbxProcess(lab, plan, tmp_path / "state", settings=off) as pbx:
            assert pbx.process is not None
            assert os.sched_getscheduler(pbx.process.pid) == os.SCHED_OTHER
            assert "voronka_realtime 0.0" in await pbx.metrics()


async def _login(port: int) -> str:
    """The page, as soon as it answers."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        while True:
            try:
                async with session.get(f"http://{HOST}:{port}/login") as answer:
                    assert answer.status == 200
                    return await answer.text()
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.2)
