"""The rows of the live state: what is told of a manager, a queue and a call, as it is now.

Times are ISO 8601 in UTC, durations seconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pbx.journal.port import CLICK
from routing.values import AgentId, AgentState, CallId, LegId, QueueId

Row = Mapping[str, Any]


class LiveStage(StrEnum):
    """Where a caller is."""

    MENU = "menu"
    WAITING = "waiting"
    """In a line, and nobody is rung for them."""
    RINGING = "ringing"
    """A manager's phone rings for them."""
    CALLING = "calling"
    """A manager is on the line, and the client is being called for them."""
    TALKING = "talking"
    OUTSIDE = "outside"
    """An outside number is called for them, or talks with them."""


@dataclass(slots=True)
class LiveAgent:
    """A manager.  ``reason``: of the last change of state, where paused that of the pause.
    ``pause``: the reason of one that was asked for, even where the state has yet to follow.
    ``reachable``: one of their phones can be rung."""

    agent_id: AgentId
    name: str = ""
    department: str = ""
    state: AgentState = AgentState.OFFLINE
    reason: str = ""
    pause: str | None = None
    since: datetime | None = None
    call_id: CallId | None = None
    reachable: bool = True
    queues: tuple[QueueId, ...] = ()
    known: bool = True
    """In the plan in force."""

    @property
    def free(self) -> bool:
        """A queue would ring them now."""
        return self.state is AgentState.FREE and self.reachable

    @property
    def on_duty(self) -> bool:
        """At work, whatever they do."""
        return self.state is not AgentState.OFFLINE

    def row(self) -> Row:
        """As it is told."""
        return {
            "id": self.agent_id,
            "name": self.name,
            "department": self.department,
            "state": self.state.value,
            "reason": self.reason,
            "pause": self.pause,
            "since": stamp(self.since),
            "call_id": self.call_id,
            "reachable": self.reachable,
            "queues": self.queues,
        }


@dataclass(slots=True)
class LiveCall:
    """A call.  ``rung``: agents by the leg that rings; ``talks_on``: the leg of the talk.
    ``waits_in`` and ``waiting_since``: of the wait that goes on."""

    call_id: CallId
    did: str
    number: str
    name: str
    source: str
    callback_of: str
    started_at: datetime
    reconstructed: bool = False
    stage: LiveStage = LiveStage.MENU
    since: datetime | None = None
    queue: QueueId | None = None
    agent: AgentId | None = None
    node: str = ""
    waits_in: QueueId | None = None
    waiting_since: datetime | None = None
    rung: dict[LegId, AgentId] = field(default_factory=dict)
    talks_on: LegId | None = None

    @property
    def origin(self) -> str:
        """Who wanted it: client, callback, or click (a manager)."""
        if not self.callback_of:
            return "client"
        return "click" if self.callback_of.startswith(CLICK) else "callback"

    def now(self, stage: LiveStage, since: datetime) -> None:
        """It is there from then on."""
        if stage is not self.stage:
            self.stage, self.since = stage, since

    def _agents_rung(self) -> list[AgentId]:
        """Whose phones ring: that of who waits for the client has been picked up."""
        return [] if self.stage is LiveStage.CALLING else sorted(set(self.rung.values()))

    def row(self) -> Row:
        """As it is told."""
        return {
            "id": self.call_id,
            "did": self.did,
            "number": self.number,
            "name": self.name,
            "stage": self.stage.value,
            "since": stamp(self.since or self.started_at),
            "started_at": stamp(self.started_at),
            "waiting_since": stamp(self.waiting_since),
            "queue": self.queue,
            "agent": self.agent,
            "agents_rung": self._agents_rung(),
            "node": self.node,
            "source": self.source,
            "origin": self.origin,
        }


@dataclass(slots=True)
class LiveQueue:
    """A queue.  ``waiting``: clients in its line and since when, callbacks are not among them.
    ``free`` and ``on_duty``: how many of its managers."""

    queue_id: QueueId
    name: str = ""
    waiting: dict[CallId, datetime] = field(default_factory=dict)
    free: int = 0
    on_duty: int = 0
    known: bool = True
    """In the plan in force."""
    _by_age: list[tuple[datetime, CallId]] = field(default_factory=list)
    """A heap of those who wait; who has left is thrown out when they come to its top."""

    def comes(self, call_id: CallId, since: datetime) -> None:
        """A client waits."""
        self.waiting[call_id] = since
        heapq.heappush(self._by_age, (since, call_id))
        if len(self._by_age) > 2 * len(self.waiting) + 50:  # mostly of those who have left
            self._by_age = [(at, one) for one, at in self.waiting.items()]
            heapq.heapify(self._by_age)

    def leaves(self, call_id: CallId) -> None:
        """They do not any more."""
        self.waiting.pop(call_id, None)

    @property
    def longest_since(self) -> datetime | None:
        """When the wait of who waits longest began."""
        heap = self._by_age
        while heap and self.waiting.get(heap[0][1]) != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def row(self) -> Row:
        """As it is told."""
        return {
            "id": self.queue_id,
            "name": self.name,
            "waiting": len(self.waiting),
            "longest_since": stamp(self.longest_since),
            "free": self.free,
            "on_duty": self.on_duty,
        }


def stamp(at: datetime | None) -> str | None:
    """``2026-11-18T11:06:40.123Z``, for any language to read."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
