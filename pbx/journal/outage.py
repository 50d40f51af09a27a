"""An engine that starts while its database is away: may it begin without, and until when.

A database that has never been reached with these settings is a mistake in them, and told at once.
One that has been is away for a while: callers are served without it, everything goes to the spool,
and when it is back the engine begins anew and takes over from the log as after any restart.  What
only the log knows (who talked with whom last, open callbacks, pauses) is not known until then.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from pathlib import Path

import structlog

from pbx.journal.writer import SqlJournal

_log = structlog.get_logger(__name__)

_NAME = "log-reached"
_LOOK_EVERY_S = 1.0
_AT_LEAST_S = 20.0
"""A database that comes and goes must not make the engine begin anew over and over, seconds."""


def start(journal: SqlJournal, url: str, state_dir: Path) -> None:
    """Start it; blocking.  Raises JournalError, as ``SqlJournal.start``, but for a database that
    has been reached from this state directory before."""
    mark = state_dir / _NAME
    # The URL may hold a password.
    name = hashlib.sha256(url.encode()).hexdigest()
    known = _read(mark) == name
    journal.start(patient=known)
    if journal.up_to_date and not known:
        _write(mark, name)


def _read(mark: Path) -> str:
    try:
        return mark.read_text(errors="replace").strip()
    except OSError:
        return ""


def _write(mark: Path, name: str) -> None:
    """Whole or not at all: with a half the next start would not be patient.  Where it can't be
    written, that one is not, either; this one serves calls."""
    fresh = mark.with_name(mark.name + ".new")
    try:
        with fresh.open("w") as file:
            file.write(name + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(mark)
    except OSError as error:
        _log.error("log_not_marked_as_reached", reason=str(error))


async def over(journal: SqlJournal) -> None:
    """Returns when the database is back and has all that was told meanwhile."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        stats = journal.stats()
        written = journal.up_to_date and not stats.failing and stats.in_spool == 0
        if written and time.monotonic() - began > _AT_LEAST_S:
            return
