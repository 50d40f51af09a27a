"""The demo's morning in a log, and the pages over it as somebody sees them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from lab.morning import MORNING
from pbx.engine.clock import VirtualClock
from pbx.engine.virtual import VirtualWorld
from pbx.journal.writer import SqlJournal
from pbx.plan.load import load
from pbx.reports.contacts import CallerBook
from pbx.settings import WebSettings
from pbx.web.access import SCOPES, Kind, Principal, Role, signed_in
from pbx.web.state import WebState
from routing.dispatcher import Dispatcher
from routing.strategy import Registry
from tests.web.application import application
from tests.web.people import quick

# A Tuesday, 12:00 in Moscow.
BEGAN = datetime(2026, 11, 17, 9, 0, tzinfo=UTC)
LATER_S = 600.0


def write_morning(settings: WebSettings, folder: Path) -> None:
    """The whole morning, as the engine would log it."""
    plan = load(settings.plan)
    log = SqlJournal(settings.database, spool=folder / "spool.jsonl", followers=[CallerBook()])
    log.start()
    world = VirtualWorld(
        plan,
        Dispatcher(plan.routing, strategies=Registry.builtin(), rng=random.Random(1)),
        MORNING,
        start=BEGAN.timestamp(),
        on_entry=log.write,
    )
    world.run(BEGAN.timestamp() + LATER_S)
    log.close(20.0)


def principal(
    state: WebState, role: Role, *, departments: tuple[str, ...] = (), agent: str | None = None
) -> Principal:
    """Somebody of that role."""
    return Principal(
        Kind.USER, role.value, role, frozenset(departments), agent, SCOPES[role], state.staff
    )


@asynccontextmanager
async def morning(settings: WebSettings) -> AsyncIterator[WebState]:
    """Pages as they were ten minutes after it."""
    state = WebState(settings, clock=VirtualClock(BEGAN.timestamp() + LATER_S), passwords=quick())
    async with state.running():
        yield state


@asynccontextmanager
async def seen_by(
    state: WebState,
    role: Role,
    *,
    departments: tuple[str, ...] = (),
    agent: str | None = None,
    language: str = "en",
) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in which they are signed in."""
    app = application(state)
    who = principal(state, role, departments=departments, agent=agent)
    app.dependency_overrides[signed_in] = lambda: who
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://pbx.test",
        headers={"Accept-Language": language},
    ) as client:
        yield client
