"""What goes on now, for any number of viewers: the engine's live socket followed once, its picture
kept, and told as server-sent events.

House rules: viewers of equal views (views.py) share what is made for them: a message is filtered
and written once for a view, a whole picture once between two messages, when somebody asks for it.
Who reads too slowly gets a whole picture in place of what was missed.  A stream ends by itself
after a while and is opened again, so that who has lost their rights does not look on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Send

from pbx.live.board import Message
from pbx.live.client import follow
from pbx.live.picture import Picture
from pbx.live.rows import stamp
from pbx.web.access import Principal
from pbx.web.views import LeadsTo, Seen, View, nowhere

VIEWERS = 1_000
"""At once."""
VIEWERS_EACH = 250
"""Of them, one user's or one token's."""
QUEUED = 50
"""Events that wait for one viewer; beyond, a whole picture replaces them."""
ALIVE_EVERY_S = 5.0
"""Something is told at least so often, so that silence means something, seconds."""
LONGEST_S = 300.0
"""A stream ends after this and is to be opened again, seconds."""
ASK_EVERY_S = 20.0
"""How often it is asked whether a viewer is still signed in, seconds."""
AGAIN_MS = 1_000
"""When a browser opens it again, milliseconds."""


Still = Callable[[], Awaitable[bool]]


async def _always() -> bool:
    return True


class TooManyViewers(Exception):
    """No more are let in."""


class LiveHub:
    """Follows from ``run``; ``stream`` is for one viewer each."""

    def __init__(
        self, state_dir: Path, utc_now: Callable[[], datetime], leads: LeadsTo = nowhere
    ) -> None:
        self._state_dir = state_dir
        self._leads = leads
        self._utc_now = utc_now
        self._picture = Picture()
        self._there = False
        self._shared: dict[View, _Shared] = {}
        self._viewers: dict[_Viewer, str] = {}
        self._ended = False

    @property
    def there(self) -> bool:
        """The engine is, and the picture is of now."""
        return self._there

    @property
    def viewers(self) -> int:
        """How many look."""
        return len(self._viewers)

    async def run(self) -> None:
        """Follow the engine, for ever."""
        async with aclosing(follow(self._state_dir)) as messages:
            async for message in messages:
                self.take(message)

    def take(self, message: Message | None) -> None:
        """What the engine tells; None: it is not there."""
        if message is None:
            self._there = False
            self._put(self._alive())
            return
        came, self._there = not self._there, True
        if self._picture.take(message) or came:
            for shared in self._shared.values():
                shared.all_anew()
            return
        for shared in self._shared.values():
            shared.change(message)

    def snapshot(self, principal: Principal) -> Message | None:
        """What they would see now; None: the engine is not there."""
        return (
            Seen(View.of(principal), self._picture, self._leads).snapshot() if self._there else None
        )

    def admit(self, principal: Principal, still: Still = _always) -> AsyncGenerator[bytes, None]:
        """Their stream of events, to be read until it ends.  ``still``: asked now and then whether
        it may go on.  Raises TooManyViewers."""
        of_them = sum(name == principal.name for name in self._viewers.values())
        if len(self._viewers) >= VIEWERS or of_them >= VIEWERS_EACH:
            raise TooManyViewers
        return self._stream(principal.name, View.of(principal), still)

    def end(self) -> None:
        """Every stream ends; none begins."""
        self._ended = True
        self._put(b"")

    def _put(self, event: bytes) -> None:
        for viewer in self._viewers:
            viewer.put(event)

    def _alive(self) -> bytes:
        kind = "alive" if self._there else "away"
        return _event(kind, {"at": stamp(self._utc_now())})

    async def _stream(self, name: str, view: View, still: Still) -> AsyncGenerator[bytes, None]:
        viewer = _Viewer()
        self._viewers[viewer] = name
        shared = self._shared.get(view)
        if shared is None:
            shared = self._shared[view] = _Shared(Seen(view, self._picture, self._leads))
        shared.viewers.add(viewer)
        loop = asyncio.get_running_loop()
        until = loop.time() + LONGEST_S
        ask_at = loop.time() + ASK_EVERY_S
        try:
            yield b"retry: %d\n\n" % AGAIN_MS
            yield self._alive()  # what time it is
            while not self._ended and loop.time() < until:
                if loop.time() >= ask_at:
                    ask_at = loop.time() + ASK_EVERY_S
                    if not await still():
                        return
                if viewer.anew and self._there:
                    viewer.anew = False
                    yield shared.whole()
                elif viewer.events:
                    yield viewer.events.popleft()
                elif not await viewer.woken(ALIVE_EVERY_S):
                    yield self._alive()
        finally:
            self._viewers.pop(viewer, None)
            shared.viewers.discard(viewer)
            if not shared.viewers and self._shared.get(view) is shared:
                del self._shared[view]


class EventStream(StreamingResponse):
    """A viewer's stream as an answer; it is closed whatever ends it."""

    def __init__(self, stream: AsyncGenerator[bytes, None]) -> None:
        # Proxies are not to collect it.
        super().__init__(
            stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )
        self._stream = stream

    async def stream_response(self, send: Send) -> None:
        """As Starlette does, and closed."""
        async with aclosing(self._stream):
            await super().stream_response(send)


class _Viewer:
    """One who looks.  ``anew``: a whole picture comes next."""

    def __init__(self) -> None:
        self.anew = True
        self.events: deque[bytes] = deque()
        self._news = asyncio.Event()

    def put(self, event: bytes) -> None:
        """To be told next."""
        if len(self.events) >= QUEUED:
            self.begin_anew()
        else:
            self.events.append(event)
            self._news.set()

    def begin_anew(self) -> None:
        """What waits for them is told by a whole picture."""
        self.events.clear()
        self.anew = True
        self._news.set()

    async def woken(self, within_s: float) -> bool:
        """Whether there is news within the time."""
        try:
            async with asyncio.timeout(within_s):
                await self._news.wait()
        except TimeoutError:
            return False
        self._news.clear()
        return True


class _Shared:
    """What viewers of one view are told, made once."""

    def __init__(self, seen: Seen) -> None:
        self.viewers: set[_Viewer] = set()
        self._seen = seen
        self._fresh = False
        """The picture through this view is known: changes can be told."""
        self._whole: bytes | None = None

    def whole(self) -> bytes:
        """All of it, as of now."""
        if self._whole is None:
            self._whole = _event("snapshot", self._seen.snapshot())
            self._fresh = True
        return self._whole

    def all_anew(self) -> None:
        """Everything may be another."""
        self._fresh, self._whole = False, None
        for viewer in self.viewers:
            viewer.begin_anew()

    def change(self, message: Message) -> None:
        """Tell what it changes, to those who have a picture."""
        self._whole = None
        if not self._fresh:
            return
        told = self._seen.change(message)
        if told is None:
            return
        event = _event("change", told)
        for viewer in self.viewers:
            if not viewer.anew:
                viewer.put(event)


def _event(kind: str, data: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), orjson.dumps(data))
