"""How loud a recording is, piece by piece: exactly, whatever its length, in little memory."""

from __future__ import annotations

import io
import itertools
import resource
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.recordings import waveform as module
from pbx.recordings.waveform import NoWaveform, waveform

RATE = 8000


def sound(samples: np.ndarray, *, rate: int = RATE) -> io.BytesIO:
    """A WAV file: one row a frame, one column a channel."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.astype("<i2").tobytes())
    file.seek(0)
    return file


def plainly(samples: np.ndarray, pieces: int) -> tuple[tuple[int, ...], ...]:
    """The same, piece by piece."""
    frames, channels = samples.shape
    pieces = min(pieces, frames)
    edges = [i * frames // pieces for i in range(pieces)] + [frames] if pieces else []
    return tuple(
        tuple(
            int(np.abs(samples[begin:end, channel].astype(int)).max())
            for begin, end in itertools.pairwise(edges)
        )
        for channel in range(channels)
    )


@settings(max_examples=150, deadline=None)
@given(
    frames=st.integers(0, 700),
    channels=st.integers(1, 2),
    pieces=st.integers(1, 900),
    at_once=st.integers(1, 800),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_piece_has_its_loudest_sample(
    frames: int, channels: int, pieces: int, at_once: int, seed: int
) -> None:
    samples = np.random.default_rng(seed).integers(-32768, 32768, (frames, channels))
    before = module._AT_ONCE
    module._AT_ONCE = at_once
    try:
        made = waveform(sound(samples), pieces)
    finally:
        module._AT_ONCE = before

    assert made.lanes == plainly(samples, pieces)
    assert made.length_s == frames / RATE


def test_the_loudest_negative_sample_is_no_silence() -> None:
    assert waveform(sound(np.array([[-32768, 32767]])), 1).lanes == ((32768,), (32767,))


def test_a_file_that_was_cut_tells_what_is_there() -> None:
    whole = sound(np.full((1000, 2), 500)).getvalue()
    made = waveform(io.BytesIO(whole[: 44 + 4 * 100 + 3]), 10)

    assert made.lanes[0][0] == 500
    assert made.lanes[0][-1] == 0
    assert made.length_s == 100 / RATE


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"sound",
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 0, 8000, 0, 0, 16),
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"
        + struct.pack("<HHIIHH", 1, 1, 8000, 8000, 1, 8)
        + b"data\4\0\0\0abcd",
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"
        + struct.pack("<HHIIHH", 1, 1, 0, 0, 2, 16)
        + b"data\4\0\0\0abcd",
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"
        + struct.pack("<HHIIHH", 1, 7, 8000, 8000, 14, 16)
        + b"data\4\0\0\0abcd",
    ],
)
def test_what_is_no_sound_of_ours_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(NoWaveform):
        waveform(io.BytesIO(content), 100)


def test_two_hours_take_no_more_memory_than_a_minute(tmp_path: Path) -> None:
    """230 MB of sound; the process's peak grows by a few parts of it."""
    file = tmp_path / "long.wav"
    frames = 2 * 3600 * RATE
    with wave.open(str(file), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(RATE)
        minute = np.zeros((60 * RATE, 2), "<i2")
        minute[-1] = (7000, -9000)
        for _ in range(120):
            out.writeframes(minute.tobytes())
    with file.open("rb") as opened:
        waveform(sound(minute), 100)
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        made = waveform(opened, 120)
        after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert made.length_s == frames / RATE
    assert made.lanes == ((7000,) * 120, (9000,) * 120)
    assert after_kb - before_kb < 40_000
