"""SIP by hand over UDP: requests that no decent phone would send, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import cast

Address = tuple[str, int]


class RawSip(asyncio.DatagramProtocol):
    """One UDP socket.  ``replies`` holds everything that came; ``answer`` may answer requests."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self._answer = answer
        self._came = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None
        self.replies: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Something came."""
        self.replies.append(data)
        self._came.set()
        if (reply := self._answer(data)) is not None:
            self.send(reply, addr)

    def send(self, data: bytes, to: Address) -> None:
        """Send one datagram."""
        assert self._transport is not None
        self._transport.sendto(data, to)

    @property
    def here(self) -> Address:
        """Our own address."""
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")
        return host, port

    async def final(self, call_id: str, method: str = "INVITE", deadline_s: float = 5.0) -> bytes:
        """The final response to ``method`` of this call; b"" when none comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while True:
                    self._came.clear()
                    for reply in self.replies:
                        if _is_final(reply, call_id, method):
                            return reply
                    await self._came.wait()
        return b""


def _is_final(reply: bytes, call_id: str, method: str) -> bool:
    return (
        reply.startswith(b"SIP/2.0 ")
        and reply[8:9] != b"1"
        and call_id.encode() in reply
        and f" {method}\r\n".encode() in reply
    )


def status(reply: bytes) -> int:
    """The status of a response; 0 for none."""
    return int(reply[8:11]) if reply else 0


def header(message: bytes, name: str) -> bytes:
    """The first header of this name, b"" where there is none."""
    for line in message.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == name.lower().encode():
            return value.strip()
    return b""


def request(
    method: str,
    uri: bytes,
    here: Address,
    *,
    sender: bytes = b"<sip:+79161234567@127.0.0.2>",
    to: bytes = b"",
    cseq: int = 1,
    call_id: str = "",
    headers: bytes = b"",
    sdp: bool = False,
) -> tuple[str, bytes]:
    """(Call-ID, a request).  ``sender`` is the From header without its tag; ``headers`` are
    further ones, each with its end."""
    call_id = call_id or secrets.token_hex(8)
    at = f"{here[0]}:{here[1]}".encode()
    body = _SDP.replace(b"HOST", here[0].encode()) if sdp else b""
    kind = b"Content-Type: application/sdp\r\n" if sdp else b""
    lines = (
        b"%s %s SIP/2.0\r\n" % (method.encode(), uri),
        b"Via: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\n" % (at, secrets.token_hex(8).encode()),
        b"From: %s;tag=%s\r\n" % (sender, call_id[:8].encode()),
        b"To: %s\r\n" % (to or b"<" + uri + b">"),
        b"Call-ID: %s\r\n" % call_id.encode(),
        b"CSeq: %d %s\r\n" % (cseq, method.encode()),
        b"Contact: <sip:x@%s>\r\n" % at,
        b"Max-Forwards: 70\r\n",
        headers,
        kind,
        b"Content-Length: %d\r\n\r\n" % len(body),
    )
    return call_id, b"".join(lines) + body


_SDP = (
    b"v=0\r\no=x 1 1 IN IP4 HOST\r\ns=-\r\nc=IN IP4 HOST\r\nt=0 0\r\n"
    b"m=audio 39998 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
)


def response(to: bytes, line: str, *headers: str) -> bytes:
    """A response to a request."""
    lines = [f"SIP/2.0 {line}".encode()]
    for name in ("Via", "From", "To", "Call-ID", "CSeq"):
        value = header(to, name)
        if name == "To" and b";tag=" not in value:
            value += b";tag=raw"
        lines.append(name.encode() + b": " + value)
    lines += [one.encode() for one in headers]
    return b"\r\n".join([*lines, b"Content-Length: 0", b"", b""])


def _silent(_: bytes) -> None:
    return None


@contextlib.asynccontextmanager
async def raw_sip(
    host: str, port: int = 0, answer: Callable[[bytes], bytes | None] = _silent
) -> AsyncIterator[RawSip]:
    """A socket at this address."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: RawSip(answer), local_addr=(host, port)
    )
    try:
        yield protocol
    finally:
        transport.close()
