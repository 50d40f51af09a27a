"""How loud a recording is, piece by piece: what its drawing is made of.

The file is read once from end to end, a part at a time: two hours take as much memory as a minute.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from typing import IO

import numpy as np

_AT_ONCE = 1 << 18
"""Frames read at once: a megabyte of stereo."""
_WIDTH = 2
"""Bytes of a sample."""
MAX_CHANNELS = 2


class NoWaveform(Exception):
    """It is no sound that we make: says why."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """``lanes``: of each channel the loudest sample of each piece, 0 to 32768.  All pieces are
    equally long but for a frame."""

    length_s: float
    lanes: tuple[tuple[int, ...], ...]


def waveform(file: IO[bytes], pieces: int) -> Waveform:
    """Of a WAV file of 16 bits, one or two channels; blocking.  Fewer pieces where there are fewer
    frames.  Raises NoWaveform and OSError."""
    assert pieces > 0
    try:
        with wave.open(file, "rb") as sound:
            return _waveform(sound, pieces)
    except (wave.Error, EOFError, ValueError) as error:
        raise NoWaveform(str(error) or "it ends in its head") from None


def _waveform(sound: wave.Wave_read, pieces: int) -> Waveform:
    channels, rate, frames = sound.getnchannels(), sound.getframerate(), sound.getnframes()
    if sound.getsampwidth() != _WIDTH or not 0 < channels <= MAX_CHANNELS or rate <= 0:
        raise NoWaveform(f"{8 * sound.getsampwidth()} bits, {channels} channels, {rate} Hz")
    pieces = min(pieces, frames)
    loudest = np.zeros((pieces, channels), np.int32)
    # Piece i begins at frame i * frames // pieces.
    begins = np.arange(pieces, dtype=np.int64) * frames // max(pieces, 1)
    done = 0
    while done < frames and (data := sound.readframes(min(_AT_ONCE, frames - done))):
        some = np.frombuffer(data[: len(data) // (_WIDTH * channels) * _WIDTH * channels], "<i2")
        part = np.abs(some.reshape(-1, channels).astype(np.int32))
        if not len(part):
            break
        first = int(np.searchsorted(begins, done, "right")) - 1
        last = int(np.searchsorted(begins, done + len(part), "left"))
        edges = np.maximum(begins[first:last] - done, 0)
        louder = np.maximum.reduceat(part, edges, axis=0)
        np.maximum(loudest[first:last], louder, out=loudest[first:last])
        done += len(part)
    lanes = tuple(tuple(map(int, lane)) for lane in loudest.T)
    return Waveform(done / rate, lanes)
