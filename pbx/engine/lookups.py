"""Callers who have just come and of whom a CRM is asked: their walk begins with its answer.

Pure like core.py, which owns this: time comes in, ``next_at`` says when ``woke`` is wanted.  A call
waits ``limit_s`` at most, whatever becomes of the question.  An answer that comes later, or twice,
or of a caller who has gone, changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pbx.engine.call import LiveCall
from pbx.journal import port as journal
from pbx.lookup.port import Failed, Known, Lookup, Request, Result, Said
from pbx.numbers import clean_name
from pbx.plan.faults import quoted
from pbx.plan.model import Plan
from routing.timers import Timer, Timers
from routing.values import AgentId, CallId, Seconds


class Lookups:
    """One deadline for each call of which the CRM has not answered.

    ``go_on`` begins a caller's walk.  ``lookup`` None: nobody is asked.
    """

    def __init__(
        self,
        lookup: Lookup | None,
        *,
        note: Callable[[journal.Entry, Seconds], None],
        go_on: Callable[[LiveCall, Seconds], None],
    ) -> None:
        self._lookup = lookup
        self._note = note
        self._go_on = go_on
        self._timers = Timers()
        self._asked: dict[CallId, tuple[LiveCall, Seconds, Timer]] = {}

    def __len__(self) -> int:
        return len(self._asked)

    @property
    def next_at(self) -> Seconds | None:
        """When ``woke`` is wanted."""
        return self._timers.next_at

    def woke(self, now: Seconds) -> None:
        """Wait no longer for what has not come."""
        while timer := self._timers.pop_due(now):
            timer.action(now)

    def begin(self, call: LiveCall, now: Seconds) -> bool:
        """Ask who the caller is; False: nobody is asked, the walk may begin."""
        lookup = self._lookup
        if lookup is None or not call.caller_e164:
            return False  # a withheld number is nobody's
        number = call.number
        request = Request(
            call.call_id,
            number.did,
            call.caller_e164,
            call.caller_name,
            number.source,
            number.language,
        )
        if why_not := lookup.ask(request):
            self._keep(call, Failed(Result.NOT_ASKED, why_not), 0.0, now)
            return False
        late = Failed(Result.LATE, f"no answer within {lookup.limit_s * 1000:.0f} ms")
        timer = self._timers.at(now + lookup.limit_s, lambda at: self.said(call.call_id, late, at))
        self._asked[call.call_id] = (call, now, timer)
        return True

    def said(self, call_id: CallId, said: Said, now: Seconds) -> None:
        """The CRM has answered, or will not."""
        if (asked := self._asked.pop(call_id, None)) is None:
            return
        call, since, timer = asked
        timer.cancel()
        self._keep(call, said, now - since, now)
        self._go_on(call, now)

    def gone(self, call_id: CallId) -> None:
        """The caller has hung up: the answer concerns nobody any more."""
        if asked := self._asked.pop(call_id, None):
            asked[2].cancel()

    def _keep(self, call: LiveCall, said: Said, took_s: Seconds, now: Seconds) -> None:
        if isinstance(said, Failed):
            result, detail = said.result, said.why
        else:
            result, detail = Result.ANSWERED, "; ".join(_applied(call, said)) or "nothing known"
        self._note(
            journal.LookedUp(
                call_id=call.call_id,
                result=result.value,
                took_s=took_s,
                detail=detail,
                name=call.caller_name,
                language=call.walk.language,
            ),
            now,
        )


def _applied(call: LiveCall, known: Known) -> Iterator[str]:
    """Make it the call's; gives what holds from now on, in words, and what does not."""
    plan, ignored = call.plan, list(known.ignored)
    if named := clean_name(known.manager):
        call.manager = _manager(plan, named)
        if call.manager is not None:
            yield f"manager {call.manager}"
        else:
            ignored.append(f"the plan has no manager {quoted(named)}")
    if known.vip:
        call.vip = True
        yield "VIP"
    if name := clean_name(known.name):
        call.caller_name = name
        yield f"name {quoted(name)}"
    if wanted := clean_name(known.language):
        language = _language(plan, wanted)
        if language and call.walk.speak(language):
            yield f"language {language}"
        else:
            ignored.append(f"the plan does not speak {quoted(wanted)}")
    if ignored:
        yield f"ignored: {', '.join(ignored)}"


def _manager(plan: Plan, text: str) -> AgentId | None:
    agent_id = AgentId(text)
    return agent_id if agent_id in plan.routing.agents else plan.extensions.get(text)


def _language(plan: Plan, text: str) -> str:
    """``en`` for en, EN and en-GB, where the plan speaks it; "" where it doesn't."""
    by_name = {one.lower(): one for one in plan.languages}
    wanted = text.lower()
    return by_name.get(wanted) or by_name.get(wanted.replace("_", "-").partition("-")[0], "")
