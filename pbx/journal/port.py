"""What the log is told.  Routing's facts pass as they are; the rest of a call's story is here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from routing.facts import Fact
from routing.values import AgentId, CallId, DeviceId, LegId, Outcome, QueueId, Seconds

REFUSED = "refused: "
"""Begins the cause of a leg to an outside number that was not called."""

CLICK = "click-"
"""Begins ``CallStarted.callback_of`` of a call that a manager asked for (pbx/engine/clicks.py)."""


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A caller arrived.

    ``did``: the number of the plan that was dialled (E.164), or as dialled when unknown.
    ``number``: E.164, "" when withheld; ``number_raw``: as the switch gave it.
    ``reconstructed``: found after the engine had been away.  ``callback_of``: we call ``number``
    back, as the callback of this id, or (it begins with CLICK) for a manager who wants it.
    """

    call_id: CallId
    did: str
    number: str
    number_raw: str
    name: str
    source: str
    language: str
    reconstructed: bool = False
    callback_of: str = ""


@dataclass(frozen=True, slots=True)
class MenuStep:
    """One step of the caller's walk (ivr.commands.StepTaken)."""

    call_id: CallId
    node_id: str
    kind: str
    digits: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class LookedUp:
    """A CRM was asked who calls, before the walk began.  ``result``: answered, late, broken or
    not_asked; ``detail``: what it said, or why it did not.  ``name`` and ``language``: the call's
    from now on."""

    call_id: CallId
    result: str
    took_s: Seconds
    detail: str
    name: str
    language: str


@dataclass(frozen=True, slots=True)
class OutsideLegStarted:
    """An outside number is called for the caller, or an agent handed the caller over to somebody
    whom they had called themselves (``agent``, where it is one of ours)."""

    call_id: CallId
    leg_id: LegId
    address: str
    number: str
    agent: AgentId | None = None


@dataclass(frozen=True, slots=True)
class OutsideLegFinished:
    """The end of ``OutsideLegStarted``; ``disposition`` a Disposition's value."""

    call_id: CallId
    leg_id: LegId
    disposition: str
    cause: str
    ring_s: Seconds
    talk_s: Seconds
    agent: AgentId | None = None


@dataclass(frozen=True, slots=True)
class OutsideRefused:
    """An outside number was not called.  ``reason``: not_allowed, premium, hours, limit,
    manager_limit.  ``agent``: whose phone it is, or who sent the caller there."""

    call_id: CallId
    leg_id: LegId
    number: str
    agent: AgentId | None
    reason: str


@dataclass(frozen=True, slots=True)
class Transferred:
    """The agent of ``leg_id`` sent the caller on to ``target``."""

    call_id: CallId
    leg_id: LegId | None
    target: str


@dataclass(frozen=True, slots=True)
class CallbackAsked:
    """The caller wants ``number`` to be called back ("" where none is known)."""

    call_id: CallId
    number: str
    queue_id: QueueId | None


@dataclass(frozen=True, slots=True)
class CallbackOpened:
    """``number`` is to be called back by ``queue_id``, at the place that its caller left.

    ``call_id``: the call in which it was asked for, or (``missed``) that was missed.  ``did``,
    ``name``, ``language``, ``needs`` (skill and level) and ``priority`` are that call's.
    ``since``: when its wait began.
    """

    callback_id: str
    call_id: CallId
    number: str
    queue_id: QueueId
    did: str
    name: str
    language: str
    needs: tuple[tuple[str, int], ...]
    priority: int
    since: datetime
    missed: bool


@dataclass(frozen=True, slots=True)
class CallbackDialled:
    """The client is about to be called, for the ``attempt``-th time, in the call ``call_id``.

    Noted before it is done: who finds it without an end does not call again.
    """

    callback_id: str
    call_id: CallId
    attempt: int


@dataclass(frozen=True, slots=True)
class CallbackPut:
    """The attempt is over without a talk; the next comes at ``next_at`` or later."""

    callback_id: str
    next_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class CallbackClosed:
    """Nobody is to be called any more.  ``result``: talked; got_through (they talked otherwise);
    not_reached (all attempts made); expired; not_allowed (the plan does not let us call them);
    withdrawn (the queue calls nobody back any more, or a person closed the missed call); unknown
    (an attempt whose end nobody saw)."""

    callback_id: str
    result: str


@dataclass(frozen=True, slots=True)
class EstimateProved:
    """The caller was told a wait of ``said_s`` from then on, and it took ``waited_s`` to the join.

    Only the first that was said counts: every served caller weighs the same.
    """

    call_id: CallId
    queue_id: QueueId
    said_s: Seconds
    waited_s: Seconds


@dataclass(frozen=True, slots=True)
class MessageLeft:
    """A voicemail of ``length_s`` seconds at ``path``."""

    call_id: CallId
    box: str
    path: str
    length_s: Seconds


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    """The talk on ``leg_id`` is being recorded, to ``path`` below the folder of recordings."""

    call_id: CallId
    leg_id: LegId
    path: str
    keep_until: datetime


@dataclass(frozen=True, slots=True)
class RecordingHeld:
    """The manager stopped the recording in the talk (``paused``), or resumed it."""

    call_id: CallId
    leg_id: LegId
    paused: bool


@dataclass(frozen=True, slots=True)
class RecordingKept:
    """The recording is a finished file.  ``length_s`` includes what was paused."""

    leg_id: LegId
    path: str
    length_s: Seconds


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """There is no recording, or none yet; the talk was not touched by that."""

    leg_id: LegId
    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class OwnTalkStarted:
    """A manager called ``number`` (E.164) past the queues, and talks with whoever picked up.

    ``agent_id``: None when the phone is shared by several.
    """

    agent_id: AgentId | None
    number: str


@dataclass(frozen=True, slots=True)
class StageDialled:
    """A manager dialled the funnel's code after a talk: whoever they talked with last passed
    ``stage``."""

    agent_id: AgentId
    stage: str


@dataclass(frozen=True, slots=True)
class PauseStarted:
    """A manager is to get no calls.  ``by``: who wanted it, "" for the engine itself.

    Told at once; in a talk the manager's state follows when the talk is over.
    """

    pause_id: str
    agent_id: AgentId
    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class PauseEnded:
    """They take calls again.  ``by`` as in ``PauseStarted``."""

    pause_id: str
    agent_id: AgentId
    by: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The whole call.  ``short``: an abandoned wait shorter than the queue's short_abandon_s.

    ``wait_s``: time in waiting lines up to the join or the end; ``talk_s``: all talks together.
    ``lost_at``: the last node of the walk.
    """

    call_id: CallId
    outcome: Outcome
    short: bool
    wait_s: Seconds
    talk_s: Seconds
    cause: str
    last_node: str


Entry = (
    Fact
    | CallStarted
    | MenuStep
    | LookedUp
    | OutsideLegStarted
    | OutsideLegFinished
    | OutsideRefused
    | Transferred
    | CallbackAsked
    | CallbackOpened
    | CallbackDialled
    | CallbackPut
    | CallbackClosed
    | EstimateProved
    | MessageLeft
    | RecordingStarted
    | RecordingHeld
    | RecordingKept
    | RecordingFailed
    | OwnTalkStarted
    | StageDialled
    | PauseStarted
    | PauseEnded
    | CallEnded
)


@dataclass(frozen=True, slots=True)
class Stamped:
    """An entry and when it happened (UTC, aware)."""

    at: datetime
    entry: Entry


@dataclass(frozen=True, slots=True)
class OpenWait:
    """A wait that was going on when the engine before us ended.

    ``since``: UTC.  ``node_id``: the step that leads into it.  ``passed``: all steps before it.
    """

    queue_id: QueueId
    since: datetime
    node_id: str
    passed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenCallback:
    """A callback that the engine before us left open.

    ``dialled_call``: of an attempt whose end it did not see, "" for none; ``talked``: in which a
    talk was seen.  ``settled``: why nobody needs to be called any more, "" for to be called: the
    result that closes it.
    """

    opened: CallbackOpened
    opened_at: datetime
    attempts: int
    next_at: datetime | None
    dialled_call: str
    talked: bool
    settled: str = ""


@dataclass(frozen=True, slots=True)
class OpenLeg:
    """A leg of which the log knows no end.

    ``queue_id``: for which it was rung, None where the caller had asked for ``agent_id`` or an
    outside number.  ``outside``: the distribution does not know it.  ``joined_at``: None where no
    talk was seen on it.
    """

    agent_id: AgentId | None
    device_id: DeviceId
    queue_id: QueueId | None
    outside: bool
    started_at: datetime
    joined_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenTalk:
    """A call in which somebody talked, or was rung, when the engine before us ended.

    ``node_id``: the step that had led to it, "" for none known; ``passed``: all steps before it.
    ``queue_id``: that the caller waited in last.  ``wait_s`` and ``talk_s``: what was over.
    """

    did: str
    number: str
    name: str
    language: str
    callback_of: str
    started_at: datetime
    queue_id: QueueId | None
    node_id: str
    passed: tuple[str, ...]
    wait_s: Seconds
    talk_s: Seconds
    legs: Mapping[LegId, OpenLeg]


@dataclass(frozen=True, slots=True)
class OpenPause:
    """A pause of which the log knows no end; fields as in ``PauseStarted``."""

    pause_id: str
    agent_id: AgentId
    reason: str
    by: str
    since: datetime


class Journal(Protocol):
    """Where entries go.  ``write`` never blocks and never raises."""

    def write(self, stamped: Stamped) -> None:
        """Take an entry; it is written in batches, in order, by another thread."""

    def close(self, timeout_s: Seconds) -> None:
        """Write what is left; blocking, for the end of the process."""
