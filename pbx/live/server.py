"""The live state, told through a unix socket: a snapshot, then changes, one JSON line each.

House rules: the engine only puts an entry into a list (``observe``); the rest is done later, in
pieces.  Who reads too slowly gets a new snapshot in place of what was missed; who does not read at
all is let go.  Messages of one moment are made once, for all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path

import orjson
import structlog

from pbx.doors import Door, is_let_in, peer_uid
from pbx.journal.port import Stamped
from pbx.live.board import Board, Message
from pbx.live.rows import Row
from pbx.plan.model import Plan
from routing.values import AgentId

_log = structlog.get_logger(__name__)

NAME = "live.sock"
TOGETHER_S = 0.1
"""What happens within this time is told together, seconds."""
LOOK_EVERY_S = 1.0
"""How often it is looked at what makes no entry (phones, readiness, the day), seconds."""
ALIVE_EVERY_S = 5.0
"""Something is told at least so often, so that silence means something, seconds."""
SLOW_S = 10.0
"""Who has not taken a message within this time is let go, seconds."""
READERS = 16
"""At once: the page's process is one, whoever looks at it."""
QUEUED = 50
"""Messages that wait for one reader; beyond, a snapshot replaces them."""
AT_ONCE = 250
"""Entries taken, and their rows written, between two turns of the loop: about 2 ms."""
MOST = 20_000
"""Entries that wait to be taken; above, each new one is paid for at once: memory is bounded, and
none is lost."""

ReadToday = Callable[[], Row]
"""Blocking."""


class LiveServer:
    """``read_today``: the day's figures, asked in a thread.  ``ready`` and ``unreachable``: asked
    every ``LOOK_EVERY_S``."""

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        *,
        utc_now: Callable[[], datetime],
        read_today: ReadToday,
        ready: Callable[[], bool],
        unreachable: Callable[[], Collection[AgentId]],
    ) -> None:
        self.board = Board(plan)
        self._door = Door(folder, NAME)
        self._utc_now = utc_now
        self._read_today = read_today
        self._ready = ready
        self._unreachable = unreachable
        self._entries: deque[Stamped | Plan] = deque()
        self._timer: asyncio.Handle | None = None
        self._readers: dict[_Reader, asyncio.Task[None] | None] = {}
        self._house: list[asyncio.Task[None]] = []
        self._told_at = 0.0

    # The engine's side -------------------------------------------------------------------

    def observe(self, stamped: Stamped) -> None:
        """Something happened: taken now, looked at later."""
        if len(self._entries) >= MOST:
            self._take(AT_ONCE)
        self._entries.append(stamped)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TOGETHER_S, self._tell)

    def replace_plan(self, plan: Plan) -> None:
        """These managers and queues there are from now on, after what has happened before."""
        self._entries.append(plan)
        self._tell()

    async def start(self) -> None:
        """Raises OSError."""
        self._house = [
            asyncio.create_task(self._look(), name="live"),
            asyncio.create_task(self._watch_today(), name="today"),
        ]
        await self._door.open(self._serve, limit=1024)

    async def stop(self) -> None:
        """Readers are let go; they come again."""
        self._door.close()
        if self._timer is not None:
            self._timer.cancel()
        tasks = [*self._house, *(task for task in self._readers.values() if task is not None)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _take(self, most: int) -> None:
        for _ in range(min(most, len(self._entries))):
            entry = self._entries.popleft()
            try:
                if isinstance(entry, Plan):
                    self.board.replace_plan(entry)
                else:
                    self.board.take(entry)
            except Exception:
                # A wall that shows one row less, never an engine that stops telling.
                _log.exception("live_entry_not_understood")

    def _tell(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._take(AT_ONCE)
        if self._entries:
            self.board.write()
            self._timer = asyncio.get_running_loop().call_soon(self._tell)
            return
        now = self._utc_now()
        if (message := self.board.changed(now)) is not None:
            self._send(message)

    def _send(self, message: Message) -> None:
        self._told_at = asyncio.get_running_loop().time()
        if not self._readers:
            return
        line = _line(message)
        for reader in self._readers:
            reader.put(line)

    # What makes no entry -----------------------------------------------------------------

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                self.board.ready(self._ready())
                self.board.unreachable(self._unreachable())
                self._tell()
                if loop.time() - self._told_at >= ALIVE_EVERY_S:
                    self._send(self.board.nothing(self._utc_now()))
            except Exception:
                _log.exception("live_look_failed")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _watch_today(self) -> None:
        loop = asyncio.get_running_loop()
        ill = False
        while True:
            began = loop.time()
            try:
                self.board.today(await asyncio.to_thread(self._read_today))
                ill = False
            except Exception as error:  # a log that is not well is asked again, for ever
                if not ill:
                    _log.error("live_today_failed", reason=str(error))
                ill = True
            # A day of a million calls takes long to count: a tenth of a core at most.
            await asyncio.sleep(max(LOOK_EVERY_S, 9 * (loop.time() - began)))

    # Readers -----------------------------------------------------------------------------

    async def _serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader = _Reader(writer, lambda: _line(self.board.snapshot(self._utc_now())))
        try:
            if is_let_in(peer_uid(writer)) and len(self._readers) < READERS:
                self._tell()  # so that no change comes twice
                self._readers[reader] = asyncio.current_task()
                await reader.run()
        except (OSError, TimeoutError):
            writer.transport.abort()  # gone, or asleep
        except asyncio.CancelledError:
            # By ``stop``, and this task ends here: as a cancelled one it would be told as an error
            # by the streams of Python 3.11.
            writer.transport.abort()
        finally:
            self._readers.pop(reader, None)
            writer.close()


class _Reader:
    """One who follows.  ``whole``: a snapshot as of now."""

    def __init__(self, writer: asyncio.StreamWriter, whole: Callable[[], bytes]) -> None:
        self._writer = writer
        self._whole = whole
        self._lines: deque[bytes] = deque()
        self._anew = True
        self._news = asyncio.Event()
        self._news.set()

    def put(self, line: bytes) -> None:
        """To be sent next; nothing is, before the snapshot."""
        if self._anew:
            return
        if len(self._lines) >= QUEUED:
            self._lines.clear()
            self._anew = True
        else:
            self._lines.append(line)
        self._news.set()

    async def run(self) -> None:
        """Send, until they are gone.  Raises OSError, TimeoutError."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._anew or self._lines:
                if self._anew:
                    # The snapshot holds what is waiting to be told: what is told of it later
                    # again says the same.
                    self._anew = False
                    line = self._whole()
                else:
                    line = self._lines.popleft()
                self._writer.write(line)
                async with asyncio.timeout(SLOW_S):
                    await self._writer.drain()


def _line(message: Message) -> bytes:
    return orjson.dumps(message) + b"\n"
