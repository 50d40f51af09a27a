"""A voicemail on a real Asterisk, told by mail to who has to listen to it."""

from __future__ import annotations

import asyncio
import io
import wave
from pathlib import Path

import numpy as np
import pytest

from lab.asterisk import AsteriskLab
from lab.service import PbxProcess
from lab.sipp import Caller, Dialling
from tests.asterisk.running import DID, logged
from tests.webhooks.post_office import PostOffice, post_office

pytestmark = [pytest.mark.asterisk, pytest.mark.timeout(120)]

PLAN = """
settings: {region: RU, time_zone: Europe/Moscow, languages: [ru]}
prompts: {hello: {sound: beep}}
menus: {leave: {voicemail: sales, say: hello}}
numbers: {"+78005553535": {entry: leave}}
"""
TARGETS = """
targets:
  office:
    smtp: 127.0.0.1:%d
    tls: none
    from: pbx@example.org
    to: head@example.org
    boxes: {sales: sales@example.org}
    events: [voicemail.left]
"""
TONE_HZ = 500


async def came(office: PostOffice, count: int, deadline_s: float = 40.0) -> None:
    async with asyncio.timeout(deadline_s):
        while len(office.envelopes) < count:  # noqa: ASYNC110 (a list: there is nothing to await)
            await asyncio.sleep(0.05)


def loudest_hz(sound: bytes) -> float:
    with wave.open(io.BytesIO(sound)) as file:
        rate: int = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return int(np.argmax(np.abs(np.fft.rfft(samples)))) * rate / samples.size


async def test_a_voicemail_comes_by_mail_though_server_and_engine_go_away(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN, encoding="utf-8")
    targets = tmp_path / "targets.yaml"
    caller = Dialling(
        DID, from_number="+79161234567", from_name="Иван Петров", tone_hz=TONE_HZ, talk_ms=5000
    )
    # It takes nothing at first: the message waits, also while the engine is gone.
    async with post_office("451 try later", "451 try later", "250 OK") as office:
        targets.write_text(TARGETS % office.port, encoding="utf-8")
        async with (
            AsteriskLab(phones=[]) as lab,
            PbxProcess(
                lab, plan, tmp_path / "state", settings={"VORONKA_WEBHOOKS_FILE": str(targets)}
            ) as pbx,
        ):
            seen = await Caller(lab, caller).run(30)
            assert seen.answered
            (call,) = await logged(pbx, lambda calls: bool(calls) and calls[0].outcome is not None)
            assert call.outcome == "voicemail"
            await came(office, 1)
            await pbx.kill()
            await pbx.start()
            await came(office, 3)

    envelope = office.envelopes[-1]
    assert envelope.rcpt_tos == ["sales@example.org"]
    assert len({office.mail(at)["Message-ID"] for at in range(len(office.envelopes))}) == 1
    mail = office.mail()
    assert mail["Subject"].startswith("Голосовое сообщение: Иван Петров, +79161234567")
    body = mail.get_body()
    assert body is not None
    assert "(Europe/Moscow)" in body.get_content(), (
        "the plan's time zone, where the target has none"
    )
    (sound,) = mail.iter_attachments()
    assert sound.get_content_type() == "audio/wav"
    assert loudest_hz(sound.get_content()) == pytest.approx(TONE_HZ, abs=5)
