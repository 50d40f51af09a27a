"""What happened to this caller, as the walk is told it."""

from __future__ import annotations

from dataclasses import dataclass

from ivr.nodes import NodeId
from routing.values import ReturnReason, Seconds


@dataclass(frozen=True, slots=True)
class WalkStarted:
    """The switch is ready to take commands for the caller."""


@dataclass(frozen=True, slots=True)
class PlayFinished:
    """The prompts asked for were heard to the end, or could not be played (``ok`` False)."""

    ok: bool = True


@dataclass(frozen=True, slots=True)
class DigitsPressed:
    """What a Collect brought: the digits (0-9*#), "" after the timeout.

    ``terminated``: ended by # (which is not part of ``digits``).
    """

    digits: str
    terminated: bool = False


@dataclass(frozen=True, slots=True)
class MessageRecorded:
    """A voicemail is on disk; ``length_s`` 0 when the caller said nothing."""

    path: str
    length_s: Seconds


@dataclass(frozen=True, slots=True)
class NumberChecked:
    """The answer to a ``CheckNumber``: the number in E.164, "" when it can't be called.

    ``spoken``: its digits as people of the country say them.  ``waiting``: it is to be called back
    already.
    """

    number: str
    spoken: str
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class CallerReturned:
    """The queue, the agent or the outside number gave the caller back.

    ``key``: pressed to leave a queue (reason KEY).
    """

    reason: ReturnReason
    key: str = ""


@dataclass(frozen=True, slots=True)
class SentTo:
    """Somebody who had the caller sent them on to ``node_id`` (an agent's transfer to a queue)."""

    node_id: NodeId


@dataclass(frozen=True, slots=True)
class CallerHungUp:
    """The caller is gone; the walk ends without another command."""


Event = (
    WalkStarted
    | PlayFinished
    | DigitsPressed
    | MessageRecorded
    | NumberChecked
    | CallerReturned
    | SentTo
    | CallerHungUp
)
