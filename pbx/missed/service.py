"""The part of missed calls that runs beside the engine: what people say of them, and the numbers
for metrics.

House rules: nothing here is in the way of a call.  What touches the database does so in a thread;
a database that is not well is tried again, for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from sqlalchemy import Engine

from pbx.errors import JournalError
from pbx.missed.book import MissedBook, close_by_hand
from pbx.missed.queries import open_by_queue
from pbx.missed.rules import Task
from pbx.missed.settled import settled_callbacks

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
"""How often the numbers for metrics are looked for, seconds."""


class MissedService:
    """``read`` and ``write``: the log's database (two engines: SQLite's reads take no lock).

    ``settle`` is given the callbacks that need not be made any more, and the result of each.
    """

    def __init__(
        self, book: MissedBook, *, read: Engine, write: Engine, utc_now: Callable[[], datetime]
    ) -> None:
        self._book = book
        self._read = read
        self._write = write
        self._utc_now = utc_now
        self.settle: Callable[[Mapping[str, str]], None] = _nobody
        self._task: asyncio.Task[None] | None = None
        self._open_since: Mapping[str, tuple[int, datetime]] = {}

    def start(self) -> None:
        """Take up what a crash left, and begin.  The callers who are there have been found."""
        self._task = asyncio.create_task(self._run(), name="missed")

    async def stop(self) -> None:
        """What is not looked at waits for the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._read.dispose()
        self._write.dispose()

    def open_tasks(self) -> Mapping[str, tuple[int, float]]:
        """For each queue ("" for none) the open tasks and the oldest one's age, seconds."""
        now = self._utc_now()
        return {
            queue: (count, max(0.0, (now - oldest).total_seconds()))
            for queue, (count, oldest) in self._open_since.items()
        }

    async def close(self, task_id: str, by: str, reason: str) -> Task:
        """A person says that nobody needs to call back.  Raises JournalError."""
        return await asyncio.to_thread(
            close_by_hand, self._write, task_id, at=self._utc_now(), by=by, reason=reason
        )

    async def reopen(self, task_id: str, by: str) -> Task:
        """A person says that somebody does all the same.  Raises JournalError."""
        return await asyncio.to_thread(
            self._book.reopen, self._write, task_id, at=self._utc_now(), by=by
        )

    async def _run(self) -> None:
        begun = ill = False
        while True:
            try:
                if not begun:
                    await asyncio.to_thread(self._book.catch_up, self._write, self._utc_now())
                    begun = True
                self._open_since = await asyncio.to_thread(open_by_queue, self._read)
                if settled := await asyncio.to_thread(settled_callbacks, self._read):
                    self.settle(settled)
                ill = False
            except JournalError as error:
                if not ill:
                    _log.error("missed_calls_failed", reason=str(error))
                ill = True
            except Exception:
                # Unforeseen: told, and no reason to stop looking after missed calls.
                _log.exception("missed_calls_failed")
            await asyncio.sleep(LOOK_EVERY_S)


def _nobody(results: Mapping[str, str]) -> None:
    """Before there is an engine that calls back."""
