"""A cable to AMI that can be cut and mended."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self

from lab.asterisk import AsteriskLab


class Wire:
    """A TCP proxy before AMI that can be cut and mended."""

    def __init__(self, lab: AsteriskLab) -> None:
        self._lab = lab
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._whole = True
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break every connection and let none come through."""
        self._whole = False
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._whole = True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole:
            writer.transport.abort()
            return
        try:
            far_reader, far = await asyncio.open_connection(self._lab.ami_host, self._lab.ami_port)
        except OSError:  # Asterisk is down: so is the cable
            writer.transport.abort()
            return
        self._ends |= {writer, far}
        await asyncio.gather(_pump(reader, far), _pump(far_reader, writer))
        self._ends -= {writer, far}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
