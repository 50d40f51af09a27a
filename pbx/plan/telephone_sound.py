"""Any WAV to what every telephone switch plays: 8 kHz, mono, 16 bit.

Also a program of its own (``python telephone_sound.py IN OUT``), with nothing but the standard
library: the engine runs it beside itself, so that a long recording costs no call a millisecond.
"""

from __future__ import annotations

import math
import sys
import wave
from array import array
from collections.abc import Sequence
from operator import mul
from pathlib import Path

RATE_HZ = 8000
MAX_S = 600
"""Longest sound taken: ten minutes."""
_CROSSINGS = 12
"""Zero crossings of the low-pass on each side: 70 dB below from 4.4 kHz on, measured."""
_PASS = 0.9
"""The pass band ends at this part of the lower Nyquist frequency: 3.6 kHz, as telephones do."""


class NotPlayable(ValueError):
    """The file is no PCM WAV, or an endless one."""


def convert(source: Path, target: Path) -> None:
    """Write ``source`` as a telephone sound.  Raises NotPlayable, OSError."""
    samples, rate = read(source)
    write(target, resample(samples, rate))


def is_telephone_sound(source: Path) -> bool:
    """Whether the file can be played as it is.  False when it can't be read."""
    try:
        with wave.open(str(source), "rb") as file:
            return (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (
                1,
                2,
                RATE_HZ,
            )
    except (wave.Error, EOFError, OSError):
        return False


def read(source: Path) -> tuple[array[float], int]:
    """(samples of all channels mixed, from -1 to 1; their rate)."""
    try:
        with wave.open(str(source), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            if not 4000 <= rate <= 192_000 or not 1 <= channels <= 8 or not 1 <= width <= 4:
                raise NotPlayable(f"{rate} Hz, {channels} channels, {width * 8} bits")
            # Frames are read, not believed: a stream's header may promise two gigabytes.
            data = file.readframes(MAX_S * rate)
    except (wave.Error, EOFError) as error:
        raise NotPlayable(str(error) or "the file is cut short") from error
    data = data[: len(data) // (width * channels) * width * channels]
    values = _integers(data, width)
    scale = float(1 << (8 * width - 1)) * channels
    if channels == 1:
        return array("d", [value / scale for value in values]), rate
    parts = [values[channel::channels] for channel in range(channels)]
    return array("d", [sum(frame) / scale for frame in zip(*parts, strict=True)]), rate


def _integers(data: bytes, width: int) -> Sequence[int]:
    if width == 1:
        return [byte - 128 for byte in data]
    if width == 3:
        return [
            int.from_bytes(data[at : at + 3], "little", signed=True)
            for at in range(0, len(data), 3)
        ]
    values = array("h" if width == 2 else "i", data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def resample(samples: array[float], rate: int) -> array[float]:
    """The samples at 8 kHz, by a windowed-sinc low-pass with one set of weights per phase."""
    if rate == RATE_HZ or not samples:
        return samples
    common = math.gcd(rate, RATE_HZ)
    up, down = RATE_HZ // common, rate // common
    cutoff = _PASS * min(rate, RATE_HZ) / (2 * rate)
    half = math.ceil(_CROSSINGS / (2 * cutoff))
    padded = array("d", bytes(8 * half)) + samples + array("d", bytes(8 * (half + 1)))
    phases: dict[int, list[float]] = {}
    found = array("d")
    for number in range(len(samples) * up // down):
        whole, phase = divmod(number * down, up)
        weights = phases.get(phase)
        if weights is None:
            weights = phases[phase] = _weights(phase / up, half, cutoff)
        found.append(sum(map(mul, weights, padded[whole : whole + 2 * half + 1])))
    return found


def _weights(offset: float, half: int, cutoff: float) -> list[float]:
    """Blackman-windowed sinc around ``half + offset``, with a sum of 1."""
    weights = []
    for tap in range(2 * half + 1):
        away = tap - half - offset
        angle = math.pi * away / (half + 1)
        window = 0.42 + 0.5 * math.cos(angle) + 0.08 * math.cos(2 * angle)
        turn = 2 * math.pi * cutoff * away
        weights.append(window * (math.sin(turn) / turn if turn else 1.0))
    total = sum(weights)
    return [weight / total for weight in weights]


def write(target: Path, samples: array[float]) -> None:
    """Write samples from -1 to 1; louder ones are cut."""
    values = array("h", [round(32767 * max(-1.0, min(1.0, one))) for one in samples])
    if sys.byteorder == "big":
        values.byteswap()
    with wave.open(str(target), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(values.tobytes())


if __name__ == "__main__":
    try:
        convert(Path(sys.argv[1]), Path(sys.argv[2]))
    except (NotPlayable, OSError) as error:
        sys.exit(str(error))
