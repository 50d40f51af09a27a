"""The application over an empty log and the shipped plan, asked without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from pbx.journal.database import migrate, open_for_writing
from pbx.settings import WebSettings, read_web_settings
from pbx.web.app import build_app
from pbx.web.state import WebState

PLAN = Path("config").absolute()
HOST = "http://pbx.test"


@pytest.fixture
def settings(tmp_path: Path) -> WebSettings:
    found = read_web_settings({"VORONKA_STATE_DIR": str(tmp_path), "VORONKA_PLAN": str(PLAN)})
    engine = open_for_writing(found.database)
    migrate(engine)
    engine.dispose()
    return found


@pytest.fixture
async def state(settings: WebSettings) -> AsyncIterator[WebState]:
    state = WebState(settings)
    async with state.running():
        yield state


@pytest.fixture
def app(state: WebState) -> FastAPI:
    return build_app(state)


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Nobody, in Russian; redirects are not followed."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url=HOST, headers={"Accept-Language": "ru"}
    ) as client:
        yield client
