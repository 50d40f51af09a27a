"""Sends messages to a webhook, signed as Standard Webhooks says (standardwebhooks.com)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from typing import Self

import aiohttp
import orjson

from pbx.webhooks.audio import NoAudio, read_audio
from pbx.webhooks.guarded import Guarded
from pbx.webhooks.kinds import EventKind
from pbx.webhooks.outbox import Message
from pbx.webhooks.sending import NotDelivered
from pbx.webhooks.target import Target, linked

ANSWER_S = 10.0
"""Longest time for a whole attempt, seconds."""


class Webhook:
    """A receiver of messages.  Follows no redirect, reads no answer but its status."""

    def __init__(self, target: Target, *, answer_s: float = ANSWER_S) -> None:
        self._target = target
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Guarded(), limit=target.at_once),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=answer_s),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, message: Message) -> int:
        """Send it once; gives the status.  Raises NotDelivered."""
        body = await asyncio.to_thread(dressed, message, self._target)
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
            raise NotDelivered(f"status {status}", refused=refused, status=status)
        return status


def dressed(message: Message, target: Target) -> bytes:
    """The body, with what this target wants besides: a link, the sound of a voicemail."""
    if message.kind not in (EventKind.VOICEMAIL_LEFT, EventKind.RECORDING_READY):
        return message.body.encode()
    whole = orjson.loads(message.body)
    data = whole["data"]
    if target.link:
        data["link"] = linked(target.link, data)
    if target.audio_bytes and message.kind == EventKind.VOICEMAIL_LEFT:
        assert target.audio_dir is not None
        try:
            sound = read_audio(target.audio_dir, data["path"], target.audio_bytes)
        except NoAudio as error:
            data["audio"], data["audio_problem"] = None, str(error)
        else:
            data["audio"] = base64.b64encode(sound).decode()
    return orjson.dumps(whole)


def signed(secret: bytes, event_id: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers; ``at``: seconds since the epoch, when it is sent."""
    content = f"{event_id}.{at}.".encode() + body
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
