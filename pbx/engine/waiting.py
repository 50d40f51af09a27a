"""What callers hear while they wait in a line, and whether it came true.

Pure like core.py, which owns this: timers are asked for by ``next_at``, a caller's own schedule is
in announcements.py.
"""

from __future__ import annotations

from collections.abc import Callable

from pbx.engine.announcements import Announcer, Said
from pbx.engine.call import LiveCall, Waiting
from pbx.journal import port as journal
from pbx.switch import port as switch
from routing.dispatcher import Dispatcher
from routing.estimate import ServiceRates
from routing.timers import Timers
from routing.values import Seconds


class WaitingRoom:
    """All callers who wait in a line and are to be told something."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        rates: ServiceRates,
        *,
        send: Callable[[switch.SwitchCommand], None],
        note: Callable[[journal.Entry, Seconds], None],
    ) -> None:
        self._dispatcher = dispatcher
        self._rates = rates
        self._send = send
        self._note = note
        self._timers = Timers()

    @property
    def next_at(self) -> Seconds | None:
        """When ``woke`` is wanted."""
        return self._timers.next_at

    def woke(self, now: Seconds) -> None:
        """Say all that is due."""
        while timer := self._timers.pop_due(now):
            timer.action(now)

    def enter(self, call: LiveCall, now: Seconds) -> None:
        """The caller began to wait in ``call.queue_id``."""
        sounds = call.plan.queue_sounds.get(call.queue_id) if call.queue_id else None
        if sounds is not None and sounds.announcements is not None:
            call.waiting = Waiting(Announcer(sounds.announcements, now, call.call_id))
            self._plan_next(call, call.waiting)

    def heard(self, call: LiveCall, now: Seconds) -> None:
        """What was said last is over."""
        if call.waiting is not None:
            call.waiting.announcer.over(now)
            self._plan_next(call, call.waiting)

    def served(self, call: LiveCall, now: Seconds) -> None:
        """The wait ended as hoped: tell how good the estimate was."""
        if call.waiting is not None and call.waiting.promised and call.queue_id:
            at, wait_s = call.waiting.promised
            proved = journal.EstimateProved(call.call_id, call.queue_id, wait_s, now - at)
            self._note(proved, now)

    def _plan_next(self, call: LiveCall, waiting: Waiting) -> None:
        if waiting.timer is not None:
            waiting.timer.cancel()
        at = waiting.announcer.next_at
        waiting.timer = None
        if at is not None:
            waiting.timer = self._timers.at(at, lambda now: self._say(call, waiting, now))

    def _say(self, call: LiveCall, waiting: Waiting, now: Seconds) -> None:
        assert call.queue_id is not None, "waits in no queue"
        position = self._dispatcher.position(call.call_id)
        estimate_s = None
        if position is not None:
            estimate_s = self._rates.expected_wait_s(call.queue_id, position, now)
        said = waiting.announcer.say(now, position, estimate_s)
        if said.prompts:
            self._send(switch.Announce(call.call_id, said.prompts, call.walk.language))
            self._keep(call, waiting, said, now)
        self._plan_next(call, waiting)

    def _keep(self, call: LiveCall, waiting: Waiting, said: Said, now: Seconds) -> None:
        if said.estimate_s is not None and waiting.promised is None:
            waiting.promised = (now, said.estimate_s)
        names = ", ".join(prompt.name for prompt in said.prompts)
        step = journal.MenuStep(call.call_id, call.walk.current or "", "announcement", None, names)
        self._note(step, now)
