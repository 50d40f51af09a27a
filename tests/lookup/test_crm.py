"""A CRM is asked on loopback: one that answers, and worse ones."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp.resolver import DefaultResolver

from pbx.lookup import breaker
from pbx.lookup.crm import AT_ONCE, Crm
from pbx.lookup.port import Failed, Known, Request, Result, Said
from pbx.lookup.target import LookupTarget
from routing.values import CallId
from tests.lookup.crm import Serve, answer, crm, says

SECRET = b"k" * 24
LIMIT_S = 0.3
IVAN = Request(CallId("1795463763.12"), "+78005553535", "+79161234567", "Иван", "site", "ru")


@dataclass
class Asking:
    """An engine that asks."""

    crm: Crm
    said: asyncio.Queue[tuple[CallId, Said]] = field(default_factory=asyncio.Queue)

    async def ask(self, request: Request = IVAN) -> tuple[Said, float]:
        """What is said, and after how long."""
        began = time.monotonic()
        assert self.crm.ask(request) == ""
        call_id, said = await asyncio.wait_for(self.said.get(), 10)
        assert call_id == request.call_id
        return said, time.monotonic() - began


@contextlib.asynccontextmanager
async def asking(url: str, limit_s: float = LIMIT_S) -> AsyncIterator[Asking]:
    one = Asking(Crm(LookupTarget(url, SECRET, limit_s)))
    one.crm.tell = lambda call_id, said: one.said.put_nowait((call_id, said))
    one.crm.start()
    try:
        yield one
    finally:
        await one.crm.stop()


async def test_the_question_is_signed_and_the_answer_read() -> None:
    async with crm(says({"manager": "ivanov", "vip": True})) as fake, asking(fake.url) as engine:
        said, _ = await engine.ask()

    assert said == Known("ivanov", True)
    ((headers, body),) = fake.asked
    assert json.loads(body)["type"] == "call.lookup"
    assert json.loads(body)["data"] == {
        "call_id": "1795463763.12",
        "did": "+78005553535",
        "number": "+79161234567",
        "name": "Иван",
        "source": "site",
        "language": "ru",
    }
    assert headers["webhook-id"] == "lookup_1795463763-12"
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(SECRET, content, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


async def test_one_connection_serves_many_questions() -> None:
    async with crm(says({})) as fake, asking(fake.url) as engine:
        for _ in range(5):
            assert (await engine.ask())[0] == Known()
        assert fake.connections == 1


async def _nothing(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def _drips(writer: asyncio.StreamWriter) -> None:
    for byte in answer({"manager": "ivanov"}):
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _drips_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x: y\r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("serve", [_nothing, _drips, _drips_headers])
async def test_who_is_slow_in_whatever_way_is_late(serve: Serve) -> None:
    async with crm(serve) as fake, asking(fake.url) as engine:
        said, took_s = await engine.ask()

    assert said == Failed(Result.LATE, "no answer within 300 ms")
    assert took_s < LIMIT_S + 0.5


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


async def _shut(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _half(writer: asyncio.StreamWriter) -> None:
    writer.write(answer({"manager": "ivanov"})[:-5])
    writer.close()


async def _noise(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\x01 SIP/2.0\r\n\r\n")


async def _compressed(writer: asyncio.StreamWriter) -> None:
    body = gzip.compress(b" " * 50_000_000)
    writer.write(answer(body, more="Content-Encoding: gzip\r\n"))


BAD: list[tuple[Serve, str]] = [
    (says({"manager": "ivanov"}, status="500 Oh"), "status 500"),
    (says({}, status="302 Found", more="Location: /elsewhere\r\n"), "status 302"),
    (says({}, status="401 Who"), "status 401"),
    (says(b"<html>"), "the answer is not JSON"),
    (says([]), "the answer is no JSON object"),
    (says(b" " * 1_000_000), "longer than 16 KB"),
    (_compressed, "longer than 16 KB"),
    (_endless, "longer than 16 KB"),
    (_shut, "ServerDisconnectedError"),
    (_half, "ClientPayloadError"),
    (_noise, "ClientResponseError"),
]


@pytest.mark.parametrize(("serve", "why"), BAD)
async def test_what_is_broken_is_told_as_such_and_asked_once(serve: Serve, why: str) -> None:
    async with crm(serve) as fake, asking(fake.url, 5.0) as engine:
        said, _ = await engine.ask()

        assert said == Failed(Result.BROKEN, why)
        assert len(fake.asked) == 1, "nothing is asked twice, no redirect followed"


async def test_nobody_there_is_broken() -> None:
    async with crm(says({})) as fake:
        pass
    async with asking(fake.url) as engine:
        said, _ = await engine.ask()

    assert said == Failed(Result.BROKEN, "ClientConnectorError")


async def test_a_name_server_that_hangs_does_not_outlast_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[object]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(DefaultResolver, "resolve", resolve)
    async with asking("http://crm.test/") as engine:
        said, took_s = await engine.ask()

    assert said == Failed(Result.LATE, "no answer within 300 ms")
    assert took_s < LIMIT_S + 0.5


async def test_a_name_that_leads_to_metadata_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(self: object, host: str, port: int = 0, family: int = 0) -> list[object]:
        meta = {"hostname": host, "host": "169.254.169.254", "port": port}
        return [meta | {"family": family, "proto": 0, "flags": 0}]

    monkeypatch.setattr(DefaultResolver, "resolve", resolve)
    async with asking("http://crm.test/", 5.0) as engine:
        said, _ = await engine.ask()

    assert said == Failed(Result.BROKEN, "ClientConnectorDNSError")


async def test_more_at_once_than_a_crm_bears_are_not_asked() -> None:
    async with crm(_nothing) as fake, asking(fake.url) as engine:
        for _ in range(AT_ONCE):
            assert engine.crm.ask(IVAN) == ""
        assert engine.crm.ask(IVAN) == "32 questions are under way"


async def test_who_fails_again_and_again_is_left_alone_and_tried_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(breaker, "REST_S", 0.3)
    ill = True

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(answer({}, status="503 Down") if ill else answer({"vip": True}))

    async with crm(serve) as fake, asking(fake.url, 5.0) as engine:
        for _ in range(breaker.FAILURES_MOST):
            said, _ = await engine.ask()
            assert said == Failed(Result.BROKEN, "status 503")
        assert engine.crm.ask(IVAN) == "the CRM did not answer 5 times in a row"
        assert len(fake.asked) == 5

        ill = False
        async with asyncio.timeout(5):
            while engine.crm.ask(IVAN):  # noqa: ASYNC110 (a rest ends by the clock)
                await asyncio.sleep(0.02)
        assert await engine.said.get() == (IVAN.call_id, Known(vip=True))
        assert (await engine.ask())[0] == Known(vip=True)


async def test_an_engine_that_ends_waits_for_no_answer() -> None:
    async with crm(_nothing) as fake, asking(fake.url, 30.0) as engine:
        assert engine.crm.ask(IVAN) == ""
        async with asyncio.timeout(5):
            while not fake.asked:  # noqa: ASYNC110 (a fake tells nobody)
                await asyncio.sleep(0.01)
        began = time.monotonic()
        await engine.crm.stop()
        assert time.monotonic() - began < 1.0
        assert engine.crm.ask(IVAN) == "the engine is not at work"
        assert engine.said.empty()
