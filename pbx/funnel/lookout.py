"""Looks by itself for fallen stages while the engine leads; /metrics and webhooks tell of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

import structlog
from sqlalchemy import Engine

from pbx.errors import PbxError
from pbx.funnel.sag import Judged, Verdict
from pbx.funnel.stages import Funnel, Way
from pbx.funnel.watch import EPOCH, Look, Watch, slices_of, watch
from pbx.journal.database import told_as_ours
from pbx.plan.model import Plan
from pbx.reports.columns import ColumnStore
from pbx.webhooks.kinds import Event, EventKind
from pbx.webhooks.outbox import enqueue

_log = structlog.get_logger(__name__)

FIRST_S = 120.0
"""The first look after a start: when the engine has taken up its calls, seconds."""
EVERY_S = 3600.0
"""A window is settled for a week before it is looked at: an hour more is nothing, seconds."""


class Lookout:
    """``log`` is read in a thread; ``write``: takes what webhooks are to tell; ``now``: UTC."""

    def __init__(
        self,
        log: Engine,
        store: ColumnStore,
        write: Engine,
        plan: Callable[[], Plan],
        now: Callable[[], datetime],
        *,
        first_s: float = FIRST_S,
        every_s: float = EVERY_S,
    ) -> None:
        self._log = log
        self._store = store
        self._write = write
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
        found = await asyncio.to_thread(self._judged, plan, now)
        self.fallen = {
            (way.value, stage): sum(
                one.trial.stage == stage for one in judged if one.verdict is Verdict.FELL
            )
            for way, (funnel, judged) in found.items()
            for stage in funnel.stages[1:]
        }
        self.looked_at = now.timestamp()

    def _judged(self, plan: Plan, now: datetime) -> dict[Way, tuple[Funnel, list[Judged]]]:
        """Each funnel's stages; what fell is left to be told, once for each week."""
        if plan.funnel is None:
            return {}
        look = Look()
        until = look.due(now, EPOCH)
        found = {}
        news = []
        for way in Way:
            funnel = Funnel.of(plan.funnel, way)
            wanted = Watch(funnel, look, slices_of(("manager", "source"), {}))
            judged = watch(self._log, self._store, wanted, EPOCH, now)
            found[way] = (funnel, judged)
            fell = [one for one in judged if one.verdict is Verdict.FELL]
            news += [told_of(way, one, until - look.window, until) for one in fell]
        if news:
            with told_as_ours(self._write), self._write.begin() as connection:
                enqueue(connection, news, None, now)
        return found


def told_of(way: Way, judged: Judged, since: datetime, until: datetime) -> Event:
    """What a webhook tells of a stage that fell in this week; of the same week it is the same."""
    trial = judged.trial
    name, _, label = trial.label.partition("=")
    data = {
        "funnel": way.value,
        "slice": name,
        "label": label,
        "stage": trial.stage,
        "since": since,
        "until": until,
        "before_had": trial.before_had,
        "before_came": trial.before_came,
        "recent_had": trial.recent_had,
        "recent_came": trial.recent_came,
        "p": judged.p,
    }
    key = f"{trial.stage}/{trial.label}"
    return Event(EventKind.STAGE_FELL, f"funnel:{way.value}", until, data, key)
