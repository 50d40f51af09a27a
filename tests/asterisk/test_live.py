"""The live state of ``pbx run``, followed from another process, while a real call goes by."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Answer, Caller, Dialling, Phone
from pbx.live.client import follow
from pbx.live.picture import Picture
from tests.asterisk.running import QUEUE

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(90)]


async def test_a_call_is_seen_to_ring_to_talk_and_to_be_counted(plan: Path, tmp_path: Path) -> None:
    picture = Picture()
    stages: list[str] = []
    states: list[str] = []
    async with (
        AsteriskLab(phones=["anna", "boris"]) as lab,
        PbxProcess(lab, plan, tmp_path / "state") as pbx,
        Phone(lab, "anna", Answer(700)),
        Caller(lab, Dialling(QUEUE, from_number="79161234567", talk_ms=5000)),
        asyncio.timeout(45),
        aclosing(follow(pbx.folder)) as messages,
    ):
        async for message in messages:
            assert message is not None, "the engine is there all the time"
            picture.take(message)
            now = picture.snapshot()
            stages += [row["stage"] for row in now["calls"]]
            states += [row["state"] for row in now["agents"] if row["id"] == "anna"]
            if now["today"] and now["today"]["answered"] == 1 and not now["calls"]:
                break
    assert "ringing" in stages
    assert "talking" in stages
    assert "talking" in states
    assert now["ready"]
    assert now["today"]["service_level_of_offered"] == 1.0
