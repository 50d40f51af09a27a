"""The application over an empty log and the shipped plan, asked without a network."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
import structlog
from fastapi import FastAPI
from playwright.async_api import Browser

from pbx.engine.clock import Clock, SystemClock
from pbx.journal.database import migrate, open_for_writing
from pbx.logs import set_up_logs
from pbx.plan.load import build
from pbx.settings import WebSettings, read_web_settings
from pbx.web import plan_in_force
from pbx.web.access import Role, signed_in
from pbx.web.state import WebState
from tests.web.application import application, take_back
from tests.web.looking import chromium, served
from tests.web.made_up import FIRST, Asked, who
from tests.web.morning import morning, write_morning
from tests.web.people import quick

PLAN = Path("config").absolute()
HOST = "http://pbx.test"


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """As in service: structlog's own way to show an error takes seconds."""
    set_up_logs("json", "info")
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def plans_are_built_once() -> Iterator[None]:
    """Each test's state has the shipped plan, which never changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_in_force, "build", functools.lru_cache(8)(build))
        yield


@pytest.fixture(scope="session", autouse=True)
def nobody_is_looked_for_at_each_request() -> Iterator[None]:
    """httpx asks whether this is trio; where there is no sniffio, that reads all folders again."""
    with pytest.MonkeyPatch.context() as patch:
        if "sniffio" not in sys.modules and find_spec("sniffio") is None:
            patch.setitem(sys.modules, "sniffio", None)
        yield


@pytest.fixture(autouse=True)
def applications_are_shared() -> Iterator[None]:
    yield
    take_back()


@pytest.fixture(scope="session")
def empty_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: it takes longer than most tests."""
    file = tmp_path_factory.mktemp("log") / "voronka.db"
    engine = open_for_writing(f"sqlite:///{file}")
    migrate(engine)
    engine.dispose()
    return file


@pytest.fixture
def settings(tmp_path: Path, empty_log: Path) -> WebSettings:
    shutil.copy(empty_log, tmp_path / "voronka.db")
    return read_web_settings({"VORONKA_STATE_DIR": str(tmp_path), "VORONKA_PLAN": str(PLAN)})


@pytest.fixture
def clock() -> Clock:
    """The machine's; a test that needs another one makes this fixture anew."""
    return SystemClock()


@pytest.fixture
async def state(settings: WebSettings, clock: Clock) -> AsyncIterator[WebState]:
    state = WebState(settings, clock=clock, passwords=quick())
    async with state.running():
        yield state


@pytest.fixture
def app(state: WebState) -> FastAPI:
    return application(state)


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody, in Russian; redirects are not followed."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=HOST, headers={"Accept-Language": "ru"}
    ) as client:
        yield client


@pytest.fixture
async def asked(state: WebState, app: FastAPI) -> Asked:
    """What pages ask of the engine; an admin is signed in."""
    asked = Asked()
    state.control = asked  # type: ignore[assignment]
    app.dependency_overrides[signed_in] = lambda: who(Role.ADMIN)
    return asked


@pytest.fixture
async def chrome() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def url(app: FastAPI, asked: Asked, state: WebState) -> AsyncIterator[str]:
    """Where the application is served, with two managers and no calls."""
    state.live.take(FIRST)
    async with served(app) as address:
        yield address


@pytest.fixture(scope="session")
def morning_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's morning: made once, for who works on a copy."""
    folder = tmp_path_factory.mktemp("morning")
    made = read_web_settings({"VORONKA_STATE_DIR": str(folder), "VORONKA_PLAN": str(PLAN)})
    write_morning(made, folder)
    return folder / "voronka.db"


@pytest.fixture
async def shop(settings: WebSettings, morning_log: Path, tmp_path: Path) -> AsyncIterator[WebState]:
    shutil.copy(morning_log, tmp_path / "voronka.db")
    async with morning(settings) as state:
        yield state
