"""One attempt to call a client: a call that stands in line for them (or for one manager who wants
it: clicks.py), the manager who picks up, the client who is called then, and the join, or the end
without one.

House rules: part of callbacks.py, as pure.  A client is called only while a manager holds the line,
after ``Elsewhere.refusal`` was asked and the log was told (``MARK_AHEAD_S``).  Whatever ends an
attempt goes through ``end``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from ivr import events as ivr_events
from ivr.commands import HangUpCaller, PlayPrompts
from ivr.nodes import Tree
from pbx.engine.call import LiveCall, LiveCalls
from pbx.engine.callback import Callback, call_for, tree_for
from pbx.engine.elsewhere import Elsewhere
from pbx.journal import port as journal
from pbx.plan.model import CallbackRule, Plan
from pbx.switch import port as switch
from routing import events, facts
from routing.dispatcher import Dispatcher
from routing.timers import Timers
from routing.values import AgentId, CallId, Disposition, LegId, Outcome, QueueId, Seconds

MARK_AHEAD_S = 0.5
"""The log is told so long before the client is called, seconds: it writes every 0.1 s, so what a
kill leaves in the switch is known to the next engine.  The manager hears a ring tone meanwhile."""
GREETING_AT_MOST_S = 20.0
"""When the client is called although nobody has told that the greeting was heard, seconds."""
JOIN_MARGIN_S = GREETING_AT_MOST_S + 20.0
"""Added to the client's ring time, seconds: the greeting, a notice, the way through the trunk."""
LOOK_AGAIN_S = 60.0
"""How often hours and limits are asked again, seconds."""
AGAIN_S = 10.0
"""Before another manager is rung when one had picked up and hung up again, seconds."""


class Attempts:
    """All attempts under way."""

    def __init__(
        self,
        timers: Timers,
        calls: LiveCalls,
        elsewhere: Elsewhere,
        dispatcher: Dispatcher,
        *,
        send: Callable[[switch.SwitchCommand], None],
        note: Callable[[journal.Entry, Seconds], None],
        tell: Callable[[events.Event, Seconds], None],
        left: Callable[[LiveCall, Seconds], None],
        to_utc: Callable[[Seconds], datetime],
        id_prefix: str,
    ) -> None:
        self._timers = timers
        self._calls = calls
        self._elsewhere = elsewhere
        self._dispatcher = dispatcher
        self._send = send
        self._note = note
        self._tell = tell
        self._left = left
        self._to_utc = to_utc
        self._id_prefix = id_prefix
        self._made = 0
        self._trees: tuple[Plan, dict[QueueId, Tree]] | None = None
        self._legs: dict[LegId, tuple[Callback, AgentId]] = {}
        self._by_call: dict[CallId, Callback] = {}
        self._unbegun: set[CallId] = set()

    # The line ----------------------------------------------------------------------------

    def stand(self, back: Callback, rule: CallbackRule, now: Seconds) -> None:
        """Into the line, at the place that the client left."""
        self._made += 1
        call_id = CallId(f"{switch.CLIENT_PREFIX}{back.callback_id}.{self._id_prefix}{self._made}")
        plan = back.book.plan
        back.call = call_for(back, plan, self._tree(plan, back.opened.queue_id), call_id, now)
        self._calls.add(back.call)
        self._by_call[call_id] = back
        self._unbegun.add(call_id)
        within_s = MARK_AHEAD_S + rule.ring_time_s + JOIN_MARGIN_S
        self._tell(back.book.asks(back, call_id, within_s), now)

    def _of(self, call_id: CallId) -> Callback | None:
        """What this call of ours is for, while it is under way."""
        return self._by_call.get(call_id)

    def _tree(self, plan: Plan, queue_id: QueueId) -> Tree:
        if self._trees is None or self._trees[0] is not plan:
            self._trees = (plan, {})
        trees = self._trees[1]
        if queue_id not in trees:
            trees[queue_id] = tree_for(plan, queue_id)
        return trees[queue_id]

    def keeps_back(self, fact: facts.Fact, now: Seconds) -> bool:
        """Facts of a call that has not begun for the log are not for it; the first ring begins it
        (and its wait is told then)."""
        match fact:
            case facts.WaitStarted(call_id) if (back := self._of(call_id)) and not back.begun:
                back.wait = fact
                return True
            case facts.WaitEnded(call_id) if call_id in self._unbegun:
                self._unbegun.discard(call_id)
                return True
            case facts.OfferMade(_, call_id) if (back := self._of(call_id)) and not back.begun:
                self._begin(back, now)
        return False

    def _begin(self, back: Callback, now: Seconds) -> None:
        call = back.call
        assert call is not None, "offered without a call"
        back.begun = True
        self._unbegun.discard(call.call_id)
        call.started_at = call.waiting_since = now
        self._note_call(back, call, now)
        if back.wait is not None:
            self._note(back.wait, now)

    def _note_call(
        self, back: Callback, call: LiveCall, now: Seconds, *, reconstructed: bool = False
    ) -> None:
        started = journal.CallStarted(
            call_id=call.call_id,
            did=call.number.did,
            number=back.number,
            number_raw=back.number,
            name=back.opened.name,
            source=call.number.source,
            language=back.opened.language,
            reconstructed=reconstructed,
            callback_of=back.callback_id,
        )
        self._note(started, now)
        step = call.walk.step(ivr_events.WalkStarted(), self._to_utc(now))
        for taken in step.trace:
            entry = journal.MenuStep(
                call.call_id, taken.node_id, taken.kind, taken.digits, taken.detail
            )
            self._note(entry, now)

    # Managers ----------------------------------------------------------------------------

    def greeting(
        self, call: LiveCall | None, leg_id: LegId, agent_id: AgentId
    ) -> PlayPrompts | None:
        """What who picks up hears, where the leg is rung for a callback; None for others."""
        back = self._of(call.call_id) if call is not None else None
        if back is None:
            return None
        self._legs[leg_id] = (back, agent_id)
        return back.book.says(back, agent_id)

    def leg_ended(self, leg_id: LegId) -> None:
        """A manager's leg is over."""
        self._legs.pop(leg_id, None)

    def picked_up(self, leg_id: LegId, now: Seconds) -> None:
        """A device was picked up, and the distribution has been told."""
        back, agent_id = self._legs.get(leg_id, (None, None))
        leg = self._dispatcher.legs.get(leg_id)
        if back is None or back.call is None or back.leg is not None:
            return
        if leg is None or leg.part.offer.call.taken_by != leg_id:
            return
        back.leg, back.agent = leg_id, agent_id
        call = back.call
        self._timers.at(now + GREETING_AT_MOST_S, lambda now: self._ready(back, call, now))

    def greeted(self, leg_id: LegId, now: Seconds) -> None:
        """Who picked up has heard whom we call."""
        back, _ = self._legs.get(leg_id, (None, None))
        if back is not None and back.call is not None and back.leg == leg_id:
            self._ready(back, back.call, now)

    def _ready(self, back: Callback, call: LiveCall, now: Seconds) -> None:
        """The manager waits for the client: may they be called?"""
        if back.call is not call or back.leg is None or back.marked:
            return  # the manager has gone, or the client is being called
        rule = back.book.rule(back)
        if rule is None or not back.book.is_time(back, now):
            back.book.put(back, now + LOOK_AGAIN_S, now, "hours")
            return
        dialling = self._elsewhere.new_leg()
        why = self._elsewhere.refusal(call.call_id, dialling, back.number, back.by, now)
        if why is not None:
            back.book.put(back, now + LOOK_AGAIN_S, now, str(why))
            return
        back.marked = True
        back.attempts += 1
        back.book.mark(back, call.call_id, now)
        self._timers.at(
            now + MARK_AHEAD_S, lambda now: self._dial(back, call, rule.ring_time_s, dialling, now)
        )

    def _dial(
        self, back: Callback, call: LiveCall, ring_time_s: Seconds, dialling: LegId, now: Seconds
    ) -> None:
        if back.call is not call or back.leg is None:
            return  # the manager has gone, or the client came through otherwise
        address = back.book.plan.trunk.format(number=back.number)
        back.dialling, back.dialled_at = dialling, now
        started = journal.OutsideLegStarted(call.call_id, dialling, address, back.number)
        self._note(started, now)
        rule = call.recording
        notice = PlayPrompts(rule.notice, back.opened.language) if rule and rule.notice else None
        call.told_of_recording = notice is not None
        self._send(
            switch.CallClient(call.call_id, back.leg, address, ring_time_s, back.opened.did, notice)
        )

    def returned(self, call: LiveCall, now: Seconds) -> None:
        """The distribution gave the call back: who had picked up hung up, or the queue is gone."""
        back = self._of(call.call_id)
        if back is None:
            return
        if back.dialling is not None:
            self._attempt_failed(back, Disposition.CANCELLED, "the manager hung up", now)
        else:
            if back.marked:
                back.attempts -= 1  # and not called yet
            back.book.put(back, now + AGAIN_S, now, "manager")

    # Clients -----------------------------------------------------------------------------

    def not_reached(self, event: switch.ClientNotReached, now: Seconds) -> None:
        """The client did not answer, or did not stay for the join."""
        back = self._of(event.call_id)
        if back is not None and back.call is not None:
            self._attempt_failed(back, event.disposition, event.cause, now)

    def _attempt_failed(
        self, back: Callback, disposition: Disposition, cause: str, now: Seconds
    ) -> None:
        rule = back.book.rule(back)
        self._dial_ended(back, disposition, cause, now)
        if rule is None or back.attempts >= rule.attempts:
            back.book.close(back, "not_reached", now)
        else:
            back.book.put(back, now + rule.pause_s, now, f"client {disposition.value}")

    def _dial_ended(
        self, back: Callback, disposition: Disposition, cause: str, now: Seconds
    ) -> None:
        if back.dialling is None or back.call is None:
            return
        ended = journal.OutsideLegFinished(
            back.call.call_id,
            back.dialling,
            disposition.value,
            cause,
            ring_s=now - back.dialled_at,
            talk_s=0.0,  # the talk is the manager's leg's
        )
        self._note(ended, now)
        back.dialling = None

    def joined(self, call: LiveCall, now: Seconds) -> None:
        """The client and the manager talk: from here on it is a call like any other."""
        if (back := self._of(call.call_id)) is not None:
            self._dial_ended(back, Disposition.ANSWERED, "", now)
            del self._by_call[call.call_id]
            back.book.forget(back, "talked", now)

    def goes_on(self, back: Callback, call_id: CallId, now: Seconds) -> None:
        """An attempt of an engine before us: its manager and client are the switch's."""
        plan = back.book.plan
        tree = self._tree(plan, back.opened.queue_id)
        back.call = call = call_for(back, plan, tree, call_id, now)
        self._by_call[call_id] = back
        back.begun = True
        back.leg = back.dialling = self._elsewhere.new_leg()
        back.dialled_at = now
        self._calls.add(call)
        self._note_call(back, call, now, reconstructed=True)
        started = journal.OutsideLegStarted(call_id, back.dialling, back.number, back.number)
        self._note(started, now)

    # The end -----------------------------------------------------------------------------

    def end(self, back: Callback, why: str, now: Seconds) -> None:
        """Nobody is rung or called any more for it; its call is over."""
        call, begun = back.call, back.begun
        if call is None:
            return
        if back.dialling is not None:
            self._send(switch.ForCaller(call.call_id, HangUpCaller(None)))
            self._dial_ended(back, Disposition.CANCELLED, why, now)
        wait_s = now - (call.waiting_since if call.waiting_since is not None else now)
        back.rests()
        self._by_call.pop(call.call_id, None)
        self._tell(events.CallbackWithdrawn(call.call_id, why.replace(" ", "_")), now)
        self._left(call, now)
        if begun:
            self._note(
                journal.CallEnded(
                    call_id=call.call_id,
                    outcome=Outcome.FAILED,
                    short=False,
                    wait_s=wait_s,
                    talk_s=0.0,
                    cause=f"{back.kind}: {why}",
                    last_node=call.walk.current or "",
                ),
                now,
            )
