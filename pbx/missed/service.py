"""The part of missed calls that runs beside the engine: the numbers for metrics, and the webhook.

House rules: nothing here is in the way of a call.  What touches the database does so in a thread;
a database or a receiver that is not well is tried again, for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import Engine

from pbx.errors import JournalError
from pbx.missed import outbox
from pbx.missed.book import MissedBook
from pbx.missed.queries import open_by_queue
from pbx.missed.target import Target
from pbx.missed.webhook import NotDelivered, Webhook

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 2.0
"""How often new messages and the numbers for metrics are looked for, seconds."""


@dataclass(frozen=True, slots=True)
class MissedStats:
    """How missed calls stand, as last looked at.

    ``open_since``: for each queue ("" for none) when each of its open tasks was opened: how many,
    and the oldest.  ``delivered``, ``attempts_failed`` and ``given_up`` count from the start.
    """

    open_since: Mapping[str, tuple[int, datetime]]
    waiting: int = 0
    delivered: int = 0
    attempts_failed: int = 0
    given_up: int = 0


class MissedService:
    """``read`` and ``write``: the log's database (two engines: SQLite's reads take no lock).

    ``target`` None: nobody is told.
    """

    def __init__(
        self,
        book: MissedBook,
        *,
        read: Engine,
        write: Engine,
        target: Target | None,
        utc_now: Callable[[], datetime],
    ) -> None:
        self._book = book
        self._read = read
        self._write = write
        self._target = target
        self._utc_now = utc_now
        self._task: asyncio.Task[None] | None = None
        self._ill = False
        self.stats = MissedStats({})

    def start(self) -> None:
        """Take up what a crash left, and begin.  The callers who are there have been found."""
        self._task = asyncio.create_task(self._run(), name="missed")

    async def stop(self) -> None:
        """What is not sent waits for the next start."""
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
            for queue, (count, oldest) in self.stats.open_since.items()
        }

    async def _run(self) -> None:
        begun = False
        async with contextlib.AsyncExitStack() as stack:
            webhook = None
            if self._target is not None:
                webhook = await stack.enter_async_context(Webhook(self._target))
            while True:
                try:
                    if not begun:
                        await asyncio.to_thread(self._book.catch_up, self._write, self._utc_now())
                        begun = True
                    await self._round(webhook)
                    self._ill = False
                except JournalError as error:
                    if not self._ill:
                        _log.error("missed_calls_failed", reason=str(error))
                    self._ill = True
                except Exception:
                    # Unforeseen: told, and no reason to stop telling of missed calls.
                    _log.exception("missed_calls_failed")
                await asyncio.sleep(LOOK_EVERY_S)

    async def _round(self, webhook: Webhook | None) -> None:
        if webhook is not None:
            await self._deliver(webhook)
        self.stats = await asyncio.to_thread(self._look, self.stats)

    def _look(self, before: MissedStats) -> MissedStats:
        waiting = outbox.waiting(self._read)
        if waiting and self._target is None:
            outbox.forget_all(self._write)
            waiting = 0
        return replace(before, open_since=open_by_queue(self._read), waiting=waiting)

    async def _deliver(self, webhook: Webhook) -> None:
        """Send what is due.  When the receiver is not well, the rest waits for the next round."""
        for message in await asyncio.to_thread(outbox.due, self._read, self._utc_now()):
            try:
                await webhook.post(message)
            except NotDelivered as failure:
                now = self._utc_now()
                kept = await asyncio.to_thread(outbox.failed, self._write, message, now)
                _log.warning(
                    "webhook_failed" if kept else "webhook_given_up",
                    message=message.event_id,
                    attempt=message.attempts + 1,
                    reason=str(failure),
                )
                self.stats = replace(
                    self.stats,
                    attempts_failed=self.stats.attempts_failed + 1,
                    given_up=self.stats.given_up + (not kept),
                )
                if not failure.refused:
                    return
            else:
                await asyncio.to_thread(outbox.sent, self._write, message)
                self.stats = replace(self.stats, delivered=self.stats.delivered + 1)
