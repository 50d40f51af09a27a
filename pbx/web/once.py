"""What must not be done twice though it is asked for twice: a request that is sent again because
its answer was lost, known by the key that its sender gave it.

Kept in memory: a page that is started anew has forgotten, so a key is good for the retries of a
moment, not of a day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

KEPT_S = 3_600.0
"""How long a key is known, seconds."""
MOST = 10_000
"""Keys known; beyond, the oldest are forgotten."""

T = TypeVar("T")


class OtherRequest(Exception):
    """The key has been given to another request."""


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    asked: object
    at: float
    answer: asyncio.Task[T]


class Once(Generic[T]):
    """``done``: whether an answer means that something was done; any other is not kept, as doing
    nothing twice harms nobody."""

    def __init__(self, seconds: Callable[[], float], done: Callable[[T], bool]) -> None:
        self._seconds = seconds
        self._done = done
        self._known: dict[tuple[str, str], _Known[T]] = {}

    async def do(self, who: str, key: str, asked: object, work: Callable[[], Awaitable[T]]) -> T:
        """The answer to ``asked``, of now or of the first time.  Raises OtherRequest, and what
        ``work`` raises."""
        self._forget()
        place = (who, key)
        known = self._known.get(place)
        if known is None:
            # A task of its own: it is done even where who asked first does not wait for it.
            task = asyncio.ensure_future(self._keep(place, work))
            known = self._known[place] = _Known(asked, self._seconds(), task)
        elif known.asked != asked:
            raise OtherRequest
        return await asyncio.shield(known.answer)

    async def _keep(self, place: tuple[str, str], work: Callable[[], Awaitable[T]]) -> T:
        kept = False
        try:
            answer = await work()
            kept = self._done(answer)
            return answer
        finally:
            if not kept:
                self._known.pop(place, None)

    def _forget(self) -> None:
        until = self._seconds() - KEPT_S
        for place, known in list(self._known.items()):
            if known.at > until and len(self._known) < MOST:
                break
            if known.answer.done():
                del self._known[place]
