"""What may be told to other programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """An event's ``type``, as a receiver reads it."""

    CALL_STARTED = "call.started"
    MENU_PASSED = "menu.passed"
    """The menu gave the caller to a queue, a manager or an outside number."""
    CALL_RINGING = "call.ringing"
    """A manager's device reported that it rings."""
    CALL_ANSWERED = "call.answered"
    """A manager and the caller hear each other."""
    CALL_ENDED = "call.ended"
    CALLBACK_ASKED = "callback.asked"
    RECORDING_READY = "recording.ready"
    VOICEMAIL_LEFT = "voicemail.left"
    STAGE_REACHED = "stage.reached"
    STAGE_FELL = "stage.fell"
    """Fewer come further in a funnel than used to (pbx/funnel/sag.py)."""
    MISSED_OPENED = "missed.opened"
    MISSED_CLOSED = "missed.closed"
    MISSED_REOPENED = "missed.reopened"
    """A person opened it again."""
    MISSED_WITHDRAWN = "missed.withdrawn"
    """It had been opened by mistake: the call went on after all."""


MISSED_KINDS = frozenset(
    {
        EventKind.MISSED_OPENED,
        EventKind.MISSED_CLOSED,
        EventKind.MISSED_REOPENED,
        EventKind.MISSED_WITHDRAWN,
    }
)
ALL_KINDS = frozenset(EventKind)

Subscriptions = Mapping[str, frozenset[EventKind]]
"""Each target's name, and what it is told."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something to be told.

    ``subject``: what it is about, a call mostly; events of one subject keep their order.
    ``key``: tells it from another event of that kind, subject and time.
    """

    kind: EventKind
    subject: str
    at: datetime
    data: Mapping[str, object]
    key: str = ""
