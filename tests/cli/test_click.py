"""``pbx click`` against the control socket of an engine that answers as we say."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli import main
from pbx.click_words import WORDS
from pbx.clicking import answer_click
from pbx.control import ControlServer, Request
from pbx.engine.clicks import ClickResult
from pbx.errors import ControlError


def test_each_result_has_its_words() -> None:
    assert WORDS.keys() == {one.value for one in ClickResult}


@pytest.mark.parametrize(
    ("result", "code"), [(ClickResult.RINGING, 0), (ClickResult.PAUSED, 1), (ClickResult.HOURS, 1)]
)
async def test_the_exit_code_says_whether_somebody_is_rung(
    result: ClickResult, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []

    async def answer(request: Request, author: str) -> dict[str, object]:
        asked.append(request)
        return {"result": result.value, "accepted": result.accepted}

    monkeypatch.setenv("VORONKA_STATE_DIR", str(tmp_path))
    server = ControlServer(tmp_path, answer)
    await server.start()
    try:
        words = ["click", "anna", "+79161234567"]
        done = await asyncio.to_thread(CliRunner().invoke, main, words)
    finally:
        await server.stop()

    assert (done.exit_code, done.output) == (code, WORDS[result.value] + "\n")
    (request,) = asked
    assert (request["agent"], request["number"]) == ("anna", "+79161234567")


@pytest.mark.parametrize("request_", [{}, {"agent": "anna"}, {"agent": 1, "number": "2"}])
async def test_a_request_that_is_none_is_refused(request_: Request) -> None:
    with pytest.raises(ControlError, match="an agent and a number"):
        await answer_click(None, request_, "me")
    with pytest.raises(ControlError, match="another engine"):
        await answer_click(None, {"agent": "anna", "number": "2"}, "me")
