"""A target that is told by e-mail: whose server takes the mail, and who gets it."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pbx.webhooks.audio import MAX_AUDIO_KB
from pbx.webhooks.keys import Keys
from pbx.webhooks.kinds import EventKind

if TYPE_CHECKING:
    from pbx.webhooks.sending import Sender

MAILED = frozenset({EventKind.VOICEMAIL_LEFT, EventKind.MISSED_OPENED})
"""What can be told by mail: what somebody has to do something about."""
TLS = ("starttls", "implicit", "none")
LANGUAGES = ("ru", "en")
_PORTS = {"starttls": 587, "implicit": 465, "none": 25}
SERVER_KEYS = ("smtp", "tls", "ca_file", "allow_plain", "user", "password_file", "from")
_KEYS = (
    *SERVER_KEYS,
    "to",
    "boxes",
    "events",
    "at_once",
    "audio_kb",
    "link",
    "language",
    "time_zone",
)
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(\.{_LABEL})*"
_SERVER = re.compile(rf"(\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>{_HOST}))(:(?P<port>[0-9]{{1,5}}))?")
# Plain addresses of RFC 5321: quoted ones, and those that need SMTPUTF8, are taken by few servers.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"(?=.{{3,254}}$)(?=[^@]{{1,64}}@){_ATOM}(\.{_ATOM})*@{_HOST}")


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server, and in whose name mail is given to it.  ``tls``: one of TLS."""

    host: str
    port: int
    tls: str
    context: ssl.SSLContext = field(repr=False)
    login: tuple[str, str] | None = field(repr=False)
    sender: str


@dataclass(frozen=True, slots=True)
class MailTarget:
    """A mail server, and who is written to through it.

    ``tls``: one of TLS.  ``boxes``: who gets the messages of a voicemail box in place of ``to``.
    ``audio_bytes``: most of a voicemail's sound that is attached, from ``audio_dir``; 0 for none.
    ``language``: of all mails; "" for that of the call.  ``zone``: of the times in them; None: UTC.
    """

    name: str
    host: str
    port: int
    tls: str
    context: ssl.SSLContext = field(repr=False)
    login: tuple[str, str] | None
    sender: str
    to: tuple[str, ...]
    boxes: Mapping[str, tuple[str, ...]]
    events: frozenset[EventKind]
    at_once: int
    audio_bytes: int
    audio_dir: Path
    link: str = ""
    language: str = ""
    zone: tzinfo | None = None

    def in_zone(self, company: tzinfo) -> MailTarget:
        """Itself, with the company's time zone where it names none."""
        return self if self.zone is not None else replace(self, zone=company)

    def opened(self) -> AbstractAsyncContextManager[Sender]:
        """What sends there."""
        from pbx.webhooks.mail import Mail  # here: settings are read without SMTP

        return Mail(self)

    def __repr__(self) -> str:
        """Without the password."""
        return f"MailTarget({self.host}:{self.port}, tls {self.tls}, to {', '.join(self.to)})"


def read_mail_target(keys: Keys, audio_dir: Path) -> MailTarget | None:
    """The target; None where something is missing.  What is wrong goes to the keys' faults."""
    keys.only(_KEYS)
    server = read_server(keys)
    to = keys.texts("to", check_address)
    boxes = keys.by_name("boxes", check_address)
    events = keys.events(MAILED)
    at_once = keys.number("at_once", 2, 1, 32)
    audio_kb = keys.number("audio_kb", 5000, 0, MAX_AUDIO_KB)
    link = keys.link()
    language = keys.text("language", "", LANGUAGES)
    zone = keys.given("time_zone", _zone) if "time_zone" in keys else None
    if server is None:
        return None
    return MailTarget(
        keys.name,
        server.host,
        server.port,
        server.tls,
        server.context,
        server.login,
        server.sender,
        to,
        boxes,
        events,
        at_once,
        audio_kb * 1024,
        audio_dir,
        link,
        language,
        zone,
    )


def read_server(keys: Keys) -> Server | None:
    """The server alone (SERVER_KEYS); None where something is missing."""
    plain = keys.text("allow_plain", "false", ("true", "false")) == "true"
    tls = keys.text("tls", "starttls", TLS)
    place = keys.given("smtp", lambda text: _server(text, tls, plain=plain))
    context = ssl.create_default_context()
    if "ca_file" in keys:
        context = keys.given("ca_file", lambda text: _trusting(keys.content(text))) or context
    login = None
    if "user" in keys or "password_file" in keys:
        user, password = keys.given("user", _user), keys.given("password_file", keys.content)
        login = (user or "", password or "")
    sender = keys.given("from", check_address)
    if place is None or sender is None:
        return None
    return Server(*place, tls, context, login, sender)


def check_address(text: str) -> str:
    """``text`` when mail can be sent there.  Raises ValueError."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("expected an address: name@example.org, in ASCII")
    return text


def _server(text: str, tls: str, *, plain: bool) -> tuple[str, int]:
    found = _SERVER.fullmatch(text)
    if found is None:
        raise ValueError("expected a server: mail.example.org:587")
    host, port = found["v6"] or found["host"], int(found["port"] or _PORTS.get(tls, 0))
    if not 0 < port <= 65535:
        raise ValueError("has no port from 1 to 65535")
    if tls == "none" and not plain and not _is_loopback(host):
        raise ValueError(
            "tls: none to another machine shows every caller to the net; "
            "use starttls, or allow_plain: true where the network is your own"
        )
    return host, port


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _trusting(certificates: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=certificates)
    except ssl.SSLError:
        raise ValueError("holds no certificates (PEM)") from None


def _user(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds what can't be printed")
    return text


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no time zone: expected one as Europe/Moscow") from None
