"""The node types of a menu tree.

A tree is flat: every node, nested or not in the YAML, has an id of its own
(``main``, ``main/1``, ``main/1/2``), and nodes name each other by id.  Built and validated by
pbx/plan; immutable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ivr.schedule import Schedule
from routing.values import AgentId, QueueId, Seconds, SkillNeed

NodeId = str
REPEAT, BACK, MAIN = "!repeat", "!back", "!main"
"""What a menu's key may lead to besides a node."""


class PromptKind(StrEnum):
    """Where a prompt's sound comes from."""

    SOUND = "sound"
    """A name in the switch's own sound set (``vm-goodbye``)."""
    FILE = "file"
    """A recording in the plan's prompts folder, without its suffix."""
    TEXT = "text"
    """Spoken by the speech engine, rendered at load."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One thing the caller hears.

    ``text`` maps a language (``ru``, ``en``) to words, for TEXT (and, for FILE, as what it
    says: shown in dry runs and spoken where the recording is missing).
    """

    kind: PromptKind
    name: str
    text: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Menu:
    """Plays prompts and waits for a key.

    ``keys`` maps what the caller presses to the node it leads to; the words ``!repeat``,
    ``!back`` and ``!main`` as a target mean the menu again, the menu before, the first menu
    the caller met.  ``retries`` counts further tries after the first, silent or wrong; after them
    the caller goes to ``on_timeout`` or ``on_invalid`` by the last one's kind.
    """

    node_id: NodeId
    prompts: tuple[Prompt, ...]
    keys: Mapping[str, NodeId]
    timeout_s: Seconds
    inter_digit_s: Seconds
    retries: int
    barge_in: bool
    invalid_prompts: tuple[Prompt, ...]
    timeout_prompts: tuple[Prompt, ...]
    on_timeout: NodeId
    on_invalid: NodeId


@dataclass(frozen=True, slots=True)
class Play:
    """Plays prompts, then goes on."""

    node_id: NodeId
    prompts: tuple[Prompt, ...]
    next: NodeId


@dataclass(frozen=True, slots=True)
class CollectDigits:
    """Reads ``min_digits`` to ``max_digits`` digits into ``variable``; # ends early."""

    node_id: NodeId
    prompts: tuple[Prompt, ...]
    variable: str
    min_digits: int
    max_digits: int
    timeout_s: Seconds
    inter_digit_s: Seconds
    retries: int
    barge_in: bool
    invalid_prompts: tuple[Prompt, ...]
    next: NodeId
    on_failure: NodeId


@dataclass(frozen=True, slots=True)
class DialAgent:
    """Calls one manager: a fixed one, or by the extension in ``variable``.

    ``extensions`` holds what may be dialled; anything else goes to ``on_unknown``.
    """

    node_id: NodeId
    agent_id: AgentId | None
    variable: str | None
    extensions: Mapping[str, AgentId]
    ring_time_s: Seconds
    on_busy: NodeId
    on_no_answer: NodeId
    on_unknown: NodeId


@dataclass(frozen=True, slots=True)
class ToQueue:
    """The caller waits for a manager of a queue; ``on_overflow`` when the wait ends without one.

    ``overflow`` may name a way of its own for a reason (a ReturnReason's value).  ``keys``: what a
    waiting caller may press to leave, and where it leads.
    """

    node_id: NodeId
    queue_id: QueueId
    priority: int
    needs: tuple[SkillNeed, ...]
    on_overflow: NodeId
    overflow: Mapping[str, NodeId] = field(default_factory=dict)
    after_talk: NodeId | None = None
    keys: Mapping[str, NodeId] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hours:
    """Branches on a schedule; ``on_holiday`` defaults to ``closed``."""

    node_id: NodeId
    schedule: Schedule
    open: NodeId
    closed: NodeId
    on_holiday: NodeId


@dataclass(frozen=True, slots=True)
class SetVariable:
    """Sets a variable of this caller (``language`` changes the prompts' language)."""

    node_id: NodeId
    variable: str
    value: str
    next: NodeId


@dataclass(frozen=True, slots=True)
class NeedSkill:
    """Adds a skill the manager must have."""

    node_id: NodeId
    need: SkillNeed
    next: NodeId


@dataclass(frozen=True, slots=True)
class Branch:
    """Goes on by a variable's value."""

    node_id: NodeId
    variable: str
    cases: Mapping[str, NodeId]
    default: NodeId


@dataclass(frozen=True, slots=True)
class Goto:
    """Goes on elsewhere."""

    node_id: NodeId
    target: NodeId


@dataclass(frozen=True, slots=True)
class CallOut:
    """Calls an outside number (E.164) through the trunk and joins the caller with it."""

    node_id: NodeId
    number: str
    address: str
    ring_time_s: Seconds
    on_failure: NodeId


@dataclass(frozen=True, slots=True)
class Voicemail:
    """Records a message for ``box``."""

    node_id: NodeId
    box: str
    prompts: tuple[Prompt, ...]
    max_s: Seconds
    silence_s: Seconds
    next: NodeId


@dataclass(frozen=True, slots=True)
class AskCallback:
    """Keeps the caller's number to be called back, says so, then goes on.

    ``confirm``: the number is told, and the caller may type another; who calls without one has to.
    After ``retries`` further tries without a number the caller goes to ``on_failure``.
    """

    node_id: NodeId
    queue_id: QueueId | None
    prompts: tuple[Prompt, ...]
    next: NodeId
    confirm: bool = False
    retries: int = 2
    on_failure: NodeId = ""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Ends the call.  ``reject``: before it was answered, with this cause (``busy`` never)."""

    node_id: NodeId
    prompts: tuple[Prompt, ...] = ()
    rejected: bool = False


Node = (
    Menu
    | Play
    | CollectDigits
    | DialAgent
    | ToQueue
    | Hours
    | SetVariable
    | NeedSkill
    | Branch
    | Goto
    | CallOut
    | Voicemail
    | AskCallback
    | HangUp
)

Tree = Mapping[NodeId, Node]
