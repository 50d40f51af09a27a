"""What the walk wants done for its caller.

The first four are for the switch; the ``To...`` ones end this stretch of the walk: the engine
hands the caller to the distribution, and the walk goes on with ``CallerReturned``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ivr.nodes import Prompt
from routing.values import AgentId, Outcome, QueueId, Seconds, SkillNeed


@dataclass(frozen=True, slots=True)
class PlayPrompts:
    """Play these one after another; ends in ``PlayFinished``."""

    prompts: tuple[Prompt, ...]
    language: str


@dataclass(frozen=True, slots=True)
class Collect:
    """Play prompts and read up to ``max_digits`` digits; ends in ``DigitsPressed``.

    ``barge_in``: a key ends the prompts.  ``timeout_s``: from the end of the prompts to the
    first digit; ``inter_digit_s``: between digits.  A single digit (max_digits 1) may be # or *;
    with more, # ends the input.
    """

    prompts: tuple[Prompt, ...]
    language: str
    max_digits: int
    timeout_s: Seconds
    inter_digit_s: Seconds
    barge_in: bool


@dataclass(frozen=True, slots=True)
class RecordMessage:
    """Record the caller until silence, # or ``max_s``; ends in ``MessageRecorded``."""

    box: str
    max_s: Seconds
    silence_s: Seconds


@dataclass(frozen=True, slots=True)
class HangUpCaller:
    """End the call.  ``outcome``: what the walk made of it, None where the engine knows better
    (a talk took place)."""

    outcome: Outcome | None


@dataclass(frozen=True, slots=True)
class QueueCaller:
    """Give the caller to a queue."""

    queue_id: QueueId
    priority: int
    needs: tuple[SkillNeed, ...]


@dataclass(frozen=True, slots=True)
class CallAgent:
    """Give the caller to one agent."""

    agent_id: AgentId
    ring_time_s: Seconds


@dataclass(frozen=True, slots=True)
class CallOutside:
    """Call an outside number and join."""

    number: str
    address: str
    ring_time_s: Seconds


@dataclass(frozen=True, slots=True)
class KeepCallback:
    """Keep a number (E.164) for a callback, "" for the one that the caller calls from (no answer
    is awaited)."""

    queue_id: QueueId | None
    number: str = ""


@dataclass(frozen=True, slots=True)
class CheckNumber:
    """May this number be called back?  ``digits``: as typed, "" for the one that the caller calls
    from; ends in ``NumberChecked``."""

    queue_id: QueueId | None
    digits: str


Command = (
    PlayPrompts
    | Collect
    | RecordMessage
    | HangUpCaller
    | QueueCaller
    | CallAgent
    | CallOutside
    | KeepCallback
    | CheckNumber
)


@dataclass(frozen=True, slots=True)
class StepTaken:
    """Trace: one step of the walk, for the journal and for dry runs.

    ``kind``: the node type in lower case.  ``digits``: what was pressed, "" for none; None
    when the node asks for none.  ``detail``: the branch taken and why, in few words.
    """

    node_id: str
    kind: str
    digits: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one event made the walk do: at most one command that awaits an event, and the trace."""

    commands: tuple[Command, ...]
    trace: tuple[StepTaken, ...]
