"""What the engine keeps of one live call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from ivr.commands import CallAgent, CallOutside, QueueCaller
from ivr.walk import Walk
from pbx.engine.announcements import Announcer
from pbx.plan.model import Number, Plan, Recording
from routing.timers import Timer
from routing.values import AgentId, CallId, LegId, Outcome, QueueId, Seconds, SkillNeed


class Stage(StrEnum):
    """Who has the caller."""

    MENU = "menu"
    WAITING = "waiting"
    RINGING_AGENT = "ringing_agent"
    OUTSIDE = "outside"
    TALKING = "talking"
    ENDING = "ending"


@dataclass(slots=True)
class OutsideLeg:
    """A leg that the distribution does not know: to an outside number, or (``handed_over``) a call
    of an agent's own, to ``agent`` or to somebody else, that the caller was joined with."""

    leg_id: LegId
    started_at: Seconds
    joined: bool = False
    joined_at: Seconds = 0.0
    handed_over: bool = False
    agent: AgentId | None = None


@dataclass(slots=True)
class Waiting:
    """What a caller in a line is told.  ``promised``: (when, how long) of the first wait told."""

    announcer: Announcer
    timer: Timer | None = None
    promised: tuple[Seconds, Seconds] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a line: what a callback takes over of it."""

    queue_id: QueueId
    since: Seconds
    priority: int
    needs: tuple[SkillNeed, ...]


@dataclass(slots=True)
class LiveCall:
    """One caller's call while it lasts.

    ``plan`` is the one it began with.  ``waits_from``: of a caller found after a time without an
    engine, when the wait that begins now really began.  ``overflowed``: a queue gave the caller
    back, or the number's lines were full.  ``giver``: the agent who sent the caller on, to whom
    they go back if nobody answers there.  ``leaving_by``: the key by which they leave the line, ""
    for none.  ``recording``: the rule by which the next talk is recorded.  ``after_notice``: what
    is done when the caller has heard of it.  ``wait_s`` and ``talk_s`` are what is already over.
    ``place``: the last in a line.  ``callback_of``: the callback that we make, "" for a caller.
    ``silences``: commands for the caller in a row that the switch did not answer.  ``manager`` and
    ``vip``: what a CRM said of the caller: who is responsible for them, that they are important.
    """

    call_id: CallId
    plan: Plan
    number: Number
    caller_e164: str
    caller_shown: str
    caller_name: str
    walk: Walk
    started_at: Seconds
    stage: Stage = Stage.MENU
    queue_id: QueueId | None = None
    waiting_since: Seconds | None = None
    waits_from: Seconds | None = None
    waiting: Waiting | None = None
    leaving_by: str = ""
    wait_s: Seconds = 0.0
    talking_leg: LegId | None = None
    talking_since: Seconds = 0.0
    talk_s: Seconds = 0.0
    talked: bool = False
    last_agent: AgentId | None = None
    giver: AgentId | None = None
    recording: Recording | None = None
    told_of_recording: bool = False
    after_notice: QueueCaller | CallAgent | CallOutside | None = None
    overflowed: bool = False
    message_left: bool = False
    voicemail_box: str = ""
    outside_leg: OutsideLeg | None = None
    hung_up_by_us: bool = False
    ending_as: Outcome | None = None
    place: Place | None = None
    callback_of: str = ""
    silences: int = 0
    manager: AgentId | None = None
    vip: bool = False

    @property
    def priority(self) -> int:
        """What the number called and who calls add to the step's; a VIP of both lists is one."""
        vip = self.plan.vip
        whose = vip.priority if self.vip else vip.priority_of(self.caller_e164)
        return self.number.priority + whose

    def wait_ends(self, now: Seconds) -> None:
        """Close the stretch of waiting, if one is open."""
        if self.waiting_since is not None:
            self.wait_s += now - self.waiting_since
            self.waiting_since = None
        self.leaving_by = ""
        if self.waiting is not None:
            if self.waiting.timer is not None:
                self.waiting.timer.cancel()
            self.waiting = None

    def talk_begins(self, leg_id: LegId, now: Seconds) -> None:
        """The wait is over: somebody talks with the caller."""
        self.wait_ends(now)
        self.stage = Stage.TALKING
        self.talked = True
        self.talking_leg = leg_id
        self.talking_since = now
        self.giver = None

    def talk_ends(self, now: Seconds) -> None:
        """Close the talk, if one is open."""
        if self.talking_leg is not None:
            self.talk_s += now - self.talking_since
            self.talking_leg = None


@dataclass(slots=True)
class LiveCalls:
    """All live calls, by call, by outside leg, and how many on each number; ``clients``: callers
    by their own number, E.164."""

    by_id: dict[CallId, LiveCall] = field(default_factory=dict)
    by_outside_leg: dict[LegId, LiveCall] = field(default_factory=dict)
    on_number: Counter[str] = field(default_factory=Counter)
    clients: Counter[str] = field(default_factory=Counter)

    def add(self, call: LiveCall) -> None:
        """A call begins.  One that we make takes no line of the number."""
        self.by_id[call.call_id] = call
        if not call.callback_of:
            self.on_number[call.number.did] += 1
            self.clients[call.caller_e164] += 1

    def remove(self, call: LiveCall) -> None:
        """A call is over."""
        del self.by_id[call.call_id]
        if not call.callback_of:
            _one_less(self.on_number, call.number.did)
            _one_less(self.clients, call.caller_e164)


def _one_less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
