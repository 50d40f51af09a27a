"""Where a webhook may go: a URL that ops has set, and never to what only this machine may reach.

Loopback and private networks are allowed: a CRM often stands beside us, and no caller chooses the
URL.  Refused are the addresses by which a machine in a cloud learns its own credentials.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from pbx.webhooks.kinds import MISSED_KINDS, EventKind

if TYPE_CHECKING:
    from pbx.webhooks.sending import Sender

LINKED = ("call_id", "leg_id", "path", "box")
"""What a target's link may name."""

_METADATA = frozenset(
    map(
        ip_address,
        # Clouds whose metadata service is not at a link-local address: Alibaba, Oracle, AWS (IPv6).
        ("100.100.100.200", "192.0.0.192", "fd00:ec2::254"),
    )
)
# Anything else a library may read as an address after we have read it as a name: other writings
# of digits and dots, percent signs.
_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9._-]*[a-z0-9])?\.?")
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """A checked URL and the secret that signs what is sent there.

    ``audio_bytes``: most of a voicemail's sound that is sent along, from ``audio_dir``; 0 for none.
    ``link``: where a voicemail or recording can be heard, with names of LINKED in braces.
    """

    url: str
    secret: bytes
    name: str = "missed"
    events: frozenset[EventKind] = MISSED_KINDS
    at_once: int = 4
    audio_bytes: int = 0
    audio_dir: Path | None = None
    link: str = ""

    def opened(self) -> AbstractAsyncContextManager[Sender]:
        """What sends there."""
        from pbx.webhooks.webhook import Webhook  # here: settings are read without HTTP

        return Webhook(self)

    def __repr__(self) -> str:
        """Without the secret, and without what the URL may hold of one."""
        parts = urlsplit(self.url)
        return f"Target({parts.scheme}://{parts.hostname})"


def linked(link: str, data: Mapping[str, object]) -> str:
    """``link`` with the values of LINKED in place of their names."""
    values = {name: quote(str(data.get(name) or ""), safe="/") for name in LINKED}
    return re.sub(r"\{(\w+)\}", lambda name: values[name[1]], link)


def check_url(url: str, *, allow_http: bool) -> str:
    """``url`` when a webhook may go there.  Raises ValueError in words that repeat no secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("is not a URL") from error
    if not url.isprintable() or " " in url:
        raise ValueError("is not a URL")
    if parts.scheme == "http" and not allow_http:
        raise ValueError("is http: use https, or allow http where the network is your own")
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError("is no https:// URL")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("may hold neither user@ nor #fragment")
    try:
        address = ip_address(host)
    except ValueError:
        if not _NAME.fullmatch(host):
            raise ValueError("has a host that is neither a name in ASCII nor an address") from None
        return url  # its addresses are looked at when it is called
    if not may_reach(str(address)):
        raise ValueError("is a link-local, metadata or multicast address")
    return url


def may_reach(address: str) -> bool:
    """A webhook may be sent to this IP address."""
    try:
        found = _meant(ip_address(address.partition("%")[0]))
    except ValueError:
        return False
    wrong = found.is_link_local or found.is_multicast or found.is_unspecified
    return not wrong and found not in _METADATA


def _meant(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address
