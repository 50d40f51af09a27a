"""What a recording is called.  Made of the day (UTC) and our own leg's id, and of nothing else: no
word of a caller's, of Asterisk's or of the plan's is ever part of a path."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from routing.values import LegId

_NAME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})-([A-Za-z0-9-]{1,64})")


def recording_name(at: datetime, leg_id: LegId) -> str:
    """``2026-11-18-67f1a2-l12``, for the talk on this leg."""
    name = f"{at:%Y-%m-%d}-{leg_id}"
    assert is_name(name), "our own ids are letters, digits and -"
    return name


def is_name(text: str) -> bool:
    """Can it be a recording's name?"""
    return _NAME.fullmatch(text) is not None


def leg_of(name: str) -> LegId:
    """The leg of a recording's name.  Raises ValueError for anything else."""
    return LegId(_parts(name)[1])


def path_of(name: str) -> str:
    """``2026-11-18/2026-11-18-67f1a2-l12.wav``, below the folder.  Raises ValueError."""
    return f"{_parts(name)[0]}/{name}.wav"


def file_of(folder: Path, path: str) -> Path:
    """The file of a path that the log has.  Raises ValueError for one that ``path_of`` never makes:
    the log may have been written by anyone who reaches the database."""
    name = path.rpartition("/")[2].removesuffix(".wav")
    if path != path_of(name):
        raise ValueError(f"not a recording's path: {path!r}")
    return folder / path


def _parts(name: str) -> tuple[str, str]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"not a recording's name: {name!r}")
    return found[1], found[2]
