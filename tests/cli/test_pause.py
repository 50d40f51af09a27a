"""``pbx pause`` and ``pbx unpause`` against the control socket of an engine that answers as we
say."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli import main
from pbx.control import ControlServer, Request


@pytest.mark.parametrize(
    ("words", "state", "said"),
    [
        (["pause", "anna", "--reason", "lunch"], "paused", "paused\n"),
        (["pause", "anna", "--reason", "lunch"], "talking", "paused when no longer talking\n"),
        (["unpause", "anna"], "free", "not paused: free\n"),
        (["unpause", "anna", "--json"], "free", {"agent": "anna", "state": "free"}),
    ],
)
async def test_the_engine_is_asked_and_its_answer_told(
    words: list[str],
    state: str,
    said: str | dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests: list[Request] = []

    async def answer(request: Request, author: str) -> dict[str, object]:
        requests.append(request)
        return {"agent": "anna", "state": state}

    monkeypatch.setenv("VORONKA_STATE_DIR", str(tmp_path))
    server = ControlServer(tmp_path, answer)
    await server.start()
    try:
        done = await asyncio.to_thread(CliRunner().invoke, main, words)
    finally:
        await server.stop()

    assert done.exit_code == 0
    assert (done.output if isinstance(said, str) else json.loads(done.output)) == said
    (request,) = requests
    expected = {"command": words[0], "agent": "anna"}
    assert (
        request.items() >= (expected | ({"reason": "lunch"} if words[0] == "pause" else {})).items()
    )


def test_a_pause_needs_a_reason() -> None:
    assert CliRunner().invoke(main, ["pause", "anna"]).exit_code == 2
