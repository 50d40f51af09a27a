"""The page's process beside the engine: whatever becomes of it, calls never wait."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx import web_process
from pbx.web_process import WebProcess


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 (another process moves)
            await asyncio.sleep(0.01)


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


async def test_it_is_started_again_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr("pbx.web_process.asyncio.sleep", sleep)
    process = WebProcess(program("raise SystemExit(1)"), {})
    process.start()
    async with asyncio.timeout(20):
        while process.starts < 4:
            await real(0.01)
    await process.stop()

    assert pauses[:3] == [1.0, 2.0, 4.0]


async def test_what_is_not_there_harms_nobody() -> None:
    process = WebProcess(("/no/such/program",), {})
    process.start()
    await asyncio.sleep(0)
    await process.stop()

    assert process.starts == 0


async def test_it_ends_with_the_engine_and_gets_none_of_its_secrets(tmp_path: Path) -> None:
    said = tmp_path / "env"
    text = (
        "import os, sys, pathlib\n"
        f"pathlib.Path({str(said)!r}).write_text(repr(dict(os.environ)))\n"
        "sys.stdin.buffer.read()\n"
        f"pathlib.Path({str(said)!r}).unlink()\n"
    )
    env = {
        "VORONKA_AMI_SECRET": "hidden-1",
        "VORONKA_MISSED_WEBHOOK_SECRET_FILE": "hidden-2",
        "VORONKA_LOOKUP_SECRET": "hidden-3",
        "VORONKA_DB": "sqlite:///x",
    }
    process = WebProcess(program(text), env)
    process.start()
    await until(lambda: said.exists() and said.read_text().endswith("}"))
    told = said.read_text()
    assert "VORONKA_DB" in told
    assert "hidden" not in told
    pid = process.pid
    assert pid is not None
    await process.stop()

    assert process.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_one_that_does_not_listen_is_ended_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_process, "STOP_S", 0.2)
    ready = tmp_path / "ready"
    text = (
        "import signal, pathlib, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(600)\n"
    )
    process = WebProcess(program(text), {})
    process.start()
    await until(ready.exists)
    await process.stop()

    assert process.pid is None
