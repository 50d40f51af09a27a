"""Who waits where: the calls of each queue, the order of service, and who waits for whom.

House rules: nothing is decided here.  A call is *in the queue* until its wait is over, and *in
line* while it wants (more) agents: one that rings a single agent is in the queue only.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from routing import facts
from routing.floor import Floor
from routing.offer import Call
from routing.plan import Queue
from routing.values import AgentId, CallId, QueueId, Seconds
from routing.waiting_line import Needs, Turn, WaitingLine, among_queues


class Waiting:
    """The callers of all queues."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._lines: dict[QueueId, WaitingLine] = {}
        self._calls: dict[QueueId, dict[CallId, Call]] = {}
        self._order: dict[QueueId, list[Turn]] = {}
        self._callbacks: dict[QueueId, int] = {}
        self._head_starts: dict[QueueId, Seconds] = {}
        self._waiting_for: dict[AgentId, dict[CallId, Call]] = {}
        self._in_line = 0

    @property
    def nobody_asks(self) -> bool:
        """No call wants (more) agents."""
        return not self._in_line and not self._waiting_for

    def count(self, queue_id: QueueId) -> int:
        """Callers waiting in a queue, those being offered included, callbacks not."""
        return len(self._calls.get(queue_id, ())) - self._callbacks.get(queue_id, 0)

    def oldest_wait_s(self, queue_id: QueueId, now: Seconds) -> Seconds:
        """The longest wait of those waiting now, seconds; 0 when nobody waits."""
        line = self._calls.get(queue_id, {}).values()
        return max((now - call.waiting_since for call in line if not call.calls_back), default=0.0)

    def position(self, call: Call) -> int | None:
        """The place in the line, 1 is next; None for who is in none.  O(log n)."""
        if call.queue_id is None or call.call_id not in self._calls.get(call.queue_id, ()):
            return None
        return bisect_left(self._order[call.queue_id], call.turn) + 1

    def in_queue(self, queue_id: QueueId) -> list[Call]:
        """The calls of a queue, in order of their arrival in it."""
        return list(self._calls[queue_id].values())

    def in_order(self, queue_ids: Iterable[QueueId]) -> list[Call]:
        """The calls of these queues, in order of service."""
        calls = [call for one in queue_ids for call in self._calls[one].values()]
        return sorted(calls, key=self._turn_among_queues)

    def queues(self) -> list[QueueId]:
        """Queues that calls can wait in."""
        return list(self._calls)

    def open_queue(self, queue: Queue) -> None:
        """Calls may wait in this queue; those who do stay."""
        queue_id = queue.queue_id
        self._head_starts[queue_id] = queue.weight * queue.priority_step_s
        self._lines.setdefault(queue_id, WaitingLine())
        self._calls.setdefault(queue_id, {})
        self._order.setdefault(queue_id, [])

    def close_queue(self, queue_id: QueueId) -> None:
        """The queue is no more; nobody is left in it."""
        del self._calls[queue_id], self._lines[queue_id], self._order[queue_id]
        self._callbacks.pop(queue_id, None)
        del self._head_starts[queue_id]

    def come(self, call: Call, queue_id: QueueId) -> int:
        """The wait begins; returns how many are served before."""
        call.wait_begins()
        self._calls[queue_id][call.call_id] = call
        self._callbacks[queue_id] = self._callbacks.get(queue_id, 0) + call.calls_back
        order = self._order[queue_id]
        ahead = bisect_left(order, call.turn)
        order.insert(ahead, call.turn)
        return ahead

    def stand(self, call: Call) -> None:
        """Into the line of those who want (more) agents."""
        if not call.in_line and call.queue_id is not None:
            call.in_line = True
            self._in_line += 1
            self._lines[call.queue_id].add(call.needs_now, call.turn)

    def step_out(self, call: Call) -> None:
        """Out of that line: enough agents are rung."""
        if call.in_line and call.queue_id is not None:
            call.in_line = False
            self._in_line -= 1
            self._lines[call.queue_id].remove(call.needs_now, call.turn)

    def change_needs(self, call: Call, needs: Needs) -> None:
        """The needs that hold now have become these."""
        if needs != call.needs_now and call.in_line and call.queue_id is not None:
            self._lines[call.queue_id].remove(call.needs_now, call.turn)
            self._lines[call.queue_id].add(needs, call.turn)
        call.needs_now = needs

    def leave(self, call: Call, reason: str) -> None:
        """The wait is over, whatever comes."""
        self.step_out(call)
        for timer in (call.max_wait, call.ask_again, call.needs_change):
            if timer is not None:
                timer.cancel()
        self.wait_for_nobody(call)
        queue_id = call.queue_id
        if queue_id is not None and self._calls[queue_id].pop(call.call_id, None) is not None:
            self._callbacks[queue_id] -= call.calls_back
            order = self._order[queue_id]
            del order[bisect_left(order, call.turn)]
            if self._floor.tells:
                waited_s = self._floor.now - call.waiting_since
                self._floor.tell(facts.WaitEnded(call.call_id, queue_id, waited_s, reason))

    def wait_for(self, call: Call, agent_id: AgentId) -> None:
        """Ask about this call, whatever its turn, when that agent becomes free."""
        call.waits_for = agent_id
        self._waiting_for.setdefault(agent_id, {})[call.call_id] = call

    def wait_for_nobody(self, call: Call) -> None:
        """No agent's becoming free matters to this call any more."""
        if call.waits_for is not None:
            waiting = self._waiting_for[call.waits_for]
            del waiting[call.call_id]
            if not waiting:
                del self._waiting_for[call.waits_for]
            call.waits_for = None

    def turns_for(
        self, agent_id: AgentId, queues: Sequence[QueueId], skills: Mapping[str, int], look: int
    ) -> list[Turn]:
        """The first ``look`` calls of each line that an agent could take, and those who wait for
        them, in order of service."""
        turns = [
            among_queues(turn, self._head_starts[queue_id])
            for queue_id in queues
            for line in self._lines[queue_id].for_agent(skills)
            for turn in line[:look]
        ]
        waiting_for = self._waiting_for.get(agent_id, {}).values()
        turns.extend(map(self._turn_among_queues, waiting_for))
        turns.sort()
        return turns

    def _turn_among_queues(self, call: Call) -> Turn:
        head_start_s = self._head_starts[call.queue_id] if call.queue_id is not None else 0.0
        return among_queues(call.turn, head_start_s)
