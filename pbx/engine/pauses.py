"""Managers' pauses: who asked for one and why, on record at once, and kept over restarts.

House rules: the dispatcher alone pauses anybody; here it is told what a person wants, and the log
is told who wanted it.  Whoever else paused somebody (the dispatcher, after offers without an
answer) is found by the changes of state, so that every pause of the dispatcher's is one of the
log's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from pbx.journal import port as journal
from routing import events, facts
from routing.agents import WorkingAgent
from routing.dispatcher import Dispatcher
from routing.values import AgentId, Seconds

ENGINE = ""
"""``by`` of what nobody asked for."""
PLAN = "plan"
"""``by`` of the end of a pause whose manager is not in the plan any more."""


class Pauses:
    """``tell``: the core's way to the dispatcher."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        open_pauses: Iterable[journal.OpenPause],
        *,
        note: Callable[[journal.Entry, Seconds], None],
        tell: Callable[[events.Event, Seconds], None],
        id_prefix: str,
    ) -> None:
        self._dispatcher = dispatcher
        self._note = note
        self._tell = tell
        self._id_prefix = id_prefix
        self._made = 0
        self._before = list(open_pauses)
        self._open: dict[AgentId, str] = {}

    def restore(self, now: Seconds) -> None:
        """Those of before the start hold on, from before anybody is logged in."""
        for pause in self._before:
            self._ends(pause.agent_id, ENGINE, now)
            self._open[pause.agent_id] = pause.pause_id
            if pause.agent_id in self._dispatcher.agents:
                self._tell(events.AgentPaused(pause.agent_id, pause.reason), now)
            else:
                self._ends(pause.agent_id, PLAN, now)
        self._before.clear()

    def pause(self, agent_id: AgentId, reason: str, by: str, now: Seconds) -> bool:
        """The manager is to get no calls; of one who is paused already the reason changes.  False
        for a manager who is not in the plan."""
        agent = self._agent(agent_id)
        if agent is None:
            return False
        if agent.pause_reason != reason or agent_id not in self._open:
            self._ends(agent_id, by, now)
            self._begins(agent_id, reason, by, now)
            self._tell(events.AgentPaused(agent_id, reason), now)
        return True

    def unpause(self, agent_id: AgentId, by: str, now: Seconds) -> bool:
        """The manager takes calls again; a wrap-up ends early.  False as above."""
        agent = self._agent(agent_id)
        if agent is None:
            return False
        if agent.pause_reason is not None or agent.wrap_up is not None:
            self._ends(agent_id, by, now)
            self._tell(events.AgentResumed(agent_id), now)
        return True

    def observe(self, fact: facts.Fact, now: Seconds) -> None:
        """Find what was done without us."""
        if not isinstance(fact, facts.AgentChanged):
            return
        agent = self._agent(fact.agent_id)
        if agent is None:
            return
        if agent.pause_reason is None:
            self._ends(agent.agent_id, ENGINE, now)
        elif agent.agent_id not in self._open:
            self._begins(agent.agent_id, agent.pause_reason, ENGINE, now)

    def plan_replaced(self, agents: Collection[AgentId], now: Seconds) -> None:
        """Who is not in the plan any more is not paused any more."""
        for agent_id in [one for one in self._open if one not in agents]:
            self._ends(agent_id, PLAN, now)

    def _agent(self, agent_id: AgentId) -> WorkingAgent | None:
        agent = self._dispatcher.agents.get(agent_id)
        return None if agent is None or agent.removed else agent

    def _begins(self, agent_id: AgentId, reason: str, by: str, now: Seconds) -> None:
        self._made += 1
        pause_id = self._open[agent_id] = f"pause-{self._id_prefix}{self._made}"
        self._note(journal.PauseStarted(pause_id, agent_id, reason, by), now)

    def _ends(self, agent_id: AgentId, by: str, now: Seconds) -> None:
        pause_id = self._open.pop(agent_id, None)
        if pause_id is not None:
            self._note(journal.PauseEnded(pause_id, agent_id, by), now)
