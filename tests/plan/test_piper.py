"""The speech engine piper itself, with a voice of one tone: as long as there is much to say."""

from __future__ import annotations

import json
import os
import shutil
import wave
from array import array
from pathlib import Path

import pytest
from click.testing import CliRunner

from ivr.nodes import Prompt, PromptKind
from pbx.cli import main
from pbx.plan.load import load
from pbx.plan.prompts import PromptStore, missing
from pbx.plan.telephone_sound import is_telephone_sound
from routing.strategy import Registry

TONE = Path(__file__).parent / "voices/tone.onnx"
"""1,000 samples a phoneme, times the length of each sound; made by ``onnx.helper`` out of
Range, Mul and Sin."""
PLAN = """
settings:
  region: RU
  time_zone: Europe/Moscow
  languages: ru
  speech: {{engine: piper, voices: {{ru: {voice}}}, speed: {speed}}}
prompts:
  short: {{text: {{ru: "Алло"}}}}
  long: {{text: {{ru: "- Здравствуйте! \\"Ромашка\\"; $(reboot) слушает: нажмите один."}}}}
menus:
  welcome: {{menu: [short, long], keys: {{1: {{hangup: short}}}}}}
numbers:
  "+78005553535": {{entry: welcome}}
"""


@pytest.fixture
def _piper(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Path(os.environ.get("VORONKA_CACHE", "/var/cache/voronka"))
    folder = next((one.parent for one in sorted(cache.glob("piper-*/bin/piper"))), None)
    if folder is not None:
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    elif shutil.which("piper") is None:
        pytest.skip("no piper here: ./run test sets it up where PyPI has it")


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """A voice as an admin puts it down: the model, and its configuration beside it."""
    model = tmp_path / "voices/ru_RU-tone.onnx"
    model.parent.mkdir()
    shutil.copy(TONE, model)
    letters = ["_", "^", "$", *"abvɡdeʒzijklmnoprstufxʃɕɭɪɐəʊɨɛɵˈˌːʲ .,!?:;"]
    config = {
        "audio": {"sample_rate": 22050, "quality": "low"},
        "espeak": {"voice": "ru"},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_map": {},
        "phoneme_id_map": {letter: [number] for number, letter in enumerate(letters)},
        "num_symbols": len(letters),
        "num_speakers": 1,
        "speaker_id_map": {},
    }
    Path(f"{model}.json").write_text(json.dumps(config))
    return model


def plan_file(tmp_path: Path, voice: Path, speed: str = "normal") -> Path:
    path = tmp_path / f"{speed}.yaml"
    path.write_text(PLAN.format(voice=voice, speed=speed))
    return path


def samples(tmp_path: Path, voice: Path, speed: str, name: str) -> array[int]:
    """What a caller hears, at 8,000 samples a second."""
    plan = load(plan_file(tmp_path, voice, speed), registry=Registry.builtin())
    store = PromptStore(plan, tmp_path / "sounds", "/var/sounds/voronka")
    assert store.prepare() == []
    prompt = next(one for one in plan.prompts if one.name == name)
    sound = store.sound(Prompt(PromptKind.TEXT, name, prompt.text), "ru")
    store.close()
    file = tmp_path / "sounds" / f"{sound.rpartition('/')[2]}.wav"
    assert is_telephone_sound(file)
    with wave.open(str(file)) as heard:
        return array("h", heard.readframes(heard.getnframes()))


@pytest.mark.slow
@pytest.mark.usefixtures("_piper")
def test_it_speaks_what_the_plan_says_as_fast_as_it_says(tmp_path: Path, voice: Path) -> None:
    short = samples(tmp_path, voice, "normal", "short")
    long = samples(tmp_path, voice, "normal", "long")
    slow = samples(tmp_path, voice, "slow", "long")
    assert 3 * len(short) < len(long) < len(slow)
    assert max(long) > 8000, "a voice, not silence"


@pytest.mark.slow
@pytest.mark.usefixtures("_piper")
def test_a_voice_that_is_not_there_is_told_by_check(tmp_path: Path, voice: Path) -> None:
    said = CliRunner().invoke(main, ["check", str(plan_file(tmp_path, voice))])
    assert said.exit_code == 0, said.output
    assert "piper" not in said.output
    Path(f"{voice}.json").unlink()
    plan = load(plan_file(tmp_path, voice), registry=Registry.builtin())
    assert {str(one) for one in missing(plan)} == {
        f'prompt "{name}" (ru): '
        f"piper's voice needs {voice}.json, which is not there (settings.speech.voices)"
        for name in ("short", "long")
    }
