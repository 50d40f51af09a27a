"""Which request is a new play of a recording: a player asks for many parts of one file."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

_KEPT = 20_000
_ONE_PLAY_S = 12 * 3600.0
"""Requests with a play's mark belong to it for so long, seconds."""
_MARKLESS_S = 60.0
"""Without a mark they belong together for so long."""
MAX_MARK = 40


class Plays:
    """Who listens to what now.  A mark is made by the page for each opening of the player."""

    def __init__(self) -> None:
        self._since: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._one = asyncio.Lock()

    async def note(
        self, who: str, what: str, mark: str, now: float, write: Callable[[], Awaitable[None]]
    ) -> None:
        """``write`` it down when a play of ``what`` begins with this request, seconds ``now``.

        Whoever comes while it is being written waits for that; what ``write`` raises, comes out.
        """
        key = (who, what, mark[:MAX_MARK])
        if self._goes_on(key, now):
            return
        async with self._one:
            if self._goes_on(key, now):
                return
            await write()
            self._since[key] = now
            self._since.move_to_end(key)
            if len(self._since) > _KEPT:
                self._since.popitem(last=False)

    def _goes_on(self, key: tuple[str, str, str], now: float) -> bool:
        since = self._since.get(key)
        return since is not None and now - since <= (_ONE_PLAY_S if key[2] else _MARKLESS_S)
