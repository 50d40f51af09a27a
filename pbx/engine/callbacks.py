"""Clients who are called back by the engine, each at the place that they left in the line.

Pure like core.py, which owns this.  House rules: a number has one open callback at most.  A client
is called only while a manager holds the line for them, after ``Elsewhere.refusal`` was asked, and
after the log was told (``MARK_AHEAD_S``): an attempt of which the log knows no end is never made
again.  Whatever ends an attempt goes through ``_end_attempt``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from ivr import events as ivr_events
from ivr import phrases
from ivr.commands import HangUpCaller, PlayPrompts
from ivr.nodes import Tree
from ivr.schedule import ScheduleState
from pbx.engine.call import LiveCall, LiveCalls, Place
from pbx.engine.callback import Callback, call_for, id_of, tree_for
from pbx.engine.elsewhere import Elsewhere
from pbx.journal import port as journal
from pbx.numbers import may_call, normalise, premium
from pbx.plan.model import CallbackRule, Plan
from pbx.switch import port as switch
from routing import events, facts
from routing.dispatcher import Dispatcher
from routing.timers import Timers
from routing.values import (
    AgentId,
    CallId,
    Disposition,
    LegId,
    Outcome,
    QueueId,
    Seconds,
    SkillNeed,
)

MARK_AHEAD_S = 0.5
"""The log is told so long before the client is called, seconds: it writes every 0.1 s, so what a
kill leaves in the switch is known to the next engine.  The manager hears the greeting meanwhile."""
JOIN_MARGIN_S = 20.0
"""Added to the client's ring time, seconds: the greeting, a notice, the way through the trunk."""
LOOK_AGAIN_S = 60.0
"""How often hours and limits are asked again, seconds."""
AGAIN_S = 10.0
"""Before another manager is rung when one had picked up and hung up again, seconds."""
MAX_OPEN = 10_000
"""Open callbacks; above it a number is only kept for people to call."""


class Callbacks:
    """All open callbacks of one company.

    ``plan``: the one in force, whose rules hold.  ``tell`` gives the distribution an event.
    """

    def __init__(
        self,
        plan: Plan,
        calls: LiveCalls,
        elsewhere: Elsewhere,
        dispatcher: Dispatcher,
        *,
        send: Callable[[switch.SwitchCommand], None],
        note: Callable[[journal.Entry, Seconds], None],
        tell: Callable[[events.Event, Seconds], None],
        to_utc: Callable[[Seconds], datetime],
        id_prefix: str,
    ) -> None:
        self._plan = plan
        self._calls = calls
        self._elsewhere = elsewhere
        self._dispatcher = dispatcher
        self._send = send
        self._note = note
        self._tell = tell
        self._to_utc = to_utc
        self._id_prefix = id_prefix
        self._timers = Timers()
        self._made = 0
        self._trees: dict[QueueId, Tree] = {}
        self._open: dict[str, Callback] = {}
        self._by_number: dict[str, Callback] = {}
        self._legs: dict[LegId, tuple[Callback, AgentId]] = {}
        self._unbegun: set[CallId] = set()
        self._unresolved: dict[str, journal.OpenCallback] = {}
        self._begun = False

    # Questions ---------------------------------------------------------------------------

    def open_by_queue(self) -> Mapping[QueueId, tuple[int, Seconds]]:
        """For each queue how many are open, and since when the oldest (core time)."""
        found: dict[QueueId, tuple[int, Seconds]] = {}
        for back in self._open.values():
            count, oldest = found.get(back.opened.queue_id, (0, back.opened_at))
            found[back.opened.queue_id] = (count + 1, min(oldest, back.opened_at))
        return found

    def check(self, call: LiveCall, queue_id: QueueId | None, digits: str) -> ivr_events.Event:
        """May the number be called that the caller typed, or ("") calls from?"""
        region = call.plan.region
        number = normalise(digits or call.caller_e164, region)
        ours = number.e164 in call.plan.numbers
        fit = number.valid and number.e164 and not premium(number.e164) and not ours
        if queue_id in self._plan.callback_rules:
            fit = fit and self._may_call(number.e164)
        if not fit:
            return ivr_events.NumberChecked("", "")
        inside = number.region_code == region
        spoken = number.national if inside and number.national else number.e164
        return ivr_events.NumberChecked(number.e164, spoken, number.e164 in self._by_number)

    def _may_call(self, number: str) -> bool:
        plan = self._plan
        return bool(plan.trunk) and may_call(number, plan.allowed_prefixes) and not premium(number)

    # What comes in -----------------------------------------------------------------------

    @property
    def next_at(self) -> Seconds | None:
        """When ``woke`` is wanted."""
        return self._timers.next_at

    def woke(self, now: Seconds) -> None:
        """Do all that is due."""
        while timer := self._timers.pop_due(now):
            timer.action(now)

    def replace_plan(self, plan: Plan) -> None:
        """Another plan is in force: what is open is looked at by its rules when it is due."""
        self._plan = plan
        self._trees.clear()

    def asked(self, call: LiveCall, queue_id: QueueId | None, number: str, now: Seconds) -> None:
        """The caller wants to be called back at ``number``."""
        self._note(journal.CallbackAsked(call.call_id, number, queue_id), now)
        if queue_id is not None:
            self._opens(call, queue_id, number, now, missed=False)

    def missed(self, call: LiveCall, now: Seconds) -> None:
        """The caller hung up without a talk."""
        if call.place is None or not call.caller_e164:
            return
        rule = self._plan.callback_rules.get(call.place.queue_id)
        if rule is not None and rule.missed:
            self._opens(call, call.place.queue_id, call.caller_e164, now, missed=True)

    def _opens(
        self, call: LiveCall, queue_id: QueueId, number: str, now: Seconds, *, missed: bool
    ) -> None:
        if queue_id not in self._plan.callback_rules or not self._may_call(number):
            return
        if number in self._by_number or len(self._open) >= MAX_OPEN:
            return
        place = call.place
        if place is None or place.queue_id != queue_id:
            priority = call.number.priority + self._plan.vip.priority_of(number)
            place = Place(queue_id, now, priority, call.walk.needs)
        self._made += 1
        since = now if missed else place.since
        opened = journal.CallbackOpened(
            callback_id=f"{self._id_prefix}b{self._made}",
            call_id=call.call_id,
            number=number,
            queue_id=queue_id,
            did=call.number.did,
            name=call.caller_name if number == call.caller_e164 else "",
            language=call.walk.language,
            needs=tuple((need.skill, need.min_level) for need in place.needs),
            priority=place.priority,
            since=self._to_utc(since),
            missed=missed,
        )
        self._note(opened, now)
        self._take_up(Callback(opened, since, opened_at=now, not_before=now), now)

    def _take_up(self, back: Callback, now: Seconds) -> None:
        self._open[back.callback_id] = self._by_number[back.number] = back
        self._next_look(back, now, now)

    def caller_came(self, number: str, now: Seconds) -> None:
        """The client is on the line: they keep the place, and nobody is rung for it meanwhile."""
        back = self._by_number.get(number)
        if back is not None and back.leg is None and back.call is not None:
            self._put(back, now, now, "on_the_line")

    def caller_went(self, number: str, now: Seconds) -> None:
        """They are not any more."""
        back = self._by_number.get(number)
        if back is not None and back.call is None:
            self._next_look(back, now, now)

    def talked(self, number: str, now: Seconds) -> None:
        """The client talks with somebody of us, by a call of theirs or a manager's own."""
        if (back := self._by_number.get(number)) is not None:
            self._close(back, "got_through", now)

    # The line ----------------------------------------------------------------------------

    def _next_look(self, back: Callback, at: Seconds, now: Seconds) -> None:
        if back.timer is not None:
            back.timer.cancel()
        back.timer = self._timers.at(max(at, now), lambda now: self._look(back, now))

    def _look(self, back: Callback, now: Seconds) -> None:
        """Is it time to stand in line, still right to, or over?"""
        back.timer = None
        rule = self._plan.callback_rules.get(back.opened.queue_id)
        if back.leg is not None:
            return  # somebody holds the line for the client: what follows ends by itself
        if rule is None:
            self._close(back, "withdrawn", now)
        elif now >= back.opened_at + rule.expires_s:
            self._close(back, "expired", now)
        elif not self._may_call(back.number):
            self._close(back, "not_allowed", now)
        elif not self._is_time(back, rule, now):
            if back.call is not None:
                self._put(back, now + LOOK_AGAIN_S, now, "hours")
            else:
                self._next_look(back, now + LOOK_AGAIN_S, now)
        else:
            if back.call is None and now >= back.not_before and self._free_to_begin(back):
                self._stand(back, rule, now)
            waits = back.not_before if now < back.not_before else now + LOOK_AGAIN_S
            if back.timer is None and self._open.get(back.callback_id) is back:
                self._next_look(back, waits, now)

    def _is_time(self, back: Callback, rule: CallbackRule, now: Seconds) -> bool:
        at = self._to_utc(now)
        if rule.hours is not None and rule.hours.state(at) is not ScheduleState.OPEN:
            return False
        return self._elsewhere.limits.why_not(self._plan, back.number, None, now, at) is None

    def _free_to_begin(self, back: Callback) -> bool:
        return self._begun and back.number not in self._calls.clients

    def _stand(self, back: Callback, rule: CallbackRule, now: Seconds) -> None:
        self._made += 1
        call_id = CallId(f"{switch.CLIENT_PREFIX}{back.callback_id}.{self._id_prefix}{self._made}")
        back.call = call_for(back, self._plan, self._tree(back.opened.queue_id), call_id, now)
        self._calls.add(back.call)
        self._unbegun.add(call_id)
        opened = back.opened
        self._tell(
            events.CallbackQueued(
                call_id,
                opened.queue_id,
                opened.number,
                tuple(SkillNeed(skill, level) for skill, level in opened.needs),
                opened.priority,
                waiting_since=back.since,
                join_within_s=MARK_AHEAD_S + rule.ring_time_s + JOIN_MARGIN_S,
            ),
            now,
        )

    def _tree(self, queue_id: QueueId) -> Tree:
        if queue_id not in self._trees:
            self._trees[queue_id] = tree_for(self._plan, queue_id)
        return self._trees[queue_id]

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

    def _of(self, call_id: CallId) -> Callback | None:
        """The callback that this call of ours is for, while it is under way."""
        back = self._open.get(id_of(call_id))
        return back if back is not None and back.call and back.call.call_id == call_id else None

    # Managers ----------------------------------------------------------------------------

    def greeting(
        self, call: LiveCall | None, leg_id: LegId, agent_id: AgentId
    ) -> PlayPrompts | None:
        """What who picks up hears, where the leg is rung for a callback; None for others."""
        back = self._of(call.call_id) if call is not None else None
        if back is None:
            return None
        self._legs[leg_id] = (back, agent_id)
        return PlayPrompts((phrases.CALLBACK_GREETING,), back.opened.language)

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
        rule = self._plan.callback_rules.get(back.opened.queue_id)
        back.leg, back.agent = leg_id, agent_id
        if rule is None or not self._is_time(back, rule, now):
            self._put(back, now + LOOK_AGAIN_S, now, "hours")
            return
        dialling = self._elsewhere.new_leg()
        why = self._elsewhere.refusal(back.call.call_id, dialling, back.number, None, now)
        if why is not None:
            self._put(back, now + LOOK_AGAIN_S, now, str(why))
            return
        back.attempts += 1
        mark = journal.CallbackDialled(back.callback_id, back.call.call_id, back.attempts)
        self._note(mark, now)
        call = back.call
        self._timers.at(
            now + MARK_AHEAD_S, lambda now: self._dial(back, call, rule.ring_time_s, dialling, now)
        )

    def _dial(
        self, back: Callback, call: LiveCall, ring_time_s: Seconds, dialling: LegId, now: Seconds
    ) -> None:
        if back.call is not call or back.leg is None:
            return  # the manager has gone, or the client came through otherwise
        address = self._plan.trunk.format(number=back.number)
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
            if back.leg is not None:
                back.attempts -= 1  # marked, and not called yet
            self._put(back, now + AGAIN_S, now, "manager")

    # Clients -----------------------------------------------------------------------------

    def not_reached(self, event: switch.ClientNotReached, now: Seconds) -> None:
        """The client did not answer, or did not stay for the join."""
        back = self._of(event.call_id)
        if back is not None and back.call is not None:
            self._attempt_failed(back, event.disposition, event.cause, now)

    def _attempt_failed(
        self, back: Callback, disposition: Disposition, cause: str, now: Seconds
    ) -> None:
        rule = self._plan.callback_rules.get(back.opened.queue_id)
        self._dial_ended(back, disposition, cause, now)
        if rule is None or back.attempts >= rule.attempts:
            self._close(back, "not_reached", now)
        else:
            self._put(back, now + rule.pause_s, now, f"client {disposition.value}")

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
            self._forget(back, "talked", now)

    # The end -----------------------------------------------------------------------------

    def _put(self, back: Callback, at: Seconds, now: Seconds, reason: str) -> None:
        """Out of the line until ``at``."""
        back.not_before = at
        self._note(journal.CallbackPut(back.callback_id, self._to_utc(at), reason), now)
        self._end_attempt(back, reason, now)
        self._next_look(back, at, now)

    def _close(self, back: Callback, result: str, now: Seconds) -> None:
        self._forget(back, result, now)
        self._end_attempt(back, result, now)

    def _forget(self, back: Callback, result: str, now: Seconds) -> None:
        self._note(journal.CallbackClosed(back.callback_id, result), now)
        del self._open[back.callback_id], self._by_number[back.number]
        if back.timer is not None:
            back.timer.cancel()
            back.timer = None

    def _end_attempt(self, back: Callback, why: str, now: Seconds) -> None:
        """Nobody is rung or called any more for it; its call is over."""
        call, begun = back.call, back.begun
        if call is None:
            return
        if back.dialling is not None:
            self._send(switch.ForCaller(call.call_id, HangUpCaller(None)))
            self._dial_ended(back, Disposition.CANCELLED, why, now)
        wait_s = now - (call.waiting_since if call.waiting_since is not None else now)
        back.rests()
        self._calls.remove(call)
        self._tell(events.CallbackWithdrawn(call.call_id, why.replace(" ", "_")), now)
        if begun:
            self._note(
                journal.CallEnded(
                    call_id=call.call_id,
                    outcome=Outcome.FAILED,
                    short=False,
                    wait_s=wait_s,
                    talk_s=0.0,
                    cause=f"callback: {why}",
                    last_node=call.walk.current or "",
                ),
                now,
            )

    # After a restart ---------------------------------------------------------------------

    def restore(self, left: Iterable[journal.OpenCallback]) -> None:
        """What the engine before us left open; taken up when the switch was looked at."""
        self._unresolved.update((one.opened.callback_id, one) for one in left)

    def found(self, call_id: CallId, now: Seconds) -> LiveCall | None:
        """A client whom the engine before us called is there: the attempt goes on.  Gives the call
        that it goes on in; None where we don't know it."""
        left = self._unresolved.pop(id_of(call_id), None)
        if left is None:
            return None
        back = self._restored(left)
        back.attempts = max(left.attempts, 1)
        tree = self._tree(left.opened.queue_id)
        back.call = call = call_for(back, self._plan, tree, call_id, now)
        back.begun = True
        back.leg = back.dialling = self._elsewhere.new_leg()
        back.dialled_at = now
        self._open[back.callback_id] = self._by_number[back.number] = back
        self._calls.add(call)
        self._note_call(back, call, now, reconstructed=True)
        started = journal.OutsideLegStarted(call_id, back.dialling, back.number, back.number)
        self._note(started, now)
        return call

    def switch_up(self, now: Seconds) -> None:
        """The switch was looked at: who was not found is not there."""
        self._begun = True
        left, self._unresolved = self._unresolved, {}
        for one in left.values():
            if one.dialled_call:
                result = "talked" if one.talked else "unknown"
                self._note(journal.CallbackClosed(one.opened.callback_id, result), now)
            elif one.opened.number in self._by_number:
                self._note(journal.CallbackClosed(one.opened.callback_id, "withdrawn"), now)
            else:
                self._take_up(self._restored(one), now)

    def _restored(self, left: journal.OpenCallback) -> Callback:
        return Callback(
            left.opened,
            left.opened.since.timestamp(),
            opened_at=left.opened_at.timestamp(),
            attempts=left.attempts,
            not_before=left.next_at.timestamp() if left.next_at is not None else 0.0,
        )
