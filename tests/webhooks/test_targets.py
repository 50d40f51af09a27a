"""The file of targets: read whole, or every mistake told at its place."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from pbx.errors import SettingsError
from pbx.webhooks.kinds import ALL_KINDS
from pbx.webhooks.outbox import Message
from pbx.webhooks.target import Target
from pbx.webhooks.targets import read_targets
from pbx.webhooks.webhook import dressed
from tests.missed.day import BEGAN

GOOD = """\
targets:
  crm:
    url: https://crm.example.org/hook
    secret_file: secret
    events: all
    audio_kb: 1
    link: https://pbx.example.org/{box}/{path}
  wall:
    url: http://10.0.0.7/
    allow_http: true
    secret_file: secret
    events: [call.ended, call.started]
"""
LEFT = '{"type":"voicemail.left","timestamp":"x","data":{"box":"a b","path":"%s"}}'


def targets(folder: Path, text: str) -> Path:
    (folder / "secret").write_text("k" * 24 + "\n")
    (folder / "short").write_text("k")
    file = folder / "targets.yaml"
    file.write_text(text)
    return file


def test_each_target_has_its_own_events_and_secret(tmp_path: Path) -> None:
    crm, wall = read_targets(targets(tmp_path, GOOD), tmp_path)

    assert isinstance(crm, Target)
    assert (crm.name, crm.events, crm.audio_bytes) == ("crm", ALL_KINDS, 1024)
    assert wall.events == {"call.ended", "call.started"}
    assert "kkkk" not in repr(crm)


@pytest.mark.parametrize(
    ("wrong", "right", "words"),
    [
        ("events: all", "events: [call.endet]", 'unknown event "call.endet"'),
        ("events: all", "event: all", 'unknown key "event"'),
        ("https://crm.example.org/hook", "http://crm.example.org/hook", "is http"),
        ("https://crm.example.org/hook", "https://169.254.169.254/", "metadata"),
        ("secret_file: secret", "secret_file: short", "shorter than 24 bytes"),
        ("secret_file: secret", "secret_file: none", "can't be read"),
        ("  crm:", "  missed:", "can't be a target's name"),
        ("audio_kb: 1", "audio_kb: much", "expected a number"),
        ("{box}", "{secret}", "unknown name {secret}"),
        ("targets:", "target:", "expected targets:"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    tmp_path: Path, wrong: str, right: str, words: str
) -> None:
    file = targets(tmp_path, GOOD.replace(wrong, right, 1))
    with pytest.raises(SettingsError) as raised:
        read_targets(file, tmp_path)

    assert words in str(raised.value)
    assert f"{file}:" in str(raised.value)
    assert "kkkk" not in str(raised.value)


def test_a_voicemail_brings_its_sound_only_from_its_folder_and_up_to_a_size(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "messages"
    folder.mkdir()
    (folder / "1.wav").write_bytes(b"RIFF")
    (folder / "2.wav").write_bytes(b"R" * 2000)
    crm, _ = read_targets(targets(tmp_path, GOOD), folder)
    assert isinstance(crm, Target)

    def sent(path: Path) -> str:
        return dressed(Message("m", "voicemail.left", BEGAN, LEFT % path, 0), crm).decode()

    assert base64.b64encode(b"RIFF").decode() in sent(folder / "1.wav")
    assert "https://pbx.example.org/a%20b/" in sent(folder / "1.wav")
    assert "longer than 1 KB" in sent(folder / "2.wav")
    assert "the file is gone" in sent(folder / "3.wav")
    assert "not in the folder" in sent(folder / ".." / "secret")
