"""Removes recordings whose time is over, for as long as the engine leads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Engine

from pbx.errors import PbxError
from pbx.recordings.listing import Pruned, prune

_log = structlog.get_logger(__name__)

FIRST_S = 60.0
"""The first look after a start: when the engine has taken up its calls, seconds."""
EVERY_S = 3600.0
"""A recording is gone at most so long after its time, seconds."""


async def keep_no_longer(
    engine: Engine,
    folder: Path,
    now: Callable[[], datetime],
    *,
    first_s: float = FIRST_S,
    every_s: float = EVERY_S,
) -> None:
    """Until cancelled.  ``engine`` may write; ``now``: UTC.  The disk is touched in a thread."""
    await asyncio.sleep(first_s)
    while True:
        try:
            _tell(await asyncio.to_thread(_prune, engine, folder, now()))
        except PbxError as error:
            _log.warning("recordings_not_pruned", reason=str(error))
        except Exception:
            _log.exception("recordings_not_pruned")
        await asyncio.sleep(every_s)


def _prune(engine: Engine, folder: Path, now: datetime) -> Pruned:
    if not folder.is_dir():
        # A disk that is not there now: its files would be noted as removed and be kept for ever.
        return Pruned((), 0.0, ())
    return prune(engine, folder, now)


def _tell(done: Pruned) -> None:
    if done.paths:
        _log.info("recordings_removed", files=len(done.paths), length_s=round(done.length_s))
    for path, why in done.failed:
        _log.warning("recording_not_removed", path=path, reason=why)
