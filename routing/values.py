"""The words that routing/ and ivr/ share: identifiers, numbers, skill needs and closed enums.

Times are seconds (float) on one clock that never jumps: the engine sets it to UTC when it
starts and then advances it by the monotonic clock.  Durations are seconds, suffix ``_s``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

CallId = NewType("CallId", str)
"""One caller's whole story."""
LegId = NewType("LegId", str)
"""One device's part in a call."""
OfferId = NewType("OfferId", str)
"""One attempt to give a call to agents."""
AgentId = NewType("AgentId", str)
"""A manager's key in the plan."""
QueueId = NewType("QueueId", str)
"""A queue's key in the plan."""
DeviceId = NewType("DeviceId", str)
"""A device's key: ``<agent>/<n>``, unique over the plan."""
Seconds = float


class Disposition(StrEnum):
    """How a leg ended."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    ANSWERED_ELSEWHERE = "answered_elsewhere"
    FAILED = "failed"


class Outcome(StrEnum):
    """How a call ended."""

    ANSWERED = "answered"
    ABANDONED_IN_MENU = "abandoned_in_menu"
    ABANDONED_WAITING = "abandoned_waiting"
    OVERFLOW = "overflow"
    VOICEMAIL = "voicemail"
    FAILED = "failed"
    REJECTED = "rejected"


class AgentState(StrEnum):
    """What an agent is doing; exactly one at a time."""

    OFFLINE = "offline"
    FREE = "free"
    RESERVED = "reserved"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap_up"
    PAUSED = "paused"


class ReturnReason(StrEnum):
    """Why a caller came back from a queue, an agent or an outside number to the menu tree."""

    MAX_WAIT = "max_wait"
    QUEUE_FULL = "queue_full"
    NO_AGENTS = "no_agents"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNAVAILABLE = "unavailable"
    TALK_ENDED = "talk_ended"
    KEY = "key"
    """The caller pressed a key that leaves the line."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SkillNeed:
    """A skill the caller needs, at least at this level (1 is the lowest)."""

    skill: str
    min_level: int = 1
