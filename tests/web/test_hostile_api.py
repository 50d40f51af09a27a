"""Whatever a program sends to the API is answered, and never by an error of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from pbx.journal.database import migrate, open_for_writing
from pbx.settings import read_web_settings
from pbx.web.state import WebState
from tests.journal.databases import NoPostgres, postgres
from tests.web.application import application
from tests.web.asking import asking, somebody
from tests.web.conftest import PLAN
from tests.web.house import house
from tests.web.people import quick

TEXTS = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "..%2f..",
    "' or 1=1 --",
    "=cmd|'/c calc'!A0",
    "x" * 5_000,
    "９９９",
    "+7916*72",
    "${SHELL(id)}",
    "500&PJSIP/trunk/1",
    "\u202e\u200b",
    "٣",
]
TIMES = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "99999-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "1e400",
    "NaN",
]
BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"events": ' + b"[" * 5_000,
    b'{"number": 1e999, "manager": 9' + b"9" * 5_000 + b"}",
    b'{"events": [{"id": "\\ud800", "stage": "meeting", "number": "+79161234567"}]}',
    b'{"reason": "\\ud800"}',
    b'{"number": "\\ud800", "manager": "petrova"}',
]


def filled(path: str, value: str) -> str:
    return re.sub(r"\{\w+\}", lambda _: quote(value, safe=""), path)


def asked(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, one in methods.items():
            if "live" not in path:  # a stream goes on
                yield method.upper(), path.removeprefix("/api/v1"), one


def event(**more: object) -> dict[str, object]:
    return {"id": "e", "stage": "meeting", "number": "+79161234567"} | more


@pytest.mark.slow
async def test_nothing_that_is_sent_is_an_error_of_ours(app: FastAPI, state: WebState) -> None:
    await send_all(app, state)


@pytest.mark.timeout(300)  # of processor time it takes a quarter of a minute
@pytest.mark.postgres
async def test_nor_is_it_with_a_database_that_takes_less(tmp_path: Path) -> None:
    try:
        with postgres() as server:
            env = {"VORONKA_STATE_DIR": str(tmp_path), "VORONKA_PLAN": str(PLAN)}
            settings = read_web_settings({**env, "VORONKA_DB": server.url})
            engine = open_for_writing(server.url)
            migrate(engine)
            engine.dispose()
            state = WebState(settings, passwords=quick())
            async with state.running():
                await send_all(application(state), state)
    except NoPostgres as error:
        pytest.skip(str(error))


async def send_all(app: FastAPI, state: WebState) -> None:
    texts = [one for one in TEXTS if one.isprintable() or "\ud800" not in one]
    schema, seen = app.openapi(), 0

    async def answered(answer: httpx.Response, one: dict[str, Any] | None = None) -> None:
        nonlocal seen
        seen += 1
        assert answer.status_code < 500, (answer.request.method, answer.request.url)
        if one is not None and answer.status_code != 405:
            told = (answer.request.method, answer.request.url, answer.status_code)
            assert str(answer.status_code) in one["responses"], told
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code

    async with house(state), asking(app, somebody(state.staff)) as crm:
        for method, path, one in asked(schema):
            for value in [*texts[:8], *TIMES[:3]]:
                await answered(await crm.request(method, filled(path, value), json={}))
            for parameter in one.get("parameters", []):
                if parameter["in"] == "query":
                    for value in [*texts, *TIMES]:
                        params = {parameter["name"]: value}
                        request = crm.request(method, path, params=params, json={})
                        await answered(await request, one)
            if method == "POST":
                for body in BODIES:
                    headers = {"Content-Type": "application/json"}
                    request = crm.post(filled(path, "petrova"), content=body, headers=headers)
                    await answered(await request, one)
        for value in texts:
            for name in event():
                told = {"events": [event(**{name: value})]}
                await answered(await crm.post("/funnel/events", json=told))
            click = {"manager": value, "number": value}
            await answered(await crm.post("/click", json=click))
        for at in TIMES:
            await answered(await crm.post("/funnel/events", json={"events": [event(id=at, at=at)]}))
    assert seen > 500
