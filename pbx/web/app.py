"""The application: every page and resource, behind the same doors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from starlette.middleware import Middleware

from pbx.version import version
from pbx.web import api, faults, pages
from pbx.web.api.problems import EVERYWHERE, problems
from pbx.web.assets import Forever
from pbx.web.metrics import Counted
from pbx.web.openapi import described, name_of
from pbx.web.security import BoundedBody, SecurityHeaders
from pbx.web.state import WebState

API_ROOT = "/api/v1"


def build_app(state: WebState) -> FastAPI:
    """All of it, for uvicorn or for a test."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with state.running():
            yield

    app = FastAPI(
        title="Voronka",
        version=version(),
        openapi_url=f"{API_ROOT}/openapi.json",
        # FastAPI's own pages take their scripts from a CDN.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(Counted, files=state.assets.root, api=API_ROOT),
            Middleware(SecurityHeaders, secure=state.settings.secure),
            Middleware(faults.Unforeseen),
            Middleware(BoundedBody),
        ],
    )
    app.state.web = state
    faults.install(app)
    app.mount(state.assets.root, Forever(directory=state.assets.folder), name="static")
    for router in pages.ROUTERS:
        app.include_router(router, include_in_schema=False)
    add_api(app)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> PlainTextResponse:
        return PlainTextResponse("ok\n")  # that the loop answers is all it says

    return app


def add_api(app: FastAPI) -> None:
    """The resources and their description."""
    for router in api.ROUTERS:
        app.include_router(
            router,
            prefix=API_ROOT,
            responses=problems(*EVERYWHERE),
            generate_unique_id_function=name_of,
        )
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
