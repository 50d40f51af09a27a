"""What all pages share: settings, plan, log, live state, the way to the engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar
from zoneinfo import ZoneInfo

import structlog
from fastapi import Depends, Request
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from pbx.control import ask
from pbx.engine.clock import Clock, SystemClock
from pbx.errors import JournalError, PbxError, SettingsError
from pbx.journal.database import open_for_reading, open_for_writing
from pbx.plan.model import Plan
from pbx.reports.columns import ColumnStore
from pbx.settings import WebSettings
from pbx.web.accounts.audit import Action, actor_of, write_note
from pbx.web.accounts.doorkeeper import Doorkeeper
from pbx.web.accounts.passwords import Passwords
from pbx.web.assets import Assets
from pbx.web.copying import Copying
from pbx.web.live import LiveHub
from pbx.web.metrics import WebMetrics
from pbx.web.once import Once
from pbx.web.plan_in_force import PlanInForce
from pbx.web.plays import Plays
from pbx.web.principal import Principal, Staff
from pbx.web.report_mail.file import read_report_mails
from pbx.web.report_mail.post import Desk, Post
from pbx.web.waveforms import Waveforms

THREADS = 6
"""Questions to the log at once: more only wait for each other."""
SLOW_AT_ONCE = 2
"""Of these, reports and funnels over years."""
SLOW_S = 20.0
"""Longest wait for one of them, seconds; nobody looks at a page for longer."""
CONTROL_AT_ONCE = 4
"""Of the engine's eight places for who asks it, those that pages may take."""
CONTROL_S = 10.0
"""Longest wait for the engine's reply, seconds."""
WRITE_DOWN_S = 30.0
"""How often it is written who was last seen, seconds."""
CLEAR_AWAY_EVERY = 120
"""After so many times, what is over is removed: once an hour."""

_log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class TooLong(PbxError):
    """A question to the log was not answered in time."""


class ControlClient:
    """Asks the engine to do something."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places = asyncio.Semaphore(CONTROL_AT_ONCE)

    async def ask(self, request: dict[str, object]) -> dict[str, Any]:
        """The reply.  Raises ControlError when it refuses, is not there, or does not reply."""
        async with self._places:
            return await asyncio.to_thread(ask, self._folder, request, timeout_s=CONTROL_S)


class WebState:
    """One for the whole process, at ``app.state.web``."""

    def __init__(
        self,
        settings: WebSettings,
        *,
        clock: Clock | None = None,
        passwords: Passwords | None = None,
    ) -> None:
        """Raises PlanError and JournalError."""
        self.settings = settings
        self.read: Engine = open_for_reading(settings.database)
        self.write: Engine = open_for_writing(settings.database)
        self.control = ControlClient(settings.state_dir)
        self.assets = Assets()
        self._clock = clock or SystemClock()
        self.metrics = WebMetrics(CollectorRegistry())
        self.live = LiveHub(settings.state_dir, self.now, self.leads_to)
        self.metrics.live_source(lambda: self.live.viewers, lambda: self.live.there)
        self._in_force = PlanInForce(settings.plan, settings.state_dir / "plans")
        self.waveforms = Waveforms()
        self.plays = Plays()
        self.clicks: Once[dict[str, Any]] = Once(
            self._clock.now, lambda reply: bool(reply.get("accepted"))
        )
        self.columns = ColumnStore.beside(settings.state_dir, settings.database)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="log")
        self._slow = asyncio.Semaphore(SLOW_AT_ONCE)
        self.copying = Copying(self.read, self.columns, self.in_thread)
        self.door = Doorkeeper(
            self.read,
            self.write,
            in_thread=self.in_thread,
            now=self.now,
            seconds=self._clock.now,
            passwords=passwords,
            per_minute=settings.api_per_minute,
        )

    @property
    def plan(self) -> Plan:
        """The one in force."""
        return self._in_force.plan

    @property
    def staff(self) -> Staff:
        """Who is where by that plan."""
        return self._in_force.staff

    @property
    def zone(self) -> ZoneInfo:
        """The company's time zone."""
        return ZoneInfo(self.plan.time_zone)

    def leads_to(self, did: str) -> frozenset[str]:
        """The departments that a number's callers may come to."""
        return self._in_force.leads.get(did, frozenset())

    def now(self) -> datetime:
        """The time (UTC, aware)."""
        return self._clock.utc(self._clock.now())

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What asks a database, or takes long, beside the loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))

    async def slowly(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for what may look at millions of calls.  Raises TooLong.

        A thread can't be stopped: what is given up keeps its place until it is over.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(SLOW_S):
                await self._slow.acquire()
                running = loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))
                running.add_done_callback(self._over)
                return await asyncio.shield(running)
        except TimeoutError:
            raise TooLong(f"no answer within {SLOW_S:g} s") from None

    def _over(self, running: asyncio.Future[T]) -> None:
        self._slow.release()
        if not running.cancelled():
            running.exception()  # looked at, should nobody wait for it any more

    async def audit(
        self,
        principal: Principal,
        action: Action,
        subject: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Write down that somebody does something.

        Raises JournalError: then it is not to be done.
        """
        await self.in_thread(
            write_note, self.write, actor_of(principal), action, subject, details, at=self.now()
        )
        self.metrics.noted(action)

    async def audit_done(
        self,
        principal: Principal,
        action: Action,
        subject: str = "",
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Write down what the engine has done for somebody; its own log names them, too, so that
        nothing is lost where this can't be written."""
        try:
            await self.audit(principal, action, subject, details)
        except JournalError as error:
            _log.warning("audit_not_written", action=action, reason=str(error))

    def _report_mails(self) -> list[asyncio.Task[None]]:
        """What sends reports, where a file says which.  One that is wrong keeps no page away."""
        if self.settings.reports_file is None:
            return []
        try:
            mails = read_report_mails(self.settings.reports_file)
        except SettingsError as error:
            _log.error("report_mails_not_read", reason=str(error))
            self.metrics.report_mails_unreadable()
            return []
        desk = Desk(
            self.read,
            self.write,
            self.columns,
            lambda: self.plan,
            self.now,
            lambda work: self.slowly(work),
            self.settings.url,
            self.metrics.report_mail,
        )
        return [asyncio.create_task(Post(mails, desk).run(), name="report mails")]

    def end_streams(self) -> None:
        """The process is about to end: nobody is to be kept."""
        self.live.end()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """What goes on beside the requests."""
        house = [
            asyncio.create_task(self._in_force.watch(), name="plan"),
            asyncio.create_task(self.live.run(), name="live"),
            asyncio.create_task(self._keep_house(), name="accounts"),
            asyncio.create_task(self.copying.run(), name="columns"),
            *self._report_mails(),
        ]
        try:
            yield
        finally:
            for task in house:
                task.cancel()
            await asyncio.gather(*house, return_exceptions=True)
            with contextlib.suppress(JournalError):
                await self.in_thread(self.door.write_down)
            self._threads.shutdown(wait=False, cancel_futures=True)
            self.read.dispose()
            self.write.dispose()

    async def _keep_house(self) -> None:
        rounds = 0
        while True:
            try:
                if rounds % CLEAR_AWAY_EVERY == 0:
                    await self.in_thread(self.door.clear_away)
                await self.in_thread(self.door.write_down)
            except JournalError as error:
                _log.warning("accounts_not_written", reason=str(error))
            rounds += 1
            await asyncio.sleep(WRITE_DOWN_S)


def web_state(request: Request) -> WebState:
    """FastAPI's dependency."""
    state = request.app.state.web
    assert isinstance(state, WebState)
    return state


State = Annotated[WebState, Depends(web_state)]
