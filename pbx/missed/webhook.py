"""Sends messages to a webhook, signed as Standard Webhooks says (standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import time
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

from pbx.missed.outbox import Message
from pbx.missed.target import Target, may_reach

ANSWER_S = 10.0
"""Longest time for a whole attempt, seconds."""


class NotDelivered(Exception):
    """An attempt failed.  ``refused``: the receiver answered, and does not take this message."""

    def __init__(self, why: str, *, refused: bool) -> None:
        super().__init__(why)
        self.refused = refused


class Webhook:
    """A receiver of messages.  Follows no redirect, reads no answer but its status."""

    def __init__(self, target: Target, *, answer_s: float = ANSWER_S) -> None:
        self._target = target
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=_Guarded(), limit=1),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=answer_s),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, message: Message) -> None:
        """Send it once.  Raises NotDelivered."""
        body = message.body.encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "voronka",
            **signed(self._target.secret, message.event_id, int(time.time()), body),
        }
        try:
            async with self._session.post(
                self._target.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
        except TimeoutError:
            raise NotDelivered("no answer in time", refused=False) from None
        except (aiohttp.ClientError, OSError) as error:
            raise NotDelivered(type(error).__name__, refused=False) from error
        if not 200 <= status < 300:
            # 408 and 429 speak of the receiver's state, not of the message.
            refused = 300 <= status < 500 and status not in (408, 429)
            raise NotDelivered(f"status {status}", refused=refused)


def signed(secret: bytes, event_id: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers; ``at``: seconds since the epoch, when it is sent."""
    content = f"{event_id}.{at}.".encode() + body
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


class _Guarded(AbstractResolver):
    """Resolves names to addresses that a webhook may reach, and to no others."""

    def __init__(self) -> None:
        self._inner = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [one for one in found if may_reach(one["host"])]
        if not allowed:
            raise OSError(f"{host} has no address that a webhook may reach")
        return allowed

    async def close(self) -> None:
        await self._inner.close()
