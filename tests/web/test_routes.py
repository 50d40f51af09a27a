"""No page and no resource is left without a door."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount, Route

from pbx.web import api, pages
from pbx.web.access import signed_in
from pbx.web.app import API_ROOT
from pbx.web.csrf import SAFE

OPEN = {"/login", "/healthz", "/preferences", "/api/v1/openapi.json"}
"""Who is not signed in may have these, and /static."""
SIGNED = {"/api/v1/hooks/funnel"}
"""Asked for a signature in place of a token (test_funnel_events.py)."""


def routes(app: FastAPI) -> Iterator[tuple[str, BaseRoute]]:
    """All of them, with their whole paths."""
    included = 0
    for route in app.routes:
        if isinstance(route, (Mount, Route)):
            yield route.path, route
        else:
            included += 1  # a router, as FastAPI keeps it: its routes are below
    listed = [("", one) for one in pages.ROUTERS] + [(API_ROOT, one) for one in api.ROUTERS]
    assert included == len(listed), "a router that stands in no list"
    for prefix, router in listed:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            yield prefix + route.path, route


def calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for one in dependant.dependencies:
        yield from calls(one)


def test_every_route_asks_who_is_there(app: FastAPI) -> None:
    seen = 0
    for path, route in routes(app):
        if isinstance(route, Mount):
            assert path.startswith("/static/")
        elif isinstance(route, APIRoute):
            seen += 1
            if path not in OPEN | SIGNED:
                assert signed_in in set(calls(route.dependant)), path
        else:
            assert path in OPEN, path
    assert seen > 3


async def test_a_stranger_gets_nothing_anywhere(app: FastAPI, browser: httpx.AsyncClient) -> None:
    for path, route in routes(app):
        if not isinstance(route, APIRoute) or path in OPEN | SIGNED:
            continue
        for method in route.methods or ():
            answer = await browser.request(method, path.replace("{", "").replace("}", ""))
            # 400 and 422: what was sent is read before it is asked who sent it; nothing is told.
            expected = (401, 422) if path.startswith("/api/") else (303, 400)
            told = (method, path, answer.status_code, answer.text[:300])
            assert answer.status_code in expected, told
            if method in SAFE and answer.status_code == 303:
                assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize("path", sorted(OPEN - {"/preferences"}))
async def test_what_is_open_is_open(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path)).status_code == 200
