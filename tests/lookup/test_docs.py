"""docs/lookup.md tells what is really asked and read, and its commands ask as the engine does."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from pathlib import Path

import pytest

from pbx.lookup.answer import read_answer
from pbx.lookup.crm import question
from pbx.lookup.port import Known, Request
from pbx.webhooks.webhook import signed
from routing.values import CallId
from tests.lookup.crm import crm, says

DOC = Path(__file__).parents[2] / "docs" / "lookup.md"
ASKED = Request(CallId("1795463763.12"), "+78005553535", "+79161234567", "Иван", "site", "ru")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)


def test_the_question_is_shown_as_it_is_asked() -> None:
    shown = json.loads(blocks("json")[0])

    assert json.loads(question(ASKED, 1_795_424_400.0)) == shown


def test_the_answer_shown_is_read_whole_and_the_schema_has_its_keys() -> None:
    answer, schema = blocks("json")[1:]

    assert read_answer(200, answer.encode()) == Known("ivanov", True, "ООО Ромашка", "en")
    properties = json.loads(schema)["properties"]
    assert properties.keys() == json.loads(answer).keys()
    for key, one in properties.items():
        kinds = {"string": "text", "boolean": True, "null": None, "number": 1}
        for kind, value in kinds.items():
            said = read_answer(200, json.dumps({key: value}).encode())
            assert isinstance(said, Known)
            assert bool(said.ignored) is (kind not in one["type"]), (key, kind)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="no curl")
async def test_the_commands_ask_a_crm_with_a_signature_that_holds() -> None:
    async with crm(says({"vip": True})) as fake:
        process = await asyncio.create_subprocess_exec(
            "sh",
            "-c",
            blocks("sh")[0].replace("-m 0.7", "-m 20"),
            env={**os.environ, "URL": fake.url, "SECRET": "k" * 24, "no_proxy": "*"},
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await process.communicate()

    assert json.loads(said) == {"vip": True}
    ((headers, body),) = fake.asked
    expected = signed(b"k" * 24, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
    assert headers["webhook-signature"] == expected["webhook-signature"]
    assert json.loads(body)["type"] == "call.lookup"
    assert json.loads(body)["data"].keys() == json.loads(blocks("json")[0])["data"].keys()
