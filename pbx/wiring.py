"""Builds an engine process out of its parts, by hand."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import ssl
import time
from collections.abc import Callable
from zoneinfo import ZoneInfo

import structlog
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from pbx.ami.switch import AmiSettings, AsteriskSwitch
from pbx.ami.translate import MessageFolder
from pbx.engine.clock import SystemClock
from pbx.errors import SettingsError
from pbx.funnel.dialled import DialledStages
from pbx.journal import outage
from pbx.journal.database import open_for_reading, open_for_writing
from pbx.journal.writer import SqlJournal
from pbx.logs import set_up_logs
from pbx.metrics import Metrics
from pbx.missed.book import MissedBook
from pbx.missed.owners import owner_rule
from pbx.missed.service import MissedService
from pbx.plan.prompts import PromptStore
from pbx.plan.strategies import installed_strategies
from pbx.plan.versions import VersionStore
from pbx.recordings.keeper import Keeper
from pbx.reload import first_plan
from pbx.reports.book import FactBook
from pbx.reports.contacts import CallerBook
from pbx.service import Service
from pbx.settings import Settings
from pbx.supervisor import Supervisor
from pbx.webhooks.book import EventBook
from pbx.webhooks.mail_target import MailTarget
from pbx.webhooks.service import DeliveryService

_log = structlog.get_logger(__name__)
SPEAKING_TOLD_S = 5.0
"""How often a start tells how far the speaking of prompts is, seconds."""


async def build(settings: Settings, supervisor: Supervisor) -> Service:
    """All parts, connected to nothing yet but the database.

    Raises PlanError, JournalError, SettingsError.
    """
    set_up_logs(settings.log_format, settings.log_level)
    versions = VersionStore(settings.state_dir / "plans")
    strategies = installed_strategies()
    began = await asyncio.to_thread(first_plan, settings.plan, versions, strategies)
    plan = began.loaded.plan
    settings.messages.here.mkdir(parents=True, exist_ok=True)
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.known_numbers(plan.numbers)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    subscriptions = {one.name: one.events for one in settings.webhooks}
    book = MissedBook(owner_rule(plan.routing), subscriptions)
    events = EventBook(subscriptions)
    journal = SqlJournal(
        settings.database,
        spool=settings.state_dir / "spool.jsonl",
        followers=[events, book, CallerBook(), FactBook(), DialledStages()],
    )
    await asyncio.to_thread(outage.start, journal, settings.database, settings.state_dir)

    def reader() -> Engine:
        # The journal has looked whether it is ours; a log that has gone since is no reason not
        # to start.
        return open_for_reading(settings.database, checked=False)

    metrics.journal_source(journal)
    prompts = PromptStore(plan, settings.sounds.here, settings.sounds.on_switch)
    for problem in await asyncio.to_thread(prompts.prepare, None, _speaking()):
        _log.warning("prompt_missing", problem=str(problem))
    # Ids are unique over restarts: the start's time, and some chance against a clock set back.
    prefix = f"{int(time.time()):x}{secrets.token_hex(2)}-"
    clock = SystemClock()
    missed = MissedService(
        book,
        read=reader(),
        write=open_for_writing(settings.database),
        utc_now=lambda: clock.utc(clock.now()),
    )
    metrics.missed_source(missed)
    deliveries = DeliveryService(
        events,
        [
            one.in_zone(ZoneInfo(plan.time_zone)) if isinstance(one, MailTarget) else one
            for one in settings.webhooks
        ],
        read=reader(),
        write=open_for_writing(settings.database),
        utc_now=lambda: clock.utc(clock.now()),
        rng=random.Random(int.from_bytes(os.urandom(8))),
    )
    metrics.webhooks_source(deliveries)
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
        recorder=Keeper(settings.recordings.here, settings.recordings.on_switch),
        rng=random.Random(int.from_bytes(os.urandom(8))),
        addresses=plan.addresses,
        watcher=metrics,
        command_prefix=prefix,
        rescue=plan.rescue,
    )
    service = Service(
        settings,
        began,
        versions,
        strategies,
        switch,
        journal,
        metrics,
        registry,
        prompts,
        prefix,
        clock,
        missed,
        book,
        deliveries,
        supervisor,
        reader(),
    )
    keeping = switch.housekeeping
    metrics.failures_source(
        {
            "ami_malformed": lambda: switch.connection.malformed + switch.channels.malformed,
            "channel_forgotten": lambda: keeping.forgotten,
            "event_failed": lambda: service.failures,
            "event_lost": lambda: keeping.repaired,
            "journal_follower": lambda: journal.unfollowed,
        }
    )
    return service


def _speaking() -> Callable[[int, int], None]:
    """Tells the log, now and then, how far the speaking of prompts is: it can take minutes."""
    began = told_at = time.monotonic()

    def told(done: int, of: int) -> None:
        nonlocal told_at
        now = time.monotonic()
        if now - told_at >= SPEAKING_TOLD_S or (done == of and told_at > began):
            told_at = now
            _log.info("prompts_spoken", done=done, of=of)

    return told


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.ami_tls_ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ami_tls_ca)
    except OSError as error:
        raise SettingsError(f"VORONKA_AMI_TLS_CA: {settings.ami_tls_ca}: {error}") from error
