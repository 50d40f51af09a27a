"""An engine process: its parts begun and ended in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from pbx.ami.switch import AsteriskSwitch
from pbx.clicking import answer_click
from pbx.control import ControlServer, Request
from pbx.engine.clock import SystemClock
from pbx.engine.loop import EngineLoop
from pbx.engine.tuning import tune
from pbx.errors import ControlError, LogIsBack, SwitchLost
from pbx.funnel.lookout import Lookout
from pbx.http import HttpServer
from pbx.journal import outage
from pbx.journal.port import Stamped
from pbx.journal.writer import SqlJournal
from pbx.live.rows import Row
from pbx.live.server import LiveServer
from pbx.live.today import TodayReader
from pbx.lookup.crm import Crm
from pbx.metrics import Metrics
from pbx.missed.book import MissedBook
from pbx.missed.owners import owner_rule
from pbx.missed.service import MissedService
from pbx.missed_by_hand import answer_missed
from pbx.pausing import answer_pause
from pbx.plan.model import Plan
from pbx.plan.prompts import PromptStore
from pbx.plan.versions import VersionStore
from pbx.realtime import RealTime
from pbx.recordings.retention import keep_no_longer
from pbx.records.absence import Absence, CdrFile
from pbx.reload import Began, LivePlan
from pbx.reports.columns import ColumnStore
from pbx.settings import Settings
from pbx.supervisor import Supervisor
from pbx.taking_over import TakenOver, taken_over
from pbx.web_process import WebProcess
from pbx.webhooks.service import DeliveryService
from routing.dispatcher import Dispatcher
from routing.strategy import Registry

_log = structlog.get_logger(__name__)

CLOSE_S = 10.0
"""Longest wait for the log to be written at the end, seconds."""
REALTIME_AGAIN_S = 60.0
"""After the engine's thread gave its real-time scheduling back: until it asks again, seconds."""


class Service:
    """An engine with its log, metrics and HTTP server: a standby until it leads."""

    def __init__(
        self,
        settings: Settings,
        began: Began,
        versions: VersionStore,
        strategies: Registry,
        switch: AsteriskSwitch,
        journal: SqlJournal,
        metrics: Metrics,
        registry: CollectorRegistry,
        prompts: PromptStore,
        prefix: str,
        clock: SystemClock,
        missed: MissedService,
        book: MissedBook,
        deliveries: DeliveryService,
        supervisor: Supervisor,
        read: Engine,
    ) -> None:
        self._settings = settings
        self._strategies = strategies
        self._switch = switch
        self._journal = journal
        self._metrics = metrics
        self._prompts = prompts
        self._prefix = prefix
        self._clock = clock
        self._missed = missed
        missed.settle = self._settle_callbacks
        self._book = book
        self._deliveries = deliveries
        self._supervisor = supervisor
        self._read = read
        self._without_log = False
        self._doors_open = False
        self._today_reader = TodayReader(read)
        self._showing: LiveServer | None = None
        self._engine: EngineLoop | None = None
        self._absence: Absence | None = None
        self._house: list[asyncio.Task[None]] = []
        self._reloads: set[asyncio.Task[None]] = set()
        self.live = LivePlan(
            settings.plan,
            versions,
            began,
            prepare=prompts.prepare,
            put=self._put_in_force,
            strategies=strategies,
            utc_now=lambda: clock.utc(clock.now()),
            watcher=metrics,
        )
        self._control = ControlServer(settings.state_dir, self._answer)
        self._http = HttpServer(
            settings.http_host, settings.http_port, registry=registry, ready=self.ready
        )
        # The plan may have been named on the command line.
        web_env = {**os.environ, "VORONKA_PLAN": str(settings.plan)}
        self._web = WebProcess(env=web_env) if settings.web else None
        self._crm = Crm(settings.lookup) if settings.lookup is not None else None
        self._realtime: RealTime | None = None
        self._again: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Serve metrics, wait until no other engine leads, then begin.

        Raises SwitchError.
        """
        self._http.start()
        # A standby has started, too: it may be one for months.
        self._supervisor.ready("waits for Asterisk, or for the engine that leads to end")
        if self._web is not None:
            self._web.start()
        await self._switch.lead()
        # From here on the log is ours alone.
        await self.live.look_again()
        engine = await self._make_engine()
        tune()
        if self._settings.realtime:
            loop = asyncio.get_running_loop()
            self._realtime = RealTime(
                # Out of a signal's handler: nothing but this may be done there.
                lambda: loop.call_soon_threadsafe(self._overran)
            )
            self._go_first()
        await engine.start()
        self._engine = engine
        # The callers who are still there have been found; now the log is to know it, too.
        if not self._without_log:
            await asyncio.to_thread(self._journal.flush, CLOSE_S)
        self._missed.start()
        self._deliveries.start()
        lookout = Lookout(
            # Not the journal's: a question over it keeps everybody else from writing.
            self._read,
            ColumnStore.beside(self._settings.state_dir, self._settings.database),
            self._journal.engine,
            lambda: self.live.plan,
            self._utc_now,
        )
        self._metrics.funnel_source(lookout)
        self._house = [
            await self._look_back(engine),
            asyncio.create_task(lookout.run(), name="funnel"),
            asyncio.create_task(
                keep_no_longer(
                    self._journal.engine,
                    self._settings.recordings.here,
                    self._utc_now,
                ),
                name="recordings",
            ),
        ]
        await self.live.in_force()
        await self._open_doors()
        plan = self.live.plan
        self._supervisor.status(f"takes calls, plan {plan.digest[:12]}")
        _log.info(
            "engine_started",
            numbers=len(plan.numbers),
            agents=len(plan.routing.agents),
            queues=len(plan.routing.queues),
            plan=plan.digest[:12],
            realtime=self._realtime is not None and self._realtime.held,
        )

    def _go_first(self) -> None:
        self._again = None
        if self._realtime is not None:
            self._metrics.realtime(self._realtime.ask())

    def _overran(self) -> None:
        """The thread has worked without a pause for too long, and is now weighed as all others."""
        self._metrics.realtime(False)
        _log.warning("realtime_given_back", again_s=REALTIME_AGAIN_S)
        loop = asyncio.get_running_loop()
        self._again = loop.call_later(REALTIME_AGAIN_S, self._go_first)

    async def _open_doors(self) -> None:
        """An engine that nobody can ask or watch serves calls all the same."""
        for name, door in (("control", self._control), ("live", self._showing)):
            try:
                if door is not None:
                    await door.start()
            except OSError as error:
                _log.error(f"{name}_socket_failed", reason=str(error))
        self._doors_open = True

    def _put_in_force(self, plan: Plan) -> None:
        """The plan is the one of everything that asks one, from the next event on."""
        self._prompts.replace(plan)
        if self._engine is not None:
            if not self._engine.replace_plan(plan, self._switch.phones()):
                raise ControlError("the engine could not take the plan: see its log")
            self._watch_queues(self._engine.core.dispatcher, plan)
        self._switch.watch(plan.addresses, plan.rescue)
        self._metrics.known_numbers(plan.numbers)
        self._book.rule = owner_rule(plan.routing)
        if self._absence is not None:
            self._absence.replace_plan(plan)
        if self._showing is not None:  # last: who only watches must not be in the way
            self._showing.replace_plan(plan)

    async def _answer(self, request: Request, author: str) -> dict[str, object]:
        """What is asked through the control socket."""
        match request.get("command"):
            case "click":
                return await answer_click(self._engine, request, author)
            case "pause" | "unpause":
                return answer_pause(self._engine, request, author)
            case "missed_close" | "missed_reopen":
                return await answer_missed(self._missed, request, author)
            case _:
                return await self.live.answer(request, author)

    def _settle_callbacks(self, results: Mapping[str, str]) -> None:
        if self._engine is not None:
            self._engine.settle_callbacks(results)

    def _watch_queues(self, dispatcher: Dispatcher, plan: Plan) -> None:
        self._metrics.distribution_source(dispatcher, tuple(plan.routing.queues))

    def reload_soon(self) -> None:
        """Load the plan anew, as for a SIGHUP: what comes of it is told in the log."""
        if self._engine is None:
            _log.info("standby_reloads_when_it_leads")
            return
        task = asyncio.create_task(self._reload(), name="reload")
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        with self._supervisor.reloading(), contextlib.suppress(ControlError):  # has been told
            await self.live.reload("SIGHUP")

    async def _make_engine(self) -> EngineLoop:
        """The engine, with what the log tells of the time before."""
        plan, journal, clock = self.live.plan, self._journal, self._clock
        known = await self._take_over()
        dispatcher = Dispatcher(
            plan.routing,
            strategies=self._strategies,
            rng=random.Random(int.from_bytes(os.urandom(8))),
            memory=known.memory,
            id_prefix=self._prefix,
        )
        self._watch_queues(dispatcher, plan)
        self._showing = LiveServer(
            self._settings.state_dir,
            plan,
            utc_now=self._utc_now,
            read_today=self._today,
            ready=lambda: all(self.ready().values()),
            unreachable=lambda: {
                one.agent_id for one in dispatcher.agents.values() if not one.reachable
            },
        )
        self._showing.board.paused(known.pauses)
        engine = EngineLoop(
            plan,
            dispatcher,
            self._switch,
            journal,
            clock,
            watcher=self._metrics,
            told=self._showing.observe,
            id_prefix=self._prefix,
            open_waits=known.waits,
            open_callbacks=known.callbacks,
            open_talks=known.talks,
            open_pauses=known.pauses,
            rates=known.rates,
            lookup=self._crm.lookup if self._crm is not None else None,
        )
        if self._crm is not None:
            self._crm.tell = engine.looked_up
            self._crm.start()
        callbacks = engine.core.callbacks
        self._metrics.callbacks_source(
            lambda: {
                queue: (count, max(0.0, clock.now() - oldest))
                for queue, (count, oldest) in callbacks.open_by_queue().items()
            }
        )
        # A restart gives nobody a new hour's worth of calls.
        engine.core.outside_calls.remember(known.outside_calls)
        return engine

    async def _take_over(self) -> TakenOver:
        """What the log tells; nothing where it can't be had: calls don't wait for it."""
        # A standby may have begun without the log, and it is back by now.
        if self._journal.up_to_date:
            known = await asyncio.to_thread(
                taken_over, self._journal, self.live.plan, self._utc_now()
            )
            if known is not None:
                return known
        self._without_log = True
        _log.error("engine_begins_without_log")
        return TakenOver()

    def _utc_now(self) -> datetime:
        return self._clock.utc(self._clock.now())

    def _today(self) -> Row:
        """The day's figures; blocking."""
        return self._today_reader.read(ZoneInfo(self.live.plan.time_zone), self._utc_now())

    async def _look_back(self, engine: EngineLoop) -> asyncio.Task[None]:
        """Begin to complete the log from Asterisk's own records."""
        settings, journal = self._settings, self._journal
        file = CdrFile(settings.cdr_file, settings.state_dir / "switch-records.mark")

        def settled() -> bool:
            stats = journal.stats()
            return not stats.failing and stats.in_spool == 0

        def write(stamped: Stamped) -> None:
            journal.write(stamped)
            self._metrics.observe(stamped)

        with contextlib.suppress(OSError):  # told when it is looked at
            await asyncio.to_thread(file.begin_at_end)
        self._absence = Absence(
            file,
            journal.engine,
            self.live.plan,
            write=write,
            settled=settled,
            live=lambda: engine.core.calls.by_id.keys(),
            messages=settings.messages.here,
            now=self._utc_now,
        )
        return asyncio.create_task(self._absence.run(), name="absence")

    @property
    def failures(self) -> int:
        """Events that the engine failed to handle."""
        return self._engine.failures if self._engine is not None else 0

    def ready(self) -> Mapping[str, bool]:
        """What /readyz asks: every part by name."""
        return {
            "ami": self._switch.connection.up,
            "accepting_calls": self._engine is not None and not self._engine.core.draining,
            "journal": not self._journal.stats().failing,
            "started": self._doors_open,
        }

    async def run_until(self, stop: asyncio.Event) -> None:
        """Start, and work until asked to stop.

        Raises SwitchLost when another engine has taken over while we could not be reached: what
        we know of the calls is not true any more, so this process has to end and start anew.
        LogIsBack: what began without the log is to be stopped, and built and run anew.
        """
        waits = asyncio.create_task(stop.wait())
        works = asyncio.create_task(self._work())
        try:
            await asyncio.wait({waits, works}, return_when=asyncio.FIRST_COMPLETED)
            if works.done():
                await works
        finally:
            for task in (waits, works):
                task.cancel()
            await asyncio.gather(waits, works, return_exceptions=True)

    async def _work(self) -> None:
        await self.start()
        deposed = asyncio.create_task(self._switch.connection.deposed())
        ends = {deposed}
        if self._without_log:
            ends.add(asyncio.create_task(outage.over(self._journal)))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
        if deposed.done() and not deposed.cancelled():
            await deposed
            raise SwitchLost("another engine leads")
        raise LogIsBack

    async def stop(self, *, for_good: bool = True) -> None:
        """No new calls, talks untouched, the log written to its end.  ``for_good``: the process
        ends, too."""
        if for_good:
            self._supervisor.stopping()
        _log.info(
            "engine_stopping", calls=len(self._engine.core.calls.by_id if self._engine else ())
        )
        if self._again is not None:
            self._again.cancel()
        if self._realtime is not None:
            self._realtime.give_back()
        await self._control.stop()
        if self._showing is not None:
            await self._showing.stop()
        ending = [*self._house, *self._reloads]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        with contextlib.suppress(Exception):
            if self._engine is not None:
                await self._engine.drain()
            else:
                await self._switch.stop()
        if self._crm is not None:
            await self._crm.stop()
        await self._missed.stop()
        await self._deliveries.stop()
        self._read.dispose()
        await asyncio.to_thread(self._journal.close, CLOSE_S)
        self._prompts.close()
        await self._http.stop()
        if self._web is not None:
            await self._web.stop()
        _log.info("engine_stopped")
