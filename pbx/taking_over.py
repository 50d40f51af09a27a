"""What an engine that begins to lead takes over from the log: what was learnt, and what is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import structlog

from pbx.days import day_began
from pbx.engine.outside import HOUR_S
from pbx.errors import JournalError
from pbx.journal.open_talks import open_talks
from pbx.journal.port import OpenCallback, OpenPause, OpenTalk, OpenWait
from pbx.journal.recall import open_callbacks, open_pauses, open_waits, recall, recall_outside
from pbx.journal.replay import recall_dropped, recall_service
from pbx.journal.writer import SqlJournal
from pbx.missed.settled import settled_callbacks
from pbx.plan.model import Plan
from pbx.reports.book import FactBook
from routing.estimate import ServiceRates
from routing.memory import Memory
from routing.values import AgentId, CallId, Seconds

_log = structlog.get_logger(__name__)

TALKS_REMEMBERED = timedelta(days=90)
"""How far back the last manager of a number is looked up."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """``memory``: for the distribution; ``rates``: what the queues have lately done, None:
    nobody knows; ``outside_calls``: of the last hour, (when, for which manager), core time.  The
    rest was going on when the engine before ended."""

    memory: Memory = field(default_factory=Memory)
    rates: ServiceRates | None = None
    outside_calls: Sequence[tuple[Seconds, AgentId | None]] = ()
    waits: Mapping[CallId, OpenWait] = field(default_factory=dict)
    talks: Mapping[CallId, OpenTalk] = field(default_factory=dict)
    callbacks: Sequence[OpenCallback] = ()
    pauses: Sequence[OpenPause] = ()


def taken_over(journal: SqlJournal, plan: Plan, now: datetime) -> TakenOver | None:
    """``take_over``; None where the log can't be had just now.  Blocking."""
    try:
        return take_over(journal, plan, now)
    except JournalError as error:
        _log.error("log_not_taken_over", reason=str(error))
        return None
    except Exception:
        # Unforeseen, a row that can't be read for instance, and the same at the next start: callers
        # are served without what it tells.
        _log.exception("log_not_taken_over")
        return TakenOver()


def take_over(journal: SqlJournal, plan: Plan, now: datetime) -> TakenOver:
    """Read it, and close in the log what is open there: what goes on all the same is opened again
    by who finds it.  Blocking.  Raises JournalError."""
    engine, queues = journal.engine, tuple(plan.routing.queues)
    waits = open_waits(engine)
    talks = open_talks(engine)
    rates = ServiceRates(plan.routing)
    rates.recall(recall_service(engine, queues=queues, now=now))
    settled = settled_callbacks(engine)
    callbacks = [
        replace(one, settled=settled.get(one.opened.callback_id, ""))
        for one in open_callbacks(engine)
    ]
    closed = journal.close_open_calls(now)
    if closed:
        _log.warning("open_calls_closed", calls=closed)
    FactBook().catch_up(engine, now)
    memory = recall(
        engine,
        queues=queues,
        day_began=day_began(now, ZoneInfo(plan.time_zone)),
        talks_since=now - TALKS_REMEMBERED,
    )
    kept = _places_kept(plan)
    dropped = recall_dropped(engine, queues=queues, since=now - kept) if kept else ()
    called = recall_outside(
        engine, devices=plan.outside_devices, since=now - timedelta(seconds=HOUR_S)
    )
    return TakenOver(
        memory=replace(memory, dropped=dropped),
        rates=rates,
        outside_calls=[(at.timestamp(), agent_id) for at, agent_id in called],
        waits=waits,
        talks=talks,
        callbacks=callbacks,
        # After the log has been written: the pause may be the last that it was told.
        pauses=open_pauses(engine),
    )


def _places_kept(plan: Plan) -> timedelta:
    """For how long somebody may call again and have the old place."""
    queues = plan.routing.queues.values()
    return timedelta(seconds=max((one.returning_s or 0.0 for one in queues), default=0.0))
