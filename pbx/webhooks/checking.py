"""Checks what is signed as we sign (standardwebhooks.com)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from pbx.webhooks.webhook import signed

WINDOW_S = 300.0
"""How old, and how far ahead, a message may be, seconds."""
_LONGEST_ID = 200


class NotGenuine(Exception):
    """It is not from who knows the secret, or not of now; in words that tell nothing of it."""


def check_signature(secret: bytes, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Raises NotGenuine."""
    message_id = headers.get("webhook-id", "")
    sent = headers.get("webhook-timestamp", "")
    if not 0 < len(message_id) <= _LONGEST_ID or not sent.isascii() or not sent.isdigit():
        raise NotGenuine("webhook-id or webhook-timestamp is not as it should be")
    if len(sent) > 12 or abs(now - int(sent)) > WINDOW_S:
        raise NotGenuine("webhook-timestamp is too far from now")
    expected = signed(secret, message_id, int(sent), body)["webhook-signature"]
    given = headers.get("webhook-signature", "").split(" ")
    if not any(hmac.compare_digest(one.encode(), expected.encode()) for one in given[:10]):
        raise NotGenuine("the signature does not fit")
