"""How long the n-th caller of a queue will wait, from what the queue has lately done.

A queue's service rate can be seen only while somebody has to wait: with managers free it hands
over as fast as callers come.  So two things are counted over a sliding window: callers handed over
who had to wait, and the time, in seconds of agents on duty, in which somebody waited so.  Their
quotient is the rate of one agent; what matters besides (length of talks, wrap-up, agents who serve
other queues too) is in it.  The facts of the distribution are all that it needs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from routing import facts
from routing.plan import RoutingPlan
from routing.values import AgentId, AgentState, CallId, QueueId, Seconds

WINDOW_S = 1800.0
"""How far back the rate looks, seconds."""
BUCKET_S = 60.0
"""The window slides by this much, seconds."""
LEAST_SERVED = 3
"""Fewer hand-overs in the window say nothing about the next."""

_OFF_DUTY = (AgentState.OFFLINE, AgentState.PAUSED)
JOINED = "joined"


@dataclass(slots=True)
class _Bucket:
    number: int
    served: int = 0
    agent_s: Seconds = 0.0


@dataclass(slots=True)
class _Line:
    """One queue.  ``waiting``: callers, True for those whom somebody is rung for.  ``pressing``:
    those who had to wait, and since when; who is rung for at once never has to."""

    on_duty: int = 0
    counted_to: Seconds = 0.0
    waiting: set[CallId] = field(default_factory=set)
    pressing: dict[CallId, Seconds] = field(default_factory=dict)
    buckets: deque[_Bucket] = field(default_factory=deque)

    def count_to(self, now: Seconds) -> None:
        """Add the time since the last look; what is older than the window is dropped."""
        begin, self.counted_to = max(self.counted_to, now - WINDOW_S), max(self.counted_to, now)
        oldest = int((self.counted_to - WINDOW_S) // BUCKET_S)
        while self.buckets and self.buckets[0].number <= oldest:
            self.buckets.popleft()
        if not self.pressing or not self.on_duty:
            return
        while begin < self.counted_to:
            bucket = self._bucket(begin)
            end = min(self.counted_to, (bucket.number + 1) * BUCKET_S)
            bucket.agent_s += (end - begin) * self.on_duty
            begin = end

    def served(self) -> None:
        """One caller who had to wait was handed over."""
        self._bucket(self.counted_to).served += 1

    def _bucket(self, at: Seconds) -> _Bucket:
        number = int(at // BUCKET_S)
        if not self.buckets or self.buckets[-1].number < number:
            self.buckets.append(_Bucket(number))
        return self.buckets[-1]

    def agent_rate(self) -> float | None:
        """Hand-overs of one agent in a second; None when too little is known."""
        served = sum(one.served for one in self.buckets)
        agent_s = sum(one.agent_s for one in self.buckets)
        if served < LEAST_SERVED or agent_s <= 0:
            return None
        # One more than was seen: of few hand-overs the plain quotient's inverse, the wait, would be
        # too long on the average (for a Poisson count N of mean m, E[1/(N+1)] is nearly 1/m).
        return (served + 1) / agent_s


class ServiceRates:
    """The queues of one plan, told by ``observe``.  Never raises, whatever the order of facts; a
    time that goes back is taken as the latest before it."""

    def __init__(self, plan: RoutingPlan) -> None:
        self._plan = plan
        self._lines: dict[QueueId, _Line] = {one: _Line() for one in plan.queues}
        self._queue_of: dict[CallId, QueueId] = {}
        self._on_duty: set[AgentId] = set()
        self._queues_of: dict[AgentId, list[QueueId]] = _queues_of(plan)

    def recall(self, told: Iterable[tuple[Seconds, facts.Fact]]) -> None:
        """What happened before our time, in order."""
        for at, fact in told:
            self.observe(fact, at)

    def replace_plan(self, plan: RoutingPlan, now: Seconds) -> None:
        """Another plan is in force: rates stay, who is on duty where is counted anew."""
        self._plan = plan
        self._queues_of = _queues_of(plan)
        self._lines = {one: self._lines.get(one) or _Line() for one in plan.queues}
        for queue_id, line in self._lines.items():
            line.count_to(now)
            members = plan.queues[queue_id].members
            line.on_duty = sum(one in self._on_duty for one in members)

    def expected_wait_s(self, queue_id: QueueId, place: int, now: Seconds) -> Seconds | None:
        """How long the caller at this place (1 is next) will wait from now on, seconds; None when
        nothing can be said: nobody on duty, or too few hand-overs of late."""
        line = self._lines.get(queue_id)
        if line is None:
            return None
        line.count_to(now)
        rate = line.agent_rate()
        if rate is None or not line.on_duty:
            return None
        return max(place, 1) / (rate * line.on_duty)

    def observe(self, fact: facts.Fact, now: Seconds) -> None:
        """Something happened."""
        match fact:
            case facts.WaitStarted(call_id, queue_id):
                if line := self._line(queue_id, now):
                    self._queue_of[call_id] = queue_id
                    line.waiting.add(call_id)
                    line.pressing[call_id] = line.counted_to
            case facts.OfferMade(_, call_id):
                line = self._line(self._queue_of.get(call_id), now)
                if line and line.pressing.get(call_id) == line.counted_to:
                    del line.pressing[call_id]  # rung for at once
            case facts.OfferEnded(_, call_id, result):
                line = self._line(self._queue_of.get(call_id), now)
                if line and result != JOINED and call_id in line.waiting:
                    line.pressing.setdefault(call_id, line.counted_to)
            case facts.WaitEnded(call_id, queue_id, _, reason):
                self._queue_of.pop(call_id, None)
                if line := self._line(queue_id, now):
                    line.waiting.discard(call_id)
                    had_to_wait = line.pressing.pop(call_id, None) is not None
                    if had_to_wait and reason == JOINED:
                        line.served()
            case facts.AgentChanged(agent_id, _, new):
                self._duty(agent_id, new not in _OFF_DUTY, now)
            case _:
                pass

    def _line(self, queue_id: QueueId | None, now: Seconds) -> _Line | None:
        line = self._lines.get(queue_id) if queue_id is not None else None
        if line is not None:
            line.count_to(now)
        return line

    def _duty(self, agent_id: AgentId, on_duty: bool, now: Seconds) -> None:
        if on_duty is (agent_id in self._on_duty):
            return
        if on_duty:
            self._on_duty.add(agent_id)
        else:
            self._on_duty.discard(agent_id)
        for queue_id in self._queues_of.get(agent_id, ()):
            if line := self._line(queue_id, now):
                line.on_duty += 1 if on_duty else -1


def _queues_of(plan: RoutingPlan) -> dict[AgentId, list[QueueId]]:
    found: dict[AgentId, list[QueueId]] = {}
    for queue_id, queue in plan.queues.items():
        for agent_id in queue.members:
            found.setdefault(agent_id, []).append(queue_id)
    return found
