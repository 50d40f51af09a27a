"""One callback: what is kept of it from the wish to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ivr.commands import PlayPrompts
from ivr.nodes import HangUp, NodeId, ToQueue, Tree
from ivr.walk import Walk
from pbx.engine.call import LiveCall, Stage
from pbx.engine.recording import chosen
from pbx.journal import port as journal
from pbx.plan.model import CallbackRule, Number, Plan
from pbx.switch.port import CLIENT_PREFIX
from routing import events, facts
from routing.timers import Timer
from routing.values import AgentId, CallId, LegId, QueueId, Seconds

CALLBACK_NODE: NodeId = "callback"
"""The step of a call that we make ourselves."""
_END: NodeId = "callback/end"


@dataclass(slots=True)
class Callback:
    """A client to be called.

    ``book``: who keeps it.  ``by``: the manager who wants the call (``opened`` is then known to
    nobody else), None for a callback.
    ``since``: when their wait began (core time), ``opened_at``: when this was asked for.
    ``attempts``: how often the client was called.  ``not_before``: when the next may begin.
    ``call``: the call that stands in line for the client, rings managers, and has the client at
    last; None while it rests.  ``marked``: the log knows that the client is about to be called.
    ``begun``: the log knows that call, since its first ring; until then
    ``wait`` is kept from it.  ``agent`` and ``leg``: who has picked up.  ``dialling``: the leg on
    which the client is being called.
    """

    opened: journal.CallbackOpened
    book: Book
    since: Seconds
    opened_at: Seconds
    attempts: int = 0
    not_before: Seconds = 0.0
    call: LiveCall | None = None
    begun: bool = False
    wait: facts.WaitStarted | None = None
    agent: AgentId | None = None
    leg: LegId | None = None
    marked: bool = False
    dialling: LegId | None = None
    dialled_at: Seconds = 0.0
    timer: Timer | None = None
    by: AgentId | None = None

    @property
    def kind(self) -> str:
        """In one word, for the log."""
        return "callback" if self.by is None else "click"

    @property
    def callback_id(self) -> str:
        """Unique for ever."""
        return self.opened.callback_id

    @property
    def number(self) -> str:
        """The client's, E.164."""
        return self.opened.number

    def rests(self) -> None:
        """Nothing is under way for it."""
        self.call = self.wait = self.agent = self.leg = self.dialling = None
        self.begun = self.marked = False


class Book(Protocol):
    """Who keeps what is to be called: callbacks.py, clicks.py."""

    @property
    def plan(self) -> Plan:
        """The plan in force."""

    def rule(self, back: Callback) -> CallbackRule | None:
        """How it is called; None for not at all any more."""

    def asks(self, back: Callback, call_id: CallId, join_within_s: Seconds) -> events.Event:
        """What the distribution is told, to ring managers for it."""

    def says(self, back: Callback, agent_id: AgentId) -> PlayPrompts:
        """To the manager who picks up."""

    def mark(self, back: Callback, call_id: CallId, now: Seconds) -> None:
        """The client is about to be called: who finds that without an end does not do it again."""

    def is_time(self, back: Callback, now: Seconds) -> bool:
        """May the client be called now?"""

    def put(self, back: Callback, at: Seconds, now: Seconds, reason: str) -> None:
        """The attempt ends; the next begins at ``at`` or later."""

    def close(self, back: Callback, result: str, now: Seconds) -> None:
        """Nobody is to be called any more."""

    def forget(self, back: Callback, result: str, now: Seconds) -> None:
        """The same, and what is under way goes on without us."""


def id_of(call_id: CallId) -> str:
    """The callback of a call that we made, "" for other calls."""
    if not call_id.startswith(CLIENT_PREFIX):
        return ""
    return call_id.removeprefix(CLIENT_PREFIX).partition(".")[0]


def tree_for(plan: Plan, queue_id: QueueId) -> Tree:
    """The plan's tree, and a way into it for a client who was called: as a queue's step that ends
    with the talk."""
    waits = ToQueue(CALLBACK_NODE, queue_id, 0, (), on_overflow=_END)
    ends: Tree = {CALLBACK_NODE: waits, _END: HangUp(_END)}
    return {**plan.tree, **ends}


def call_for(back: Callback, plan: Plan, tree: Tree, call_id: CallId, now: Seconds) -> LiveCall:
    """A call in which the client will be a caller like any other."""
    opened = back.opened
    number = plan.numbers.get(opened.did)
    if number is None:
        number = Number(did=opened.did, entry="", language=opened.language)
    rule = plan.queue_records.get(opened.queue_id, number.record)
    return LiveCall(
        call_id=call_id,
        plan=plan,
        number=number,
        caller_e164=opened.number,
        caller_shown=opened.number,
        caller_name=opened.name,
        walk=Walk(tree, CALLBACK_NODE, language=opened.language),
        started_at=now,
        queue_id=opened.queue_id or None,
        stage=Stage.WAITING,
        recording=rule if rule is not None and chosen(call_id, rule.share) else None,
        callback_of=opened.callback_id,
    )
