"""AMI's bytes: whole messages out of TCP chunks, decoded once.

panoramisk decodes each chunk by itself and drops what a chunk's edge cuts; here bytes are kept
until a message is whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from panoramisk.ami_protocol import AMIProtocol

Headers = dict[str, str]

LOST: Headers = {"Response": "Lost", "Message": "the line broke before the answer came"}
"""Stands for the answer to an action that was sent and may have been carried out."""

END = b"\r\n\r\n"
MAX_MESSAGE = 256 * 1024
"""No message of Asterisk comes near this; more without an end is garbage, bytes."""
MAX_HEADERS = 512
"""Further headers of one message are dropped."""


def parse(block: bytes) -> Headers:
    """A message's headers.  The first of a name counts: what a caller may have put behind it
    can't take its place.  Undecodable bytes become U+FFFD."""
    lines = block.decode("utf-8", "replace").split("\r\n", MAX_HEADERS)[:MAX_HEADERS]
    try:
        headers = dict([line.split(": ", 1) for line in lines])
    except ValueError:
        return _parse_odd(lines)
    names = "".join(headers)
    if len(headers) < len(lines) or ":" in names or names.split() != [names]:
        return _parse_odd(lines)
    return headers  # as Asterisk writes nearly all: a third of the time


def _parse_odd(lines: list[str]) -> Headers:
    """The same for any text."""
    headers: Headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip(), value[1:] if value.startswith(" ") else value)
    return headers


class WholeMessages(AMIProtocol):  # type: ignore[misc]
    """panoramisk's protocol with our own reading and no writing of its own.

    ``on_message`` gets each message in order, ``on_read`` is told when all that has come was
    handed on; ``on_lost`` gets the end of the connection, once.
    """

    def __init__(
        self,
        on_message: Callable[[Headers], None],
        on_lost: Callable[[Exception | None], None],
        on_garbage: Callable[[], None],
        on_read: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self.closed = False
        self._on_message = on_message
        self._on_lost = on_lost
        self._on_garbage = on_garbage
        self._on_read = on_read
        self._buffer = bytearray()
        self._skipping = False
        self._greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is up; Asterisk greets first."""
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came: hand on every message that is whole."""
        buffer = self._buffer
        buffer += data
        if not self._greeted:
            end = buffer.find(b"\n")
            if end < 0 and len(buffer) <= MAX_MESSAGE:
                return
            if buffer.startswith(b"Asterisk Call Manager/"):
                del buffer[: end + 1]
            self._greeted = True
        start = 0
        while (end := buffer.find(END, start)) >= 0:
            block = bytes(buffer[start:end])
            start = end + len(END)
            if self._skipping:
                self._skipping = False  # the tail of what was too long
            elif block:
                self._on_message(parse(block))
        if start:
            del buffer[:start]
        if len(buffer) > MAX_MESSAGE:
            # Keep what may be the first half of the end mark, drop the rest.
            del buffer[: -len(END)]
            if not self._skipping:
                self._on_garbage()
            self._skipping = True
        self._on_read()

    def connection_lost(self, exc: Exception | None) -> None:
        """The line is down."""
        if not self.closed:
            self.closed = True
            self._on_lost(exc)

    def write(self, data: bytes) -> None:
        """Bytes to Asterisk; nothing once the line is down."""
        if not self.closed:
            self.transport.write(data)

    def abort(self) -> None:
        """Cut the line now, without waiting for what is still to be written."""
        if not self.closed:
            self.transport.abort()
