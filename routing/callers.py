"""Callers: they come into a queue or to one agent, wait, need less as the wait goes on, leave."""

from __future__ import annotations

from collections.abc import Iterable

from routing import commands, events, facts
from routing.choosing import Choosing
from routing.floor import Floor
from routing.legs import JOIN_GRACE_S
from routing.memory import Dropped
from routing.offer import Call
from routing.plan import Queue
from routing.values import CallId, Disposition, QueueId, ReturnReason, Seconds
from routing.waiting import Waiting
from routing.waiting_line import OldPlaces

CLICK = "click"
"""In the place of the strategy of a call that the agent asked for."""
LEFT = "left"
"""Why the wait of who hung up is over."""


class Callers:
    """What callers do, and what their waits' deadlines bring."""

    def __init__(self, floor: Floor, waiting: Waiting, choosing: Choosing) -> None:
        self._floor = floor
        self._waiting = waiting
        self._choosing = choosing
        self._ringing = choosing.ringing
        self._arrivals = 0
        self._old_places = OldPlaces()

    def remember(self, waits: Iterable[Dropped]) -> None:
        """Waits of before our time, in order: who hung up in one keeps the place."""
        for wait in waits:
            members = self._floor.members.get(wait.queue_id)
            if members is None:
                continue
            within_s = members.queue.returning_s
            kept = self._old_places.take(wait.queue_id, wait.number, wait.began_at, within_s)
            if wait.reason == LEFT:
                since = min(wait.began_at, kept)
                self._old_places.keep(wait.queue_id, wait.number, since, wait.ended_at)

    def queued(self, event: events.CallerQueued) -> None:
        """A caller comes into a queue, or can't."""
        members = self._floor.members.get(event.queue_id)
        old = self._floor.calls.get(event.call_id)
        if old is not None and old.joined is None:
            self._floor.irregular("a caller queued who waits already")
            return
        if members is None or not members.queue.members:
            self._floor.command(commands.ReturnCaller(event.call_id, ReturnReason.UNAVAILABLE))
            return
        queue = members.queue
        if queue.max_length is not None and self._waiting.count(queue.queue_id) >= queue.max_length:
            self._floor.command(commands.ReturnCaller(event.call_id, ReturnReason.QUEUE_FULL))
            return
        if queue.leave_when_no_agents and not self._floor.somebody_on_duty(queue):
            self._floor.command(commands.ReturnCaller(event.call_id, ReturnReason.NO_AGENTS))
            return
        now = self._floor.now
        since = now if event.waiting_since is None else min(event.waiting_since, now)
        call = self._new_call(event.call_id, event.queue_id, event.number, since)
        call.leaves_if_nobody = queue.leave_when_no_agents
        call.manager = event.manager
        kept = self._old_places.take(event.queue_id, event.number, now, queue.returning_s)
        call.place_since = min(since, kept)
        if queue.max_wait_s is not None:
            call.max_wait = self._floor.timers.at(
                since + queue.max_wait_s, lambda now: self._waited_too_long(call)
            )
        self._waits(call, queue, event)

    def callback_queued(self, event: events.CallbackQueued) -> None:
        """A callback comes into the line, at the place that its caller left."""
        members = self._floor.members.get(event.queue_id)
        if event.call_id in self._floor.calls:
            self._floor.irregular("a callback queued that stands in line already")
            return
        if members is None:
            self._floor.command(commands.ReturnCaller(event.call_id, ReturnReason.UNAVAILABLE))
            return
        since = min(event.waiting_since, self._floor.now)
        call = self._new_call(event.call_id, event.queue_id, event.number, since)
        call.place_since = since
        call.join_within_s = event.join_within_s
        self._waits(call, members.queue, event)

    def callback_withdrawn(self, call_id: CallId, reason: str) -> None:
        """The callback leaves the line, or whoever picked up for it."""
        call = self._floor.calls.get(call_id)
        if call is not None and call.joined is None:
            self._gone(call, reason)

    def _waits(
        self, call: Call, queue: Queue, event: events.CallerQueued | events.CallbackQueued
    ) -> None:
        call.needs = event.needs
        call.priority = event.priority
        call.step_s = queue.priority_step_s
        ahead = self._waiting.come(call, queue.queue_id)
        if self._floor.tells:
            self._floor.tell(
                facts.WaitStarted(
                    call.call_id, queue.queue_id, ahead + 1, call.priority, call.waiting_since
                )
            )
        self.set_needs(call)
        self._waiting.stand(call)
        self._choosing.offer(call)

    def for_agent(self, event: events.CallerForAgent) -> None:
        """A caller is given to one agent, past the queues, or can't be."""
        old = self._floor.calls.get(event.call_id)
        if old is not None and old.joined is None:
            self._floor.irregular("a caller sent to an agent while waiting")
            return
        agent = self._floor.agents.get(event.agent_id)
        reason = None
        if agent is None or agent.removed or not agent.logged_in or not agent.reachable:
            reason = ReturnReason.UNAVAILABLE
        elif agent.calls_now >= agent.plan.calls_at_once:
            reason = ReturnReason.BUSY
        if reason is not None or agent is None:
            self._floor.command(
                commands.ReturnCaller(event.call_id, reason or ReturnReason.UNAVAILABLE)
            )
            return
        call = self._new_call(event.call_id, None, event.number, self._floor.now)
        call.direct_to = agent.agent_id
        call.join_within_s = event.join_within_s
        how = "extension" if event.join_within_s is None else CLICK
        offer = self._ringing.new_offer(call, direct=True, all_free=False)
        self._floor.tell(
            facts.OfferMade(
                offer.offer_id, call.call_id, None, how, (agent.agent_id,), (), "asked for"
            )
        )
        self._ringing.add_parts(offer, [agent], event.ring_time_s)

    def talk_found(self, event: events.TalkFound) -> None:
        """Somebody of us talks with a caller since before our time."""
        agent = self._floor.agents.get(event.agent_id)
        known = event.call_id in self._floor.calls or event.leg_id in self._floor.legs
        if agent is None or known:
            self._floor.irregular("a talk found that is known, or of an unknown agent")
            return
        call = self._new_call(event.call_id, event.queue_id, event.number, self._floor.now)
        self._ringing.take_over(call, agent, event)

    def left(self, call_id: CallId, reason: str) -> None:
        """The caller has hung up ("left"), or left the line by a key."""
        call = self._floor.calls.get(call_id)
        if call is None:
            return
        if call.joined is not None:
            del self._floor.calls[call_id]
            call.gone = True
            self._ringing.devices.caller_gone(call.joined)
            return  # the talk's end is the leg's
        self._gone(call, reason)
        if reason == LEFT and call.queue_id is not None:
            self._old_places.keep(call.queue_id, call.number, call.place_since, self._floor.now)

    def _gone(self, call: Call, reason: str) -> None:
        """The wait is over, and nobody is to be rung for it any more."""
        del self._floor.calls[call.call_id]
        call.gone = True
        self._waiting.leave(call, reason)
        if call.offer is not None:
            self._ringing.close_offer(call.offer, "caller_left", Disposition.CANCELLED)

    def _new_call(
        self, call_id: CallId, queue_id: QueueId | None, number: str, since: Seconds
    ) -> Call:
        before = self._floor.calls.get(call_id)
        if before is not None and before.joined is not None:
            self._ringing.devices.caller_gone(before.joined)
        self._arrivals += 1
        last = self._floor.last_talks.get(number) if number else None
        call = Call(call_id, queue_id, number, (), 0, since, self._arrivals, last)
        self._floor.calls[call_id] = call
        return call

    def set_needs(self, call: Call) -> None:
        """The needs that hold now; a strategy may lower them as the wait goes on."""
        assert call.queue_id is not None
        strategy = self._floor.members[call.queue_id].strategy
        needs, changes_at = strategy.needs(call, self._floor.now)
        self._waiting.change_needs(call, needs)
        if call.needs_change is not None:
            call.needs_change.cancel()
            call.needs_change = None
        if changes_at is not None:
            call.needs_change = self._floor.timers.at(
                self._choosing.later(changes_at), lambda now: self._needs_changed(call)
            )

    def _needs_changed(self, call: Call) -> None:
        call.needs_change = None
        self.set_needs(call)
        self._choosing.offer(call)

    def _waited_too_long(self, call: Call) -> None:
        call.max_wait = None
        if call.picked_up:
            # Somebody has just picked up: the caller is as good as served.
            call.max_wait = self._floor.timers.at(
                self._floor.now + JOIN_GRACE_S, lambda now: self._waited_too_long(call)
            )
            return
        self._ringing.send_back(call, ReturnReason.MAX_WAIT)
