"""AMI spoken by hand: what a thief of the secret could send, and what Asterisk says to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

Message = dict[str, str]


class RawAmi:
    """One connection, logged in as nobody yet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._ids = 0

    async def ask(self, action: str, **fields: str) -> Message:
        """The response to an action."""
        return (await self.ask_all(action, **fields))[0]

    async def ask_all(self, action: str, until: str = "", **fields: str) -> list[Message]:
        """The response, and with ``until`` what follows up to the event of that name."""
        self._ids += 1
        lines = [f"Action: {action}", f"ActionID: raw{self._ids}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        found: list[Message] = []
        async with asyncio.timeout(10):
            while True:
                message = await self._message()
                mine = message.get("ActionID") == f"raw{self._ids}"
                if (mine and "Response" in message) or found:
                    found.append(message)
                    refused = found[0]["Response"] != "Success"
                    if not until or refused or message.get("Event") == until:
                        return found

    async def event(self, name: str) -> Message:
        """The next event of this name."""
        async with asyncio.timeout(10):
            while (message := await self._message()).get("Event") != name:
                pass
        return message

    async def _message(self) -> Message:
        message: Message = {}
        while line := (await self._reader.readline()).decode(errors="replace").rstrip("\r\n"):
            name, _, value = line.partition(": ")
            message[name] = value
        if self._reader.at_eof():
            raise ConnectionError("AMI closed the connection")
        return message


@contextlib.asynccontextmanager
async def raw_ami(
    host: str, port: int, user: str = "", secret: str = "", *, local: str = "127.0.0.1"
) -> AsyncIterator[RawAmi]:
    """A connection from the address ``local``; logged in where a user is named."""
    reader, writer = await asyncio.open_connection(host, port, local_addr=(local, 0))
    try:
        await reader.readline()  # the greeting is no message
        ami = RawAmi(reader, writer)
        if user:
            response = await ami.ask("Login", Username=user, Secret=secret)
            assert response["Response"] == "Success", response
        yield ami
    finally:
        writer.close()
