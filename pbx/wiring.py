"""Builds an engine process out of its parts, by hand, and ends it in the right order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import ssl
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from pbx.ami.switch import AmiSettings, AsteriskSwitch
from pbx.ami.translate import MessageFolder
from pbx.engine.clock import SystemClock
from pbx.engine.loop import EngineLoop
from pbx.engine.outside import HOUR_S
from pbx.engine.tuning import tune
from pbx.errors import SettingsError
from pbx.http import start_http
from pbx.journal.recall import recall, recall_outside
from pbx.journal.writer import SqlJournal
from pbx.logs import set_up_logs
from pbx.metrics import Metrics
from pbx.plan.load import load
from pbx.plan.model import Plan
from pbx.plan.prompts import PromptStore
from pbx.plan.strategies import installed_strategies
from pbx.settings import Settings
from routing.dispatcher import Dispatcher

_log = structlog.get_logger(__name__)

CLOSE_S = 10.0
"""Longest wait for the log to be written at the end, seconds."""
TALKS_REMEMBERED = timedelta(days=90)
"""How far back the last manager of a number is looked up."""


class Service:
    """A running engine with its log, metrics and HTTP server."""

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        engine: EngineLoop,
        switch: AsteriskSwitch,
        journal: SqlJournal,
        metrics: Metrics,
        registry: CollectorRegistry,
        prompts: PromptStore,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._engine = engine
        self._switch = switch
        self._journal = journal
        self._metrics = metrics
        self._registry = registry
        self._prompts = prompts
        self._http: web.AppRunner | None = None

    async def start(self) -> None:
        """Connect to Asterisk and serve metrics.  Raises SwitchError, OSError."""
        settings = self._settings
        self._http = await start_http(
            settings.http_host, settings.http_port, registry=self._registry, ready=self.ready
        )
        tune()
        await self._engine.start()
        _log.info(
            "engine_started",
            numbers=len(self._plan.numbers),
            agents=len(self._plan.routing.agents),
            queues=len(self._plan.routing.queues),
            plan=self._plan.digest[:12],
        )

    def ready(self) -> Mapping[str, bool]:
        """What /readyz asks: every part by name."""
        return {
            "ami": self._switch.connection.up,
            "accepting_calls": not self._engine.core.draining,
            "journal": not self._journal.stats().failing,
        }

    async def run_until(self, stop: asyncio.Event) -> None:
        """Until asked to stop."""
        await stop.wait()

    async def stop(self) -> None:
        """No new calls, talks untouched, the log written to its end."""
        _log.info("engine_stopping", calls=len(self._engine.core.calls.by_id))
        with contextlib.suppress(Exception):
            await self._engine.drain()
        await asyncio.to_thread(self._journal.close, CLOSE_S)
        self._prompts.close()
        if self._http is not None:
            await self._http.cleanup()
        _log.info("engine_stopped")


async def build(settings: Settings) -> Service:
    """All parts, connected to nothing yet but the database.

    Raises PlanError, JournalError, SettingsError.
    """
    set_up_logs(settings.log_format, settings.log_level)
    plan = load(settings.plan)
    settings.messages.here.mkdir(parents=True, exist_ok=True)
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.known_numbers(plan.numbers)
    metrics.plan_loaded(time.time(), ok=True)
    clock = SystemClock()
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    journal = SqlJournal(settings.database, spool=settings.state_dir / "spool.jsonl")
    await asyncio.to_thread(journal.start)
    closed = await asyncio.to_thread(journal.close_open_calls, clock.utc(clock.now()))
    if closed:
        _log.warning("open_calls_closed", calls=closed)
    prompts = PromptStore(plan, settings.sounds.here, settings.sounds.on_switch)
    for problem in await asyncio.to_thread(prompts.prepare):
        _log.warning("prompt_missing", problem=str(problem))
    now = clock.utc(clock.now())
    memory = await asyncio.to_thread(
        partial(
            recall,
            journal.engine,
            queues=tuple(plan.routing.queues),
            day_began=now.replace(hour=0, minute=0, second=0, microsecond=0),
            talks_since=now - TALKS_REMEMBERED,
        )
    )
    # Ids are unique over restarts: the start's time, and some chance against a clock set back.
    prefix = f"{int(time.time()):x}{secrets.token_hex(2)}-"
    rng = random.Random(int.from_bytes(os.urandom(8)))
    dispatcher = Dispatcher(
        plan.routing,
        strategies=installed_strategies(),
        rng=rng,
        memory=memory,
        id_prefix=prefix,
    )
    metrics.distribution_source(dispatcher, tuple(plan.routing.queues))
    metrics.journal_source(journal)
    switch = AsteriskSwitch(
        AmiSettings(
            settings.ami_host,
            settings.ami_port,
            settings.ami_user,
            settings.ami_secret,
            _tls(settings),
        ),
        prompts.resolver(),
        messages=MessageFolder(settings.messages.here, settings.messages.on_switch),
        rng=rng,
        addresses={
            device.address for agent in plan.routing.agents.values() for device in agent.devices
        },
        watcher=metrics,
        command_prefix=prefix,
    )
    engine = EngineLoop(plan, dispatcher, switch, journal, clock, watcher=metrics, id_prefix=prefix)
    hour_ago = now - timedelta(seconds=HOUR_S)
    called = await asyncio.to_thread(
        partial(recall_outside, journal.engine, devices=plan.outside_devices, since=hour_ago)
    )
    # A restart gives nobody a new hour's worth of calls.
    engine.core.outside_calls.remember((at.timestamp(), agent_id) for at, agent_id in called)
    return Service(settings, plan, engine, switch, journal, metrics, registry, prompts)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.ami_tls_ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ami_tls_ca)
    except OSError as error:
        raise SettingsError(f"VORONKA_AMI_TLS_CA: {settings.ami_tls_ca}: {error}") from error
