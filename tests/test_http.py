"""/metrics and its neighbours: calls don't wait for their port."""

from __future__ import annotations

import asyncio
import socket

import pytest
from prometheus_client import CollectorRegistry

from pbx import http
from pbx.http import HttpServer
from tests.healthz import up

HOST = "127.0.0.1"


async def test_a_port_that_somebody_has_is_taken_when_it_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "AGAIN_S", 0.01)
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen(0)
        port = other.getsockname()[1]
        server = HttpServer(HOST, port, registry=CollectorRegistry(), ready=dict)
        server.start()
        for _ in range(5):
            await asyncio.sleep(0)
    async with asyncio.timeout(20):
        while not await up(port):  # noqa: ASYNC110 (the server's own loop tries)
            await asyncio.sleep(0.01)
    await server.stop()
    assert not await up(port)


async def test_one_that_never_had_it_ends_all_the_same() -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen(0)
        server = HttpServer(HOST, other.getsockname()[1], registry=CollectorRegistry(), ready=dict)
        server.start()
        await asyncio.sleep(0)
        await server.stop()
