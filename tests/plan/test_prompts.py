"""Prompts: spoken once, replaced by a recording at any time, never the end of a call."""

from __future__ import annotations

import os
import shutil
import sys
import wave
from array import array
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.nodes import Prompt, PromptKind
from pbx.plan.load import load
from pbx.plan.model import Plan, Speech
from pbx.plan.prompts import SILENCE, PromptStore, missing
from pbx.plan.telephone_sound import is_telephone_sound
from routing.strategy import Registry

ROOT = Path(__file__).parent.parent.parent
SPEAKER = (
    "import sys, wave\n"
    "text = open(sys.argv[1], encoding='utf-8').read()\n"
    "assert sys.stdin.buffer.read().decode() == text\n"
    "if 'fail' in text: sys.exit('no voice today')\n"
    "if 'mute' in text: sys.exit(0)\n"
    "open(sys.argv[3], 'a').write(text)\n"
    "file = wave.open(sys.argv[2], 'wb')\n"
    "file.setparams((1, 2, 22050, 0, 'NONE', ''))\n"
    "file.writeframes(bytes(2 * 22050))\n"
    "file.close()\n"
)
HELLO = Prompt(PromptKind.TEXT, "hello", {"ru": "Здравствуйте", "en": "Hello"})
BYE = Prompt(PromptKind.TEXT, "bye", {"ru": "Пока"})
NOTE = Prompt(PromptKind.FILE, "year/note")


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """What the speech engine has said, a line each."""
    return tmp_path / "spoken.txt"


@pytest.fixture
def plan(tmp_path: Path, spoken: Path) -> Plan:
    """A plan whose speech engine is a few lines of Python."""
    small = load(ROOT / "tests/plans/good/smallest.yaml", registry=Registry.builtin())
    command = (sys.executable, "-c", SPEAKER, "{text_file}", "{out}", str(spoken))
    return replace(
        small,
        prompts=(HELLO, BYE),
        languages=("ru", "en"),
        prompts_dir=tmp_path / "prompts",
        speech=Speech(command, {"ru": "ru", "en": "en"}),
    )


def store_of(plan: Plan, tmp_path: Path) -> PromptStore:
    return PromptStore(plan, tmp_path / "sounds", "/var/sounds/voronka/")


def record(plan: Plan, language: str, name: str, *, rate: int = 8000, channels: int = 1) -> Path:
    place = plan.prompts_dir / language / f"{name}.wav"
    place.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(place), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(array("h", [1000] * rate * channels).tobytes())
    return place


def file_of(sound: str, tmp_path: Path) -> Path:
    assert sound.startswith("/var/sounds/voronka/")
    return tmp_path / "sounds" / f"{sound.rpartition('/')[2]}.wav"


def test_a_text_is_spoken_once_into_a_telephone_sound(
    plan: Plan, tmp_path: Path, spoken: Path
) -> None:
    assert [str(one) for one in store_of(plan, tmp_path).prepare()] == [
        f'prompt "bye" (en): no text, and no recording {plan.prompts_dir}/en/bye.wav'
    ]
    store = store_of(plan, tmp_path)
    store.prepare()
    assert sorted(spoken.read_text().split()) == ["Hello", "Здравствуйте", "Пока"]
    sound = file_of(store.resolver()(HELLO, "en"), tmp_path)
    assert is_telephone_sound(sound)
    assert sound.stat().st_mode & 0o444 == 0o444
    assert file_of(store.sound(HELLO, "ru"), tmp_path) != sound


def test_a_changed_text_is_spoken_anew(plan: Plan, tmp_path: Path, spoken: Path) -> None:
    store_of(plan, tmp_path).prepare()
    changed = replace(plan, prompts=(replace(HELLO, text={"ru": "Привет"}),))
    store_of(changed, tmp_path).prepare()
    assert "Привет" in spoken.read_text()


def test_a_recording_replaces_the_text_from_the_next_caller_on(plan: Plan, tmp_path: Path) -> None:
    store = store_of(plan, tmp_path)
    store.prepare()
    before = store.sound(HELLO, "ru")
    place = record(plan, "ru", "hello")
    assert store.sound(HELLO, "ru") == before, "the text until the recording is converted"
    store.settle()
    first = store.sound(HELLO, "ru")
    assert first != before
    os.utime(place, (1, 1))
    assert store.sound(HELLO, "ru") == first, "the old recording until the new one is converted"
    store.settle()
    assert store.sound(HELLO, "ru") not in (first, before)
    place.unlink()
    assert store.sound(HELLO, "ru") == before
    store.close()


def test_a_recording_of_any_kind_becomes_a_telephone_sound(plan: Plan, tmp_path: Path) -> None:
    record(plan, "ru", "year/note", rate=44100, channels=2)
    both = replace(plan, prompts=(NOTE,), languages=("ru",))
    store = store_of(both, tmp_path)
    assert store.prepare() == []
    assert is_telephone_sound(file_of(store.sound(NOTE, "ru"), tmp_path))


def test_a_recording_that_cannot_be_played_is_told_and_the_text_heard(
    plan: Plan, tmp_path: Path
) -> None:
    store = store_of(plan, tmp_path)
    store.prepare()
    before = store.sound(HELLO, "ru")
    place = record(plan, "ru", "hello")
    place.write_text("not a sound")
    assert any("can't be played" in str(one) for one in store.prepare())
    store.sound(HELLO, "ru")
    store.settle()
    assert store.sound(HELLO, "ru") == before
    store.close()


@pytest.mark.parametrize(
    ("text", "why"), [("please fail", "no voice today"), ("mute", "wrote no sound")]
)
def test_a_speech_engine_that_fails_is_told_and_the_caller_hears_silence(
    plan: Plan, tmp_path: Path, text: str, why: str
) -> None:
    silent = replace(plan, prompts=(replace(BYE, text={"ru": text}),), languages=("ru",))
    store = store_of(silent, tmp_path)
    assert why in str(store.prepare()[0])
    assert store.sound(silent.prompts[0], "ru") == SILENCE
    assert [one.name for one in (tmp_path / "sounds").iterdir()] == []


@pytest.mark.parametrize(
    ("command", "voices", "why"),
    [
        (("no-such-speech-engine",), {"ru": "ru"}, "is not installed"),
        ((sys.executable,), {}, "has no voice"),
    ],
)
def test_missing_says_why(
    plan: Plan, command: tuple[str, ...], voices: Mapping[str, str], why: str
) -> None:
    dumb = replace(plan, speech=Speech(command, voices), prompts=(BYE,), languages=("ru",))
    assert [one.why for one in missing(dumb) if why in one.why]
    record(dumb, "ru", "bye")
    assert missing(dumb) == []


def test_a_language_that_is_missing_is_heard_in_the_plans_first(plan: Plan, tmp_path: Path) -> None:
    store = store_of(plan, tmp_path)
    store.prepare()
    assert store.sound(BYE, "en") == store.sound(BYE, "ru")
    assert store.sound(BYE, "../../etc") == store.sound(BYE, "ru")


def test_a_sound_of_the_switch_is_its_name(plan: Plan, tmp_path: Path) -> None:
    goodbye = Prompt(PromptKind.SOUND, "vm-goodbye")
    assert store_of(plan, tmp_path).sound(goodbye, "ru") == "vm-goodbye"


def test_a_text_cannot_become_an_option_of_the_speech_engine(plan: Plan, tmp_path: Path) -> None:
    sly = replace(plan, prompts=(replace(BYE, text={"ru": "--version; $(true) {out}"}),))
    store = store_of(sly, tmp_path)
    assert all("recording" in one.why for one in store.prepare())
    assert store.sound(sly.prompts[0], "ru") != SILENCE


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_espeak_speaks_the_shipped_plan(tmp_path: Path) -> None:
    shipped = load(ROOT / "config", registry=Registry.builtin())
    few = replace(shipped, prompts=tuple(one for one in shipped.prompts if "goodbye" in one.name))
    store = store_of(few, tmp_path)
    assert store.prepare() == []
    for language in ("ru", "en"):
        with wave.open(str(file_of(store.sound(few.prompts[0], language), tmp_path))) as sound:
            assert 1 < sound.getnframes() / sound.getframerate() < 10
            samples = array("h", sound.readframes(sound.getnframes()))
        assert max(samples) > 3000


def test_a_call_on_an_older_plan_hears_the_older_words(plan: Plan, tmp_path: Path) -> None:
    store = store_of(plan, tmp_path)
    store.prepare()
    old = store.sound(HELLO, "ru")
    other = Prompt(PromptKind.TEXT, "hello", {"ru": "Добрый день"})
    voices = Speech(plan.speech.command, {"ru": "another"})
    new = replace(plan, prompts=(other,), languages=("ru",), speech=voices)

    assert store.prepare(new) == []
    store.replace(new)

    assert store.sound(HELLO, "ru") == old
    assert store.sound(other, "ru") not in (old, SILENCE)
    assert store.sound(BYE, "ru") != SILENCE
