"""The way of a sound to 8 kHz: what a telephone carries stays, what it can't goes."""

from __future__ import annotations

import math
import subprocess
import sys
import wave
from array import array
from pathlib import Path

import pytest

from pbx.plan import telephone_sound
from pbx.plan.telephone_sound import NotPlayable, convert, is_telephone_sound, resample


def tone(hertz: float, rate: int) -> array[float]:
    return array("d", [math.sin(2 * math.pi * hertz * at / rate) for at in range(rate // 2)])


def level_db(samples: array[float]) -> float:
    """Against a full tone."""
    middle = samples[300:-300]
    return 10 * math.log10(2 * sum(one * one for one in middle) / len(middle) + 1e-20)


@pytest.mark.parametrize("rate", [11025, 16000, 22050, 44100, 48000])
def test_speech_passes_and_what_would_fold_back_does_not(rate: int) -> None:
    for hertz in (300, 1000, 3000):
        assert abs(level_db(resample(tone(hertz, rate), rate))) < 0.3
    for hertz in (4500, 5000):
        assert level_db(resample(tone(hertz, rate), rate)) < -60


def test_the_length_stays() -> None:
    assert len(resample(tone(440, 22050), 22050)) == 4000
    assert len(resample(tone(440, 5000), 5000)) == 4000
    assert len(resample(array("d"), 22050)) == 0


def written(path: Path, rate: int, channels: int, width: int, frames: bytes) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(frames)
    return path


@pytest.mark.parametrize(("width", "half"), [(1, b"\xc0"), (2, b"\0\x40"), (3, b"\0\0\x40")])
@pytest.mark.parametrize("channels", [1, 2])
def test_every_width_and_all_channels_are_read(
    tmp_path: Path, width: int, half: bytes, channels: int
) -> None:
    source = written(tmp_path / "in.wav", 8000, channels, width, half * channels * 100)
    convert(source, tmp_path / "out.wav")
    assert is_telephone_sound(tmp_path / "out.wav")
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert set(array("h", file.readframes(100))) == {16384}


@pytest.mark.parametrize("content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVEfmt ", b"ID3" + bytes(100)])
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "in.wav"
    source.write_bytes(content)
    assert not is_telephone_sound(source)
    with pytest.raises(NotPlayable):
        convert(source, tmp_path / "out.wav")


def test_a_stream_that_promises_too_much_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    source = written(tmp_path / "in.wav", 22050, 1, 2, bytes(2 * 22050))
    data = bytearray(source.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\x7f"  # what espeak-ng --stdout writes
    source.write_bytes(data)
    convert(source, tmp_path / "out.wav")
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert file.getnframes() == 8000


def test_as_a_program_it_says_what_is_wrong(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", telephone_sound.__file__, "/nowhere.wav", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr
