"""What Prometheus is told of the page: by route, never by what somebody sends."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest

from pbx.settings import WebSettings
from pbx.web.access import Role, Scope, signed_in
from pbx.web.accounts.tokens import Paper, add_token
from pbx.web.app import build_app
from pbx.web.state import WebState
from tests.web.made_up import FIRST, Asked, who
from tests.web.people import BY, MADE_AT, make_user, quick, sign_in
from tests.web.test_serve import PAGE, env_of


def value(state: WebState, name: str, **labels: str) -> float:
    return state.metrics.registry.get_sample_value(f"voronka_web_{name}", labels) or 0.0


def requests(state: WebState, route: str, status: str = "2xx") -> float:
    return value(state, "requests_total", route=route, status=status)


async def test_requests_are_told_by_route_and_class(
    app: FastAPI, state: WebState, browser: httpx.AsyncClient, asked: Asked
) -> None:
    both = ("/api/v1/managers", "/api/v1/missed", "/missed")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://pbx.test"
    ) as client:
        for path in ("/healthz", "/calls/1", "/calls/2", "/x1", "/x2", *both):
            await client.get(path)
        await client.get(state.assets.url("css/app.css"))

    assert requests(state, "/healthz") == 1
    assert requests(state, "/calls/{call_id}", "4xx") == 2
    assert requests(state, "other", "4xx") == 2
    assert requests(state, "/api/v1/managers") == 1
    assert requests(state, "/api/v1/missed") == requests(state, "/missed") == 1
    assert requests(state, "files") == 1
    assert value(state, "answer_seconds_count", route="/healthz") == 1
    assert "/x1" not in generate_latest(state.metrics.registry).decode()


async def test_a_hundred_thousand_strange_addresses_add_no_series(
    app: FastAPI, state: WebState
) -> None:
    async def gone(message: object) -> None:
        pass

    async def body() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    def series() -> int:
        return generate_latest(state.metrics.registry).count(b"\n")

    scope = {"type": "http", "http_version": "1.1", "headers": [], "query_string": b""}
    counts = []
    for n in range(300):
        path = f"/api/v1/{n}/../calls/{n}"
        told = {**scope, "method": f"X{n}", "path": path, "raw_path": path.encode()}
        await app({**told, "client": ("10.0.0.1", n), "server": ("pbx", 80)}, body, gone)
        counts.append(series())
    assert counts[0] == counts[-1]
    assert requests(state, "other", "4xx") == 300


async def test_logins_are_told_by_what_became_of_them(
    state: WebState, browser: httpx.AsyncClient
) -> None:
    make_user(state.write, "maria")
    for password in ("wrong", "wrong too"):
        await sign_in(browser, "maria", password)
    await sign_in(browser, "maria")

    assert value(state, "logins_total", result="wrong") == 2
    assert value(state, "logins_total", result="let_in") == 1
    # Each is there before it happens, or its first failure would not be seen to grow.
    assert state.metrics.registry.get_sample_value(
        "voronka_web_logins_total", {"result": "crowded"}
    ) == 0.0  # fmt: skip


async def test_viewers_and_the_engine_are_told(state: WebState) -> None:
    assert (value(state, "viewers"), value(state, "engine_seen")) == (0, 0)
    state.live.take(FIRST)
    stream = state.live.admit(who(Role.ADMIN))
    await anext(stream)

    assert (value(state, "viewers"), value(state, "engine_seen")) == (1, 1)
    await stream.aclose()
    assert value(state, "viewers") == 0


async def test_exports_are_told(app: FastAPI, state: WebState, browser: httpx.AsyncClient) -> None:
    app.dependency_overrides[signed_in] = lambda: who(Role.ADMIN)

    assert (await browser.get("/reports/export.csv")).status_code == 200
    assert value(state, "actions_total", action="exported") == 1


@pytest.fixture
async def slow(settings: WebSettings) -> AsyncIterator[WebState]:
    """A token asks six times a minute."""
    state = WebState(dataclasses.replace(settings, api_per_minute=6), passwords=quick())
    async with state.running():
        yield state


async def test_a_token_that_asks_too_often_is_told_when_to_come_again(slow: WebState) -> None:
    paper = Paper("crm", frozenset({Scope.MANAGERS_READ}))
    _, secret = add_token(slow.write, paper, by=BY, at=MADE_AT)
    _, other = add_token(slow.write, paper, by=BY, at=MADE_AT)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(build_app(slow)), base_url="http://pbx.test/api/v1"
    ) as client:

        async def ask(token: str) -> httpx.Response:
            return await client.get("/managers", headers={"Authorization": f"Bearer {token}"})

        assert (await ask(secret)).status_code == 200
        refused = await ask(secret)
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["detail"] == "this token asks too often"
        assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert (await ask(secret)).status_code == 429
        assert (await ask(other)).status_code == 200
        assert (await ask("vrk_nobody")).status_code == 401
    assert value(slow, "limited_total") == 2
    assert requests(slow, "/api/v1/managers", "4xx") == 3


@pytest.mark.slow
def test_they_are_served_apart_from_the_page_and_a_taken_port_keeps_no_page_away(
    settings: WebSettings, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # Both are there: one page has its metrics, the other its pages all the same.
        for metrics_port in (0, taken.getsockname()[1]):
            env = env_of(
                settings, VORONKA_WEB_PORT=str(port), VORONKA_WEB_METRICS_PORT=str(metrics_port)
            )
            with subprocess.Popen(
                PAGE, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as page:
                assert page.stderr is not None
                assert page.stdin is not None
                assert json.loads(page.stderr.readline())["event"] == "web_started"
                told = json.loads(page.stderr.readline())
                assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=60).text == "ok\n"
                if metrics_port:
                    assert (told["event"], told["port"]) == ("web_metrics_not_served", metrics_port)
                else:
                    assert told["event"] == "web_metrics_served"
                    address = f"http://127.0.0.1:{told['port']}"
                    text = httpx.get(f"{address}/metrics", timeout=60).text
                    assert 'voronka_web_requests_total{route="/healthz",status="2xx"} 1.0' in text
                    assert httpx.get(f"{address}/readyz").status_code == 503  # no engine
                # To whoever reaches the page they are not shown.
                assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 404
                page.stdin.close()
                assert page.wait(60) == 0
