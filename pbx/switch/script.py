"""What callers and phones do in a staged morning: one script for simulated and real switch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from routing.values import Seconds


class At(StrEnum):
    """From which moment a caller's patience is counted."""

    MENU = "menu"
    """The first prompt."""
    WAITING = "waiting"
    """The first music."""
    RINGING = "ringing"
    """The first phone that rings for them."""
    TALKING = "talking"
    """The first talk."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The caller hangs up ``after_s`` from the moment ``at``, if still there."""

    at: At
    after_s: Seconds


@dataclass(frozen=True, slots=True)
class CallerScript:
    """A caller.

    ``at_s``: when they call, from the start of the script.  ``keys``: what they press at the
    first, second, ... question, each ``key_delay_s`` after it is asked; "" lets one pass; after
    the last they press nothing.  ``message_s``: how long they speak to a voicemail.  ``in_line``:
    a key that they press so many seconds after they began to wait, if they still do.
    """

    name: str
    at_s: Seconds
    dialled: str
    number: str
    keys: tuple[str, ...] = ()
    key_delay_s: Seconds = 1.0
    hang_up: HangUp | None = None
    message_s: Seconds = 3.0
    in_line: tuple[str, Seconds] | None = None


class Reaction(StrEnum):
    """What a phone does with a call."""

    ANSWER = "answer"
    BUSY = "busy"
    REJECT = "reject"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class PhoneAct:
    """One call's fate on a phone: ``reaction`` comes ``after_s`` from the ring's start (an
    answer, a rejection); ``talk_s`` None waits for the caller to hang up; ``transfer_to``: sends
    the caller on at the end of ``talk_s``."""

    reaction: Reaction
    after_s: Seconds = 1.0
    talk_s: Seconds | None = None
    transfer_to: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """Callers, and phones by their address; a phone goes through its acts, the last one stays.

    A phone not named here does not answer.
    """

    callers: tuple[CallerScript, ...]
    phones: Mapping[str, tuple[PhoneAct, ...]] = field(default_factory=dict)
