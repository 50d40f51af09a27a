"""A desk phone with two lines, for what SIPp can't do: hold one call, make another, join them.

Just enough SIP (RFC 3261, REFER with Replaces: RFC 3891) to talk with our own Asterisk on
loopback: no lost packets, no authentication, no media.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast
from urllib.parse import quote

from lab.asterisk import HOST, AsteriskLab

_WAIT_S = 10.0


@dataclass(slots=True)
class Line:
    """One dialogue.  ``ours``/``theirs``: the From and To of what we send, with their tags."""

    call_id: str
    ours: str
    theirs: str
    peer: str
    cseq: int = 10
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    told: list[str] = field(default_factory=list)
    """What NOTIFYs said of a transfer (``SIP/2.0 200 OK``)."""

    @property
    def replaces(self) -> str:
        """Names this dialogue to its other side (RFC 3891: their tag is the to-tag)."""
        return f"{self.call_id};to-tag={_tag(self.theirs)};from-tag={_tag(self.ours)}"


class DeskPhone(asyncio.DatagramProtocol):
    """Answers at once; ``async with DeskPhone(lab, "anna") as anna``."""

    def __init__(self, lab: AsteriskLab, name: str) -> None:
        self._lab = lab
        self.name = name
        self.port = 0
        self.lines: list[Line] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._came = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.port = self._lab.phones[self.name].port
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(HOST, self.port))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._transport is not None:
            self._transport.close()

    async def rung(self) -> Line:
        """The first call that came in."""
        async with asyncio.timeout(_WAIT_S):
            await self._came.wait()
        await self._wait(self.lines[0].answered)
        return self.lines[0]

    async def call(self, number: str) -> Line:
        """A call of our own; back when it is answered."""
        to = f"<sip:{number}@{HOST}:{self._lab.sip_port}>"
        ours = f"<sip:{self.name}@{HOST}:{self.port}>;tag={secrets.token_hex(4)}"
        line = Line(secrets.token_hex(8), ours, to, to.strip("<>"))
        self.lines.append(line)
        self._request(line, "INVITE", self._sdp())
        await self._wait(line.answered)
        return line

    async def transfer(self, first: Line, second: Line) -> str:
        """Joins the other sides of two calls; the last word of the switch about it."""
        target = second.peer.partition(";")[0]
        refer_to = f"Refer-To: <{target}?Replaces={quote(second.replaces, safe='')}>\r\n"
        self._request(first, "REFER", more=refer_to)
        async with asyncio.timeout(_WAIT_S):
            while not first.told or first.told[-1].startswith("SIP/2.0 1"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return first.told[-1]

    def hang_up(self, line: Line) -> None:
        """BYE."""
        line.ended.set()
        self._request(line, "BYE")

    # --- datagrams -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        text = data.decode(errors="replace")
        line = next((one for one in self.lines if one.call_id == _header(text, "Call-ID")), None)
        if text.startswith("SIP/2.0"):
            if line is not None:
                self._answer(line, text)
        else:
            self._asked(line, text)

    def _answer(self, line: Line, text: str) -> None:
        if "INVITE" in _header(text, "CSeq") and text.startswith("SIP/2.0 200"):
            line.theirs = _header(text, "To")
            line.peer = _contact(text)
            self._request(line, "ACK")
            line.answered.set()

    def _asked(self, line: Line | None, text: str) -> None:
        method = text.partition(" ")[0]
        if method == "INVITE" and line is None:
            mine = f"{_header(text, 'To')};tag={secrets.token_hex(4)}"
            line = Line(_header(text, "Call-ID"), mine, _header(text, "From"), _contact(text))
            self.lines.append(line)
            self._came.set()
            self._reply(line, text, "180 Ringing")
        if line is None:
            return
        if method == "ACK":
            line.answered.set()
            return
        if method == "BYE":
            line.ended.set()
        if method == "NOTIFY":
            line.told.append(text.rpartition("\r\n\r\n")[2].strip())
        self._reply(line, text, "200 OK", self._sdp() if method == "INVITE" else "")

    def _reply(self, line: Line, text: str, status: str, body: str = "") -> None:
        copied = "".join(f"Via: {via}\r\n" for via in re.findall(r"(?im)^Via: *(.*?)\r$", text))
        self._send(
            f"SIP/2.0 {status}\r\n{copied}From: {_header(text, 'From')}\r\nTo: {line.ours}\r\n"
            f"Call-ID: {line.call_id}\r\nCSeq: {_header(text, 'CSeq')}\r\n",
            body,
        )

    def _request(self, line: Line, method: str, body: str = "", more: str = "") -> None:
        if method != "ACK":
            line.cseq += 1
        self._send(
            f"{method} {line.peer} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bK{secrets.token_hex(6)}\r\n"
            f"From: {line.ours}\r\nTo: {line.theirs}\r\nCall-ID: {line.call_id}\r\n"
            f"CSeq: {line.cseq} {method}\r\nMax-Forwards: 70\r\n{more}",
            body,
        )

    def _send(self, head: str, body: str) -> None:
        assert self._transport is not None
        kind = "Content-Type: application/sdp\r\n" if body else ""
        contact = f"Contact: <sip:{self.name}@{HOST}:{self.port}>\r\n"
        text = f"{head}{contact}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        self._transport.sendto(text.encode(), (HOST, self._lab.sip_port))

    def _sdp(self) -> str:
        # Port 9 is discard: what is sent to this phone is heard by nobody.
        return (
            f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
            "m=audio 9 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
        )

    async def _wait(self, event: asyncio.Event) -> None:
        async with asyncio.timeout(_WAIT_S):
            await event.wait()


def _header(text: str, name: str) -> str:
    found = re.search(rf"(?im)^{name} *: *(.*?)\r?$", text)
    return found[1] if found else ""


def _tag(address: str) -> str:
    return address.partition(";tag=")[2].partition(";")[0]


def _contact(text: str) -> str:
    found = re.search(r"<(sip:[^>]*)>", _header(text, "Contact"))
    return found[1] if found else ""
