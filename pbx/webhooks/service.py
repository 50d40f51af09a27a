"""Sends what is in the outbox, to each target by itself.

House rules: nothing here is in the way of a call.  What touches the database does so in a thread;
a database or a receiver that is not well is tried again, for ever.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import Engine

from pbx.errors import JournalError
from pbx.webhooks import outbox
from pbx.webhooks.book import EventBook
from pbx.webhooks.kinds import EventKind
from pbx.webhooks.outbox import Attempt, Message, Result
from pbx.webhooks.sending import NotDelivered, Sender

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 0.5
"""How often new messages are looked for, seconds."""
SETTLE_EVERY_S = 2.0
"""How often the numbers for metrics are looked for, seconds."""
PRUNE_EVERY_S = 600.0
REST_MOST = timedelta(seconds=60)
"""Longest rest of a target that is not well: so long nothing at all is sent there."""


class Channel(Protocol):
    """A target, as this service needs it."""

    @property
    def name(self) -> str:
        """Unique."""

    @property
    def events(self) -> frozenset[EventKind]:
        """What it is told."""

    @property
    def at_once(self) -> int:
        """Messages under way together, each about another subject."""

    def opened(self) -> AbstractAsyncContextManager[Sender]:
        """What sends there."""


@dataclass(frozen=True, slots=True)
class TargetStats:
    """How a target stands; ``delivered``, ``failed`` (attempts) and ``dead`` count from the start.

    ``waiting_since``: of the oldest message that has not arrived.
    """

    waiting: int = 0
    waiting_since: datetime | None = None
    delivered: int = 0
    failed: int = 0
    dead: int = 0


class DeliveryService:
    """``read`` and ``write``: the log's database (two engines: SQLite's reads take no lock)."""

    def __init__(
        self,
        book: EventBook,
        channels: Sequence[Channel],
        *,
        read: Engine,
        write: Engine,
        utc_now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._book = book
        self._channels = tuple(channels)
        self._subscriptions = {one.name: one.events for one in channels}
        self._read = read
        self._write = write
        self._utc_now = utc_now
        self._rng = rng
        self._tasks: list[asyncio.Task[None]] = []
        self._begun = False
        self._pruned_at = float("-inf")
        self.stats: dict[str, TargetStats] = {one.name: TargetStats() for one in channels}

    def start(self) -> None:
        """Take up what is there, and begin."""
        self._tasks = [
            asyncio.create_task(self._forever(self._house, SETTLE_EVERY_S), name="webhooks"),
            *(
                asyncio.create_task(self._deliver_all(one), name=f"webhook-{one.name}")
                for one in self._channels
            ),
        ]

    async def stop(self) -> None:
        """What is not sent waits for the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._read.dispose()
        self._write.dispose()

    def ages(self) -> Mapping[str, float]:
        """For each target the age of its oldest message that has not arrived, seconds."""
        now = self._utc_now()
        return {
            name: max(0.0, (now - one.waiting_since).total_seconds()) if one.waiting_since else 0.0
            for name, one in self.stats.items()
        }

    async def _deliver_all(self, channel: Channel) -> None:
        courier = _Courier(self, channel)
        async with channel.opened() as sender:
            await self._forever(lambda: courier.deliver(sender), LOOK_EVERY_S)

    async def _forever(self, look: Callable[[], Awaitable[None]], every_s: float) -> None:
        ill = False
        while True:
            try:
                await look()
                ill = False
            except JournalError as error:
                if not ill:
                    _log.error("webhooks_failed", reason=str(error))
                ill = True
            except Exception:
                # Unforeseen: told, and no reason to stop telling of calls.
                _log.exception("webhooks_failed")
            await asyncio.sleep(every_s)

    async def _house(self) -> None:
        now = self._utc_now()
        if not self._begun:
            await asyncio.to_thread(self._book.catch_up, self._write, now)
            self._begun = True
        given_up = await asyncio.to_thread(outbox.settle, self._write, self._subscriptions, now)
        if given_up:
            _log.warning("webhook_target_gone", messages=given_up)
        if time.monotonic() - self._pruned_at > PRUNE_EVERY_S:
            await asyncio.to_thread(outbox.prune, self._write, now)
            self._pruned_at = time.monotonic()
        waiting = await asyncio.to_thread(outbox.waiting, self._read)
        for name, stats in self.stats.items():
            count, since = waiting.get(name, (0, None))
            self.stats[name] = replace(stats, waiting=count, waiting_since=since)

    async def due(self, channel: Channel) -> list[Message]:
        """What is to be sent there now."""
        now = self._utc_now()
        return await asyncio.to_thread(outbox.due, self._read, channel.name, now, channel.at_once)

    async def attempt(self, channel: Channel, sender: Sender, message: Message) -> Attempt:
        """Send a message once."""
        at, began = self._utc_now(), time.monotonic()
        status, problem, refused = None, "", False
        try:
            status = await sender.send(message)
        except NotDelivered as failure:
            status, problem, refused = failure.status, str(failure), failure.refused
        took_s = time.monotonic() - began
        return Attempt(message, channel.name, at, took_s, status, problem, refused)

    async def keep(self, channel: Channel, attempts: Sequence[Attempt]) -> None:
        """Write down what came of it."""
        chances = [self._rng.random() for _ in attempts]
        done = await asyncio.to_thread(outbox.note, self._write, attempts, chances)
        stats, failed = self.stats[channel.name], [one for one in attempts if one.problem]
        for one in failed:
            _log.warning(
                "webhook_failed",
                target=channel.name,
                message=one.message.event_id,
                attempt=one.message.attempts + 1,
                reason=one.problem,
            )
        dead = done.count(Result.DEAD)
        if dead:
            _log.error("webhook_given_up", target=channel.name, messages=dead)
        self.stats[channel.name] = replace(
            stats,
            delivered=stats.delivered + done.count(Result.DELIVERED),
            failed=stats.failed + len(failed),
            dead=stats.dead + dead,
        )


class _Courier:
    """Serves one target, and lets it rest while it is not well."""

    def __init__(self, service: DeliveryService, channel: Channel) -> None:
        self._service = service
        self._channel = channel
        self._ill_times = 0

    async def deliver(self, sender: Sender) -> None:
        """Send what is due, until nothing is or the target is not well."""
        while messages := await self._service.due(self._channel):
            if self._ill_times:
                messages = messages[:1]  # one is enough to see whether it is well again
            attempts = await asyncio.gather(
                *(self._service.attempt(self._channel, sender, one) for one in messages)
            )
            await self._service.keep(self._channel, attempts)
            if any(one.problem and not one.refused for one in attempts):
                self._ill_times += 1
                await asyncio.sleep(self._rest().total_seconds())
                return
            self._ill_times = 0

    def _rest(self) -> timedelta:
        doubled: timedelta = outbox.RETRY_FIRST * 2 ** min(self._ill_times - 1, 10)
        return min(doubled, REST_MOST)
