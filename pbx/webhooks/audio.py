"""The sound of a voicemail, for who is sent it."""

from __future__ import annotations

from pathlib import Path

MAX_AUDIO_KB = 20_000
"""Most that a target may ask for."""


class NoAudio(Exception):
    """The sound can't be had; says why."""


class TooLong(NoAudio):
    """It is there, and longer than was asked for."""


def read_audio(folder: Path, path: str, longest: int) -> bytes:
    """The file at ``path`` when it is in ``folder`` and has ``longest`` bytes at most.

    Blocking.  Raises NoAudio.
    """
    try:
        file = Path(path).resolve(strict=True)
        if not file.is_relative_to(folder.resolve()):
            raise NoAudio("not in the folder of messages")
        with file.open("rb") as stream:
            content = stream.read(longest + 1)
    except (OSError, ValueError):
        raise NoAudio("the file is gone, or can't be read") from None
    if len(content) > longest:
        raise TooLong(f"longer than {longest // 1024} KB")
    return content
