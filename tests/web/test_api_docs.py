"""docs/api.md's examples, run with curl against the page and an engine."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from pbx.web.accounts.tokens import Paper, add_token
from pbx.web.openapi import operations
from pbx.web.principal import Scope
from pbx.web.state import WebState
from tests.web.beside import free_port
from tests.web.house import house, served
from tests.web.people import BY

DOC = Path(__file__).parents[2] / "docs" / "api.md"
TEXT = DOC.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```sh\n(.*?)```\n\n```json\n(.*?)```", TEXT, re.DOTALL)
VARIES = {"since", "today", "what"}


def shape(of: Any) -> Any:
    """Without what differs from one machine or day to another."""
    if isinstance(of, dict):
        return {key: type(one) if key in VARIES else shape(one) for key, one in of.items()}
    return [shape(one) for one in of] if isinstance(of, list) else of


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_every_example_answers_as_is_shown(app: FastAPI, state: WebState) -> None:
    paper = Paper("crm", frozenset(Scope) - {Scope.ADMIN}, ("*",), None)
    _, token = await asyncio.to_thread(add_token, state.write, paper, by=BY, at=state.now())
    port = free_port()
    env = {**os.environ, "PBX": f"http://127.0.0.1:{port}", "TOKEN": token}
    assert len(EXAMPLES) == TEXT.count("```sh") == TEXT.count("curl -sS")
    async with served(app, port), house(state):
        for command, shown in EXAMPLES:
            process = await asyncio.create_subprocess_exec(
                "sh", "-ec", command, env=env, stdout=asyncio.subprocess.PIPE
            )
            said, _ = await process.communicate()
            assert shape(json.loads(said)) == shape(json.loads(shown)), command


def test_every_resource_is_listed(app: FastAPI) -> None:
    listed = set(re.findall(r"^\| `(?:GET|POST) ([^|]+)` \|", TEXT, re.MULTILINE))
    words = " ".join(listed)
    for path in app.openapi()["paths"]:
        short = re.sub(r"\{\w+\}", "{id}", path.removeprefix("/api/v1"))
        assert short in words or short.rsplit("/", 1)[-1] in words, short
    assert len(list(operations(app.openapi()))) >= len(listed)
