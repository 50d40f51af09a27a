"""Looks for fallen stages by itself while the engine leads; /metrics tells what it saw."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from sqlalchemy import Engine

from pbx.errors import PbxError
from pbx.funnel.sag import Verdict
from pbx.funnel.stages import Funnel, Way
from pbx.funnel.watch import EPOCH, Look, Watch, slices_of, watch
from pbx.plan.model import Plan
from pbx.reports.columns import ColumnStore

_log = structlog.get_logger(__name__)

FIRST_S = 120.0
"""The first look after a start: when the engine has taken up its calls, seconds."""
EVERY_S = 3600.0
"""A window is settled for a week before it is looked at: an hour more is nothing, seconds."""


class Lookout:
    """``log`` is read in a thread; ``now``: UTC."""

    def __init__(
        self,
        log: Engine,
        store: ColumnStore,
        plan: Callable[[], Plan],
        now: Callable[[], datetime],
        *,
        first_s: float = FIRST_S,
        every_s: float = EVERY_S,
    ) -> None:
        self._log = log
        self._store = store
        self._plan = plan
        self._now = now
        self._first_s = first_s
        self._every_s = every_s
        self.fallen: Mapping[tuple[str, str], int] = {}
        """By funnel and stage: of the company, the managers and the sources, how many fell."""
        self.looked_at = 0.0
        """The last look that succeeded, seconds since the epoch; 0: none yet."""

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(self._first_s)
        while True:
            try:
                await self.look()
            except PbxError as error:
                _log.warning("funnel_not_looked_at", reason=str(error))
            except Exception:
                _log.exception("funnel_not_looked_at")
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Once.  Raises PbxError."""
        plan, now = self._plan(), self._now()
        self.fallen = await asyncio.to_thread(_fallen, self._log, self._store, plan, now)
        self.looked_at = now.timestamp()


def _fallen(
    log: Engine, store: ColumnStore, plan: Plan, now: datetime
) -> dict[tuple[str, str], int]:
    if plan.funnel is None:
        return {}
    found: dict[tuple[str, str], int] = {}
    for way in Way:
        funnel = Funnel.of(plan.funnel, way)
        wanted = Watch(funnel, Look(), slices_of(("manager", "source"), {}))
        judged = watch(log, store, wanted, EPOCH, now)
        fell = Counter(one.trial.stage for one in judged if one.verdict is Verdict.FELL)
        found |= {(way.value, stage): fell[stage] for stage in funnel.stages[1:]}
    return found
