"""A mail server on loopback, real but for what it answers."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword


@dataclass
class PostOffice:
    """``answers``: to DATA, one after another, the last for ever; "" never answers.

    ``recipients``: answers to RCPT of some.
    """

    answers: list[str]
    recipients: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    envelopes: list[Envelope] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)

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


@dataclass(frozen=True)
class Certificate:
    """For 127.0.0.1, by itself: who trusts ``file`` trusts the server."""

    file: Path
    key: Path

    @classmethod
    def made_in(cls, folder: Path) -> Certificate:
        made = cls(folder / "ca.pem", folder / "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=office.test",
             "-addext", "subjectAltName=IP:127.0.0.1",
             "-keyout", str(made.key), "-out", str(made.file)],
            check=True, capture_output=True, timeout=30,
        )  # fmt: skip
        return made

    def context(self) -> ssl.SSLContext:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.load_cert_chain(self.file, self.key)
        return made


@contextlib.asynccontextmanager
async def post_office(
    *answers: str,
    recipients: Mapping[str, str] = {},
    tls: str = "none",
    certificate: Certificate | None = None,
    login: tuple[str, str] | None = None,
) -> AsyncIterator[PostOffice]:
    """``tls``: none, starttls or implicit, with ``certificate``.  ``login``: it takes mail from
    nobody else."""
    office = PostOffice(list(answers), recipients)
    loop = asyncio.get_running_loop()
    context = None if certificate is None else certificate.context()

    def check(
        server: object, session: object, envelope: object, way: str, given: Any
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        office.logins.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=office.logins[-1] == login, handled=False)

    def serve() -> SMTP:
        with warnings.catch_warnings():
            # It does not know of implicit TLS, and warns of a login in the open.
            warnings.simplefilter("ignore")
            return SMTP(
                office,
                hostname="office.test",
                loop=loop,
                tls_context=context if tls == "starttls" else None,
                require_starttls=tls == "starttls",
                authenticator=check if login else None,
                auth_required=login is not None,
                auth_require_tls=tls == "starttls",
            )

    server = await loop.create_server(
        serve, "127.0.0.1", 0, ssl=context if tls == "implicit" else None
    )
    office.port = server.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        server.close()
