"""Whom to ask who calls: set by ops, never by a plan."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from routing.values import Seconds


@dataclass(frozen=True, slots=True)
class LookupTarget:
    """A checked URL (pbx.webhooks.target.check_url), the key that signs what is sent there, and how
    long a call waits for the answer."""

    url: str
    secret: bytes
    limit_s: Seconds

    def __repr__(self) -> str:
        """Without the secret, and without what the URL may hold of one."""
        parts = urlsplit(self.url)
        return f"LookupTarget({parts.scheme}://{parts.hostname}, {self.limit_s} s)"
