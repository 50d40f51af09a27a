"""Makes the files that reports and funnels read before anybody asks, while the page runs.

A first start on an old log, or on files of an older version, has all of them to make: minutes for
years of calls.  Meanwhile a question about years may take too long; it is told how far this is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy import Engine

from pbx.errors import JournalError
from pbx.funnel.passed import FUNNEL
from pbx.reports.columns import ColumnStore
from pbx.reports.copies import REPORTS, Missing, make, missing

EVERY_S = 600.0
"""How often it is looked for days that have changed, seconds."""
REST = 1.0
"""After each file a pause as long as it took: others want the processor, too."""
_KEPT = (REPORTS, FUNNEL)

_log = structlog.get_logger(__name__)


class Copying:
    """``in_thread``: beside the loop.  ``made`` of ``wanted`` files are there; both 0 at first."""

    def __init__(
        self,
        log: Engine,
        store: ColumnStore,
        in_thread: Callable[[Callable[[], object]], Awaitable[object]],
        *,
        every_s: float = EVERY_S,
        rest: float = REST,
    ) -> None:
        self._log = log
        self._store = store
        self._in_thread = in_thread
        self._every_s = every_s
        self._rest = rest
        self.made = self.wanted = 0

    @property
    def share(self) -> float | None:
        """Of the files that were missing, those that are made; None: none is missing."""
        return self.made / self.wanted if self.made < self.wanted else None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except JournalError as error:
                _log.warning("columns_not_made", reason=str(error))
            except OSError as error:
                _log.warning("columns_not_made", reason=error.strerror or str(error))
            self.made = self.wanted = 0
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Once: make what is missing.  Raises JournalError, OSError."""
        todo: list[Missing] = []

        def look() -> None:
            todo.extend(missing(self._log, self._store, _KEPT))

        await self._in_thread(look)
        self.made, self.wanted = 0, len(todo)
        for one in todo:
            took = await self._in_thread(lambda one=one: make(self._log, self._store, one))  # type: ignore[misc]
            self.made += 1
            assert isinstance(took, float)
            await asyncio.sleep(took * self._rest)
