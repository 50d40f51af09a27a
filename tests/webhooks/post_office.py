"""A mail server on loopback, real but for what it answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope


@dataclass
class PostOffice:
    """``answers``: to DATA, one after another, the last for ever; "" never answers.

    ``recipients``: answers to RCPT of some.
    """

    answers: list[str]
    recipients: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: object, session: object, envelope: Any, address: str, options: Sequence[str]
    ) -> str:
        answer = self.recipients.get(address, "250 OK")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            await asyncio.sleep(60)
        self.envelopes.append(envelope)
        return answer

    def mail(self, number: int = -1) -> EmailMessage:
        """One that came, as a mail program reads it."""
        content = self.envelopes[number].content
        assert isinstance(content, bytes)
        read = message_from_bytes(content, policy=default)
        assert isinstance(read, EmailMessage)
        return read


@contextlib.asynccontextmanager
async def post_office(
    *answers: str, recipients: Mapping[str, str] = {}
) -> AsyncIterator[PostOffice]:
    office = PostOffice(list(answers), recipients)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(office, hostname="office.test", loop=loop), "127.0.0.1", 0
    )
    office.port = server.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        server.close()
