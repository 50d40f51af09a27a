"""What sends a message to a target."""

from __future__ import annotations

from typing import Protocol

from pbx.webhooks.outbox import Message


class NotDelivered(Exception):
    """An attempt failed.  ``refused``: the receiver answered, and does not take this message."""

    def __init__(self, why: str, *, refused: bool, status: int | None = None) -> None:
        super().__init__(why)
        self.refused = refused
        self.status = status


class Sender(Protocol):
    """An open way to a target."""

    async def send(self, message: Message) -> int:
        """Send it once; gives what the receiver answered.  Raises NotDelivered."""
