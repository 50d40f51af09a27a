"""One callback: what is kept of it from the wish to its end."""

from __future__ import annotations

from dataclasses import dataclass

from ivr.nodes import HangUp, NodeId, ToQueue, Tree
from ivr.walk import Walk
from pbx.engine.call import LiveCall, Stage
from pbx.engine.recording import chosen
from pbx.journal import port as journal
from pbx.plan.model import Number, Plan
from pbx.switch.port import CLIENT_PREFIX
from routing import facts
from routing.timers import Timer
from routing.values import AgentId, CallId, LegId, QueueId, Seconds

_NODE: NodeId = "callback"
_END: NodeId = "callback/end"


@dataclass(slots=True)
class Callback:
    """A client to be called back.

    ``since``: when their wait began (core time), ``opened_at``: when this was asked for.
    ``attempts``: how often the client was called.  ``not_before``: when the next may begin.
    ``call``: the call that stands in line for the client, rings managers, and has the client at
    last; None while it rests.  ``begun``: the log knows that call, since its first ring; until then
    ``wait`` is kept from it.  ``agent`` and ``leg``: who has picked up.  ``dialling``: the leg on
    which the client is being called.
    """

    opened: journal.CallbackOpened
    since: Seconds
    opened_at: Seconds
    attempts: int = 0
    not_before: Seconds = 0.0
    call: LiveCall | None = None
    begun: bool = False
    wait: facts.WaitStarted | None = None
    agent: AgentId | None = None
    leg: LegId | None = None
    dialling: LegId | None = None
    dialled_at: Seconds = 0.0
    timer: Timer | None = None

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
        self.begun = False


def id_of(call_id: CallId) -> str:
    """The callback of a call that we made, "" for other calls."""
    if not call_id.startswith(CLIENT_PREFIX):
        return ""
    return call_id.removeprefix(CLIENT_PREFIX).partition(".")[0]


def tree_for(plan: Plan, queue_id: QueueId) -> Tree:
    """The plan's tree, and a way into it for a client who was called: as a queue's step that ends
    with the talk."""
    ends: Tree = {_NODE: ToQueue(_NODE, queue_id, 0, (), on_overflow=_END), _END: HangUp(_END)}
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
        walk=Walk(tree, _NODE, language=opened.language),
        started_at=now,
        queue_id=opened.queue_id,
        stage=Stage.WAITING,
        recording=rule if rule is not None and chosen(call_id, rule.share) else None,
        callback_of=opened.callback_id,
    )
