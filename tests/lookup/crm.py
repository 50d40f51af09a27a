"""A CRM on loopback: bytes as they are told, so that it can be as bad as any."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class FakeCrm:
    """``serve`` writes what is answered.  ``asked``: headers (lower case) and body of each
    question; ``connections``: how many were opened."""

    serve: Serve
    url: str = ""
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0

    @property
    def numbers(self) -> list[str]:
        """Of whom it was asked."""
        return [json.loads(body)["data"]["number"] for _, body in self.asked]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = {
                    name.lower(): value
                    for name, _, value in (line.partition(": ") for line in head.split("\r\n")[1:])
                }
                body = await reader.readexactly(int(headers["content-length"]))
                self.asked.append((headers, body))
                await self.serve(writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the engine has had enough
        finally:
            writer.transport.abort()


def answer(content: object = None, *, status: str = "200 OK", more: str = "") -> bytes:
    """A whole answer; ``content`` as JSON, bytes as they are."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def says(content: object = None, **more: str) -> Serve:
    """Answers so, at once."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(answer(content, **more))

    return serve


@contextlib.asynccontextmanager
async def crm(serve: Serve) -> AsyncIterator[FakeCrm]:
    """The CRM while it serves."""
    fake = FakeCrm(serve)
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        await fake.talk(reader, writer)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    fake.url = f"http://{host}:{port}/who"
    try:
        yield fake
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
