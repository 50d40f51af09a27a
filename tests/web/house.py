"""An engine beside the page in tests: everything of it but Asterisk, which only listens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI

from lab.engine import Quiet
from pbx.clicking import answer_click
from pbx.control import ControlServer, Request
from pbx.engine.clock import SystemClock
from pbx.engine.loop import EngineLoop
from pbx.errors import ControlError
from pbx.journal.database import open_for_reading, open_for_writing
from pbx.journal.writer import SqlJournal
from pbx.live.server import LiveServer
from pbx.live.today import TodayReader
from pbx.missed.book import MissedBook
from pbx.missed.owners import owner_rule
from pbx.missed.service import MissedService
from pbx.missed_by_hand import answer_missed
from pbx.pausing import answer_pause
from pbx.switch.port import SwitchCommand, SwitchEvent, SwitchUp
from pbx.web.state import WebState
from routing.dispatcher import Dispatcher
from routing.strategy import Registry


@dataclass
class Listening:
    """A switch that takes every command and does nothing; ``tell`` makes something happen."""

    sent: list[SwitchCommand] = field(default_factory=list)
    tell: Callable[[SwitchEvent], None] = lambda _: None

    async def start(self, on_event: Callable[[SwitchEvent], None]) -> None:
        self.tell = on_event
        on_event(SwitchUp())

    def send(self, command: SwitchCommand) -> None:
        self.sent.append(command)

    async def stop(self) -> None:
        pass


@dataclass
class House:
    """``written`` waits until the log has all that happened."""

    engine: EngineLoop
    switch: Listening
    journal: SqlJournal

    async def written(self) -> None:
        assert await asyncio.to_thread(self.journal.flush, 10.0)


@asynccontextmanager
async def house(state: WebState) -> AsyncIterator[House]:
    """At work on the page's plan and log, until left."""
    settings, plan, clock = state.settings, state.plan, SystemClock()
    book = MissedBook(owner_rule(plan.routing), {})
    journal = SqlJournal(
        settings.database, spool=settings.state_dir / "spool.jsonl", followers=[book]
    )
    await asyncio.to_thread(journal.start)
    missed = MissedService(
        book,
        read=open_for_reading(settings.database),
        write=open_for_writing(settings.database),
        utc_now=state.now,
    )
    today = TodayReader(state.read)
    showing = LiveServer(
        settings.state_dir,
        plan,
        utc_now=state.now,
        read_today=lambda: today.read(state.zone, state.now()),
        ready=lambda: True,
        unreachable=set,
    )
    dispatcher = Dispatcher(plan.routing, strategies=Registry.builtin(), rng=random.Random(1))
    switch = Listening()
    engine = EngineLoop(
        plan,
        dispatcher,
        switch,
        journal,
        clock,
        watcher=Quiet(None),
        told=showing.observe,
        id_prefix="w",
    )

    async def answer(request: Request, author: str) -> dict[str, object]:
        match request.get("command"):
            case "click":
                return await answer_click(engine, request, author)
            case "pause" | "unpause":
                return answer_pause(engine, request, author)
            case "missed_close" | "missed_reopen":
                return await answer_missed(missed, request, author)
        raise ControlError("an unknown command")

    control = ControlServer(settings.state_dir, answer)
    await engine.start()
    await control.start()
    await showing.start()
    async with asyncio.timeout(10):
        while not state.live.there:  # noqa: ASYNC110 (the page finds it by itself)
            await asyncio.sleep(0.02)
    try:
        yield House(engine, switch, journal)
    finally:
        await control.stop()
        await showing.stop()
        await engine.drain()
        await missed.stop()
        await asyncio.to_thread(journal.close, 10.0)


@asynccontextmanager
async def served(app: FastAPI, port: int) -> AsyncIterator[None]:
    """The page, on a port."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 (uvicorn tells nobody)
                await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task
