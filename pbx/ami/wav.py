"""How long a recording is."""

from __future__ import annotations

import wave
from pathlib import Path


def wav_seconds(path: Path) -> float:
    """Length of a WAV file, seconds; 0 when there is none or it can't be read."""
    try:
        with wave.open(str(path), "rb") as file:
            return file.getnframes() / file.getframerate()
    except (OSError, EOFError, wave.Error, ZeroDivisionError):
        return 0.0
