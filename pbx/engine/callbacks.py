"""Clients who are called back by the engine, each at the place that they left in the line.

Pure like core.py, which owns this.  Here is who is to be called and when; callback_attempts.py does
it.  House rules: a number has one open callback at most; an attempt of which the log knows no end
is never made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from ivr import events as ivr_events
from ivr import phrases
from ivr.commands import PlayPrompts
from ivr.schedule import ScheduleState
from pbx.engine.call import LiveCall, LiveCalls, Place
from pbx.engine.callback import Callback, id_of
from pbx.engine.callback_attempts import LOOK_AGAIN_S, Attempts
from pbx.engine.elsewhere import Elsewhere
from pbx.journal import port as journal
from pbx.numbers import may_call, normalise, premium, spoken
from pbx.plan.model import CallbackRule, Plan
from pbx.switch import port as switch
from routing import events
from routing.dispatcher import Dispatcher
from routing.timers import Timers
from routing.values import AgentId, CallId, QueueId, Seconds, SkillNeed

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
        left: Callable[[LiveCall, Seconds], None],
        to_utc: Callable[[Seconds], datetime],
        id_prefix: str,
    ) -> None:
        self.plan = plan
        self._calls = calls
        self._elsewhere = elsewhere
        self._note = note
        self._to_utc = to_utc
        self._id_prefix = id_prefix
        self._timers = Timers()
        self._made = 0
        self._open: dict[str, Callback] = {}
        self._by_number: dict[str, Callback] = {}
        self._unresolved: dict[str, journal.OpenCallback] = {}
        self._held: set[str] = set()
        self._begun = False
        self.attempts = Attempts(
            self._timers,
            calls,
            elsewhere,
            dispatcher,
            send=send,
            note=note,
            tell=tell,
            left=left,
            to_utc=to_utc,
            id_prefix=id_prefix,
        )

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
        if queue_id in self.plan.callback_rules:
            fit = fit and self._may_call(number.e164)
        if not fit:
            return ivr_events.NumberChecked("", "")
        told = spoken(number.e164, region)
        return ivr_events.NumberChecked(number.e164, told, number.e164 in self._by_number)

    def _may_call(self, number: str) -> bool:
        plan = self.plan
        return bool(plan.trunk) and may_call(number, plan.allowed_prefixes) and not premium(number)

    # What comes in -----------------------------------------------------------------------

    @property
    def timers(self) -> Timers:
        """Of all attempts."""
        return self._timers

    @property
    def next_at(self) -> Seconds | None:
        """When ``woke`` is wanted."""
        return self._timers.next_at

    def woke(self, now: Seconds) -> None:
        """Do all that is due."""
        while timer := self._timers.pop_due(now):
            timer.action(now)

    def asked(self, call: LiveCall, queue_id: QueueId | None, number: str, now: Seconds) -> None:
        """The caller wants to be called back at ``number``."""
        self._note(journal.CallbackAsked(call.call_id, number, queue_id), now)
        if queue_id is not None:
            self._opens(call, queue_id, number, now, missed=False)

    def missed(self, call: LiveCall, now: Seconds) -> None:
        """The caller hung up without a talk."""
        if call.place is None or not call.caller_e164:
            return
        rule = self.plan.callback_rules.get(call.place.queue_id)
        if rule is not None and rule.missed:
            self._opens(call, call.place.queue_id, call.caller_e164, now, missed=True)

    def _opens(
        self, call: LiveCall, queue_id: QueueId, number: str, now: Seconds, *, missed: bool
    ) -> None:
        if queue_id not in self.plan.callback_rules or not self._may_call(number):
            return
        if number in self._by_number or len(self._open) >= MAX_OPEN:
            return
        place = call.place
        if place is None or place.queue_id != queue_id:
            priority = call.number.priority + self.plan.vip.priority_of(number)
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
        self._take_up(Callback(opened, self, since, opened_at=now, not_before=now), now)

    def _take_up(self, back: Callback, now: Seconds) -> None:
        self._open[back.callback_id] = self._by_number[back.number] = back
        self._next_look(back, now, now)

    def being_called(self, number: str) -> bool:
        """A manager waits for this client, or they are being called."""
        back = self._by_number.get(number)
        return back is not None and back.leg is not None

    def caller_came(self, number: str, now: Seconds) -> None:
        """The client is on the line: they keep the place, and nobody is rung for it meanwhile."""
        back = self._by_number.get(number)
        if back is not None and back.leg is None and back.call is not None:
            self.put(back, now, now, "on_the_line")

    def hold(self, number: str, now: Seconds) -> None:
        """A manager is calling this client: as if they were on the line."""
        self._held.add(number)
        self.caller_came(number, now)

    def release(self, number: str, now: Seconds) -> None:
        """They are not any more."""
        self._held.discard(number)
        self.caller_went(number, now)

    def caller_went(self, number: str, now: Seconds) -> None:
        """They are not any more."""
        back = self._by_number.get(number)
        if back is not None and back.call is None:
            self._next_look(back, now, now)

    def talked(self, number: str, now: Seconds) -> None:
        """The client talks with somebody of us, by a call of theirs or a manager's own."""
        if (back := self._by_number.get(number)) is not None:
            self.close(back, "got_through", now)

    def settled(self, results: Mapping[str, str], now: Seconds) -> None:
        """The log knows why nobody needs to call: callback to result."""
        for callback_id, result in results.items():
            if (back := self._open.get(callback_id)) is not None:
                self.close(back, result, now)

    # The line ----------------------------------------------------------------------------

    def _next_look(self, back: Callback, at: Seconds, now: Seconds) -> None:
        if back.timer is not None:
            back.timer.cancel()
        back.timer = self._timers.at(max(at, now), lambda now: self._look(back, now))

    def _look(self, back: Callback, now: Seconds) -> None:
        """Is it time to stand in line, still right to, or over?"""
        back.timer = None
        rule = self.rule(back)
        if back.leg is not None:
            return  # somebody holds the line for the client: what follows ends by itself
        if rule is None:
            self.close(back, "withdrawn", now)
        elif now >= back.opened_at + rule.expires_s:
            self.close(back, "expired", now)
        elif not self._may_call(back.number):
            self.close(back, "not_allowed", now)
        elif not self.is_time(back, now):
            if back.call is not None:
                self.put(back, now + LOOK_AGAIN_S, now, "hours")
            else:
                self._next_look(back, now + LOOK_AGAIN_S, now)
        else:
            if back.call is None and now >= back.not_before and self._free_to_begin(back):
                self.attempts.stand(back, rule, now)
            waits = back.not_before if now < back.not_before else now + LOOK_AGAIN_S
            if back.timer is None and self._open.get(back.callback_id) is back:
                self._next_look(back, waits, now)

    def rule(self, back: Callback) -> CallbackRule | None:
        """How it is called; None for not at all any more."""
        return self.plan.callback_rules.get(back.opened.queue_id)

    def asks(self, back: Callback, call_id: CallId, join_within_s: Seconds) -> events.Event:
        """A place in the line, where the client left it."""
        opened = back.opened
        return events.CallbackQueued(
            call_id,
            opened.queue_id,
            opened.number,
            tuple(SkillNeed(skill, level) for skill, level in opened.needs),
            opened.priority,
            waiting_since=back.since,
            join_within_s=join_within_s,
        )

    def says(self, back: Callback, agent_id: AgentId) -> PlayPrompts:
        """What it is, and the number."""
        plan = self.plan
        said = (phrases.CALLBACK_GREETING, *phrases.digits(spoken(back.number, plan.region)))
        return PlayPrompts(said, plan.agent_languages.get(agent_id, plan.languages[0]))

    def mark(self, back: Callback, call_id: CallId, now: Seconds) -> None:
        """In the log, before it is done."""
        self._note(journal.CallbackDialled(back.callback_id, call_id, back.attempts), now)

    def is_time(self, back: Callback, now: Seconds) -> bool:
        """May the client be called now: by the queue's hours, and by the limits of all calls?"""
        at = self._to_utc(now)
        rule = self.rule(back)
        if rule is None:
            return False
        if rule.hours is not None and rule.hours.state(at) is not ScheduleState.OPEN:
            return False
        return self._elsewhere.limits.why_not(self.plan, back.number, None, now, at) is None

    def _free_to_begin(self, back: Callback) -> bool:
        elsewhere = back.number in self._calls.clients or back.number in self._held
        return self._begun and not elsewhere

    # The end -----------------------------------------------------------------------------

    def put(self, back: Callback, at: Seconds, now: Seconds, reason: str) -> None:
        """What is under way ends; the next begins at ``at`` or later."""
        back.not_before = at
        self._note(journal.CallbackPut(back.callback_id, self._to_utc(at), reason), now)
        self.attempts.end(back, reason, now)
        self._next_look(back, at, now)

    def close(self, back: Callback, result: str, now: Seconds) -> None:
        """Nobody is to be called any more."""
        self.forget(back, result, now)
        self.attempts.end(back, result, now)

    def forget(self, back: Callback, result: str, now: Seconds) -> None:
        """The same, and what is under way goes on without us."""
        self._note(journal.CallbackClosed(back.callback_id, result), now)
        del self._open[back.callback_id], self._by_number[back.number]
        if back.timer is not None:
            back.timer.cancel()
            back.timer = None

    # After a restart ---------------------------------------------------------------------

    def restore(self, left: Iterable[journal.OpenCallback]) -> None:
        """What the engine before us left open; taken up when the switch was looked at."""
        self._unresolved.update((one.opened.callback_id, one) for one in left)

    def found(self, call_id: CallId, now: Seconds) -> None:
        """A client whom the engine before us called is there: the attempt goes on."""
        left = self._unresolved.pop(id_of(call_id), None)
        if left is None:
            return
        back = self._restored(left)
        back.attempts = max(left.attempts, 1)
        self._open[back.callback_id] = self._by_number[back.number] = back
        self.attempts.goes_on(back, call_id, now)

    def switch_up(self, now: Seconds) -> None:
        """The switch was looked at: who was not found is not there."""
        self._begun = True
        left, self._unresolved = self._unresolved, {}
        for one in left.values():
            if one.dialled_call:
                result = "talked" if one.talked else "unknown"
                self._note(journal.CallbackClosed(one.opened.callback_id, result), now)
            elif one.settled:
                self._note(journal.CallbackClosed(one.opened.callback_id, one.settled), now)
            elif one.opened.number in self._by_number:
                self._note(journal.CallbackClosed(one.opened.callback_id, "withdrawn"), now)
            else:
                self._take_up(self._restored(one), now)

    def _restored(self, left: journal.OpenCallback) -> Callback:
        return Callback(
            left.opened,
            self,
            left.opened.since.timestamp(),
            opened_at=left.opened_at.timestamp(),
            attempts=left.attempts,
            not_before=left.next_at.timestamp() if left.next_at is not None else 0.0,
        )
