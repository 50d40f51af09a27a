"""``pbx live`` beside a live socket: tables for people, a message a line for programs."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pbx.cli.live_screen import CALLS, STAGES, STATES, drawn
from pbx.live.figures import day
from pbx.live.rows import LiveStage
from pbx.live.server import LiveServer
from routing.values import AgentState
from tests.live.test_server import NOW, begins, make
from tests.web.test_live import picture

_PBX = (sys.executable, "-c", "from pbx.cli import main; main()")


async def pbx(folder: Path, *words: str, lines: int = 0) -> tuple[int, str]:
    """What it said; with ``lines`` it is ended after so many."""
    env = {**os.environ, "VORONKA_STATE_DIR": str(folder), "COLUMNS": "120"}
    process = await asyncio.create_subprocess_exec(
        *_PBX,
        "live",
        *words,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    async with asyncio.timeout(40):
        if not lines:
            said = (await process.communicate())[0]
        else:
            said = b"".join([await process.stdout.readline() for _ in range(lines)])
            process.terminate()
            await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def serving(folder: Path) -> LiveServer:
    server = make(folder, lambda: day({}, []))
    await server.start()
    begins(server, 1)
    return server


async def test_it_is_shown_once(tmp_path: Path) -> None:
    code, said = await pbx(tmp_path, "--once")
    assert (code, "no engine listens" in said) == (1, True)
    server = await serving(tmp_path)
    code, said = await pbx(tmp_path, "--once")
    await server.stop()

    assert code == 0, said
    assert "1 menu" in said
    assert "Иван 1" in said
    assert "Anna" in said


@pytest.mark.slow
async def test_a_program_reads_a_message_a_line(tmp_path: Path) -> None:
    server = await serving(tmp_path)
    _, said = await pbx(tmp_path, "--json", lines=2)
    await server.stop()
    code, away = await pbx(tmp_path, "--json", "--once")

    first, second = map(json.loads, said.splitlines())
    assert (first["type"], second["type"]) == ("snapshot", "change")
    assert first["calls"][0]["name"] == "Иван 1"
    assert (code, away) == (1, "null\nError: no engine listens in " + str(tmp_path) + "\n")


def test_every_stage_and_state_has_its_place() -> None:
    assert set(STAGES) == set(LiveStage)
    assert set(STATES) == set(AgentState)


def test_nothing_in_a_name_moves_the_cursor_or_is_taken_for_a_style() -> None:
    whole = picture().snapshot()
    evil = {"name": "\x1b[2J[bold]Иван", "number": "+79161234567"}
    times = {"since": "2026-11-18T08:59:53.000Z", "waiting_since": "2026-11-18T08:58:55.000Z"}
    calls = [{**one, **evil, **times} for one in whole["calls"]]
    agents = [
        {**one, **evil, **times, "state": "paused", "reason": "\x07lunch", "reachable": True}
        for one in whole["agents"]
    ]
    queues = [
        {"id": "q", "name": "[red]q", "waiting": 3, "longest_since": None, "free": 0, "on_duty": 1}
    ]
    today = {
        "offered": 9,
        "answered": 8,
        "lost": 1,
        "open_missed": 2,
        "service_level_of_offered": 0.875,
    }
    out = io.StringIO()
    console = Console(file=out, width=140)
    shown = {**whole, "calls": calls, "agents": agents, "queues": queues, "today": today}
    console.print(drawn(shown, NOW))
    console.print(drawn({**shown, "ready": False, "calls": calls * 9, "today": None}, NOW))
    console.print(drawn(None, NOW))
    said = out.getvalue()

    assert "\x1b" not in said
    assert "\x07" not in said
    assert "[2J[bold]Иван" in said
    assert "[red]q" in said
    assert "1:05" in said, "who waits has done so since the wait began"
    assert "0:07" in said
    assert "9 calls, 8 answered (88% within 20 s), 1 lost, 2 to call back" in said
    assert "takes no calls" in said
    assert f"and {9 * len(calls) - CALLS} more" in said
    assert "the engine is not there" in said
