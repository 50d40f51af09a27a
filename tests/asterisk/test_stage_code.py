"""A manager dials a stage of the funnel after a talk."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from lab.asterisk import HOST, AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Phone
from tests.asterisk.running import QUEUE, logged

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]

CLIENT = "+79161234567"


async def test_the_client_of_the_last_talk_passes_it_once(plan: Path, tmp_path: Path) -> None:
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        Phone(lab, "anna", Answer(200, talk_ms=800)),
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
    ):
        await Caller(lab, Dialling(QUEUE, from_number=CLIENT)).run(30)
        (call,) = await logged(pbx, lambda calls: bool(calls) and calls[0].outcome is not None)

        async def dials(code: str) -> None:
            seen = await Caller(lab, Dialling(code, from_number="anna"), host=HOST).run(20)
            assert seen.status == 200
            assert seen.ended_at is not None

        for code in ("*72", "*72", "*799"):
            await dials(code)
        passed: dict[str, int] = {}
        async with asyncio.timeout(20):
            while not any(passed.values()):
                said = (await pbx.command("funnel", "--json", "--since", "today"))[1]
                whole = json.loads(said)["total"]
                passed = {step["stage"]: step["count"] for step in whole["steps"]}
        assert {name: count for name, count in passed.items() if count} == {"meeting": 1}
        assert call.outcome == "answered"
        await lab.nothing_left()
        assert lab.log_errors() == []
