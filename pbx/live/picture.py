"""The live state as who follows it has it: a snapshot, and each change laid over it.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pbx.live.board import Message

_PARTS = ("agents", "queues", "calls")


class Picture:
    """Rows by id, in the order in which they came."""

    def __init__(self) -> None:
        self._at: str | None = None
        self._ready = False
        self._today: Any = None
        self._rows: dict[str, dict[str, Mapping[str, Any]]] = {part: {} for part in _PARTS}

    @property
    def known(self) -> bool:
        """A snapshot has come."""
        return self._at is not None

    def take(self, message: Message) -> None:
        """A message of the engine's."""
        self._at = message["at"]
        if message["type"] == "snapshot":
            self._ready, self._today = message["ready"], message["today"]
            for part in _PARTS:
                self._rows[part] = {row["id"]: row for row in message[part]}
            return
        for part in _PARTS:
            self._rows[part].update((row["id"], row) for row in message[part])
        for call_id in message["gone"]:
            self._rows["calls"].pop(call_id, None)
        if "today" in message:
            self._today = message["today"]

    def snapshot(self) -> Message:
        """As the engine would tell it now."""
        return {
            "type": "snapshot",
            "at": self._at,
            "ready": self._ready,
            **{part: list(self._rows[part].values()) for part in _PARTS},
            "today": self._today,
        }
