"""The live state as who follows it has it: a snapshot, and each change laid over it.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pbx.live.board import Message

PARTS = ("agents", "queues", "calls")


class Picture:
    """Rows by id, in the order in which they came."""

    def __init__(self) -> None:
        self._at: str | None = None
        self._ready = False
        self._today: Any = None
        self._rows: dict[str, dict[str, Mapping[str, Any]]] = {part: {} for part in PARTS}

    @property
    def known(self) -> bool:
        """A snapshot has come."""
        return self._at is not None

    def take(self, message: Message) -> bool:
        """A message of the engine's.  Whether everything may be another: it was told anew, or a
        manager has come, or moved to other queues or another department."""
        self._at = message["at"]
        if message["type"] == "snapshot":
            self._ready, self._today = message["ready"], message["today"]
            for part in PARTS:
                self._rows[part] = {row["id"]: row for row in message[part]}
            return True
        moved = any(
            _place(self._rows["agents"].get(row["id"])) != _place(row) for row in message["agents"]
        )
        for part in PARTS:
            self._rows[part].update((row["id"], row) for row in message[part])
        for call_id in message["gone"]:
            self._rows["calls"].pop(call_id, None)
        if "today" in message:
            self._today = message["today"]
        return moved

    def snapshot(self) -> Message:
        """As the engine would tell it now."""
        return {
            "type": "snapshot",
            "at": self._at,
            "ready": self._ready,
            **{part: list(self._rows[part].values()) for part in PARTS},
            "today": self._today,
        }


def _place(row: Mapping[str, Any] | None) -> tuple[Any, ...]:
    return () if row is None else (row["department"], row["queues"])
