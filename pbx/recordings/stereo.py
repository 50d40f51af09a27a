"""Asterisk's raw stereo stream to a WAV file."""

from __future__ import annotations

import os
import wave
from pathlib import Path

RATE = 8000
"""Samples a second of MixMonitor's raw format (signed 16 bit, little-endian)."""
_FRAME = 4
"""Bytes: two channels of 16 bits."""
_CHUNK = 256 * 1024


def to_wav(raw: Path, wav: Path) -> float:
    """Write ``raw`` as ``wav`` and give its length in seconds; blocking.

    The left channel is what the manager said, the right one what they heard.  ``wav`` appears
    whole or not at all.  Raises OSError; ``raw`` is left as it is, and no symbolic link is
    followed.
    """
    source = os.open(raw, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(source, "rb") as stream:
        # A last sample that was not written to its end is no sound.
        left = os.fstat(source).st_size // _FRAME * _FRAME
        length_s = left / _FRAME / RATE
        wav.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        part = wav.with_suffix(".part")
        part.unlink(missing_ok=True)
        try:
            target = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
            with os.fdopen(target, "wb") as file:
                with wave.open(file, "wb") as out:
                    out.setnchannels(2)
                    out.setsampwidth(2)
                    out.setframerate(RATE)
                    out.setnframes(left // _FRAME)
                    while left and (data := stream.read(min(left, _CHUNK))):
                        out.writeframesraw(data)
                        left -= len(data)
                file.flush()
                os.fsync(target)
            part.replace(wav)
        except OSError:
            part.unlink(missing_ok=True)
            raise
    return length_s
