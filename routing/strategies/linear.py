"""The first of the list who is free."""

from __future__ import annotations

from routing.strategy import AgentView, CallerView, Choice, FreeAgents, Strategy
from routing.values import Seconds


class Linear(Strategy):
    """Always from the top of the list."""

    name = "linear"
    text = "Always from the top of the list."

    def key(self, agent: AgentView, place: int) -> tuple[float, ...]:
        """The order of the plan."""
        return (place,)

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """The first in order."""
        agent = free.first()
        if agent is None:
            return Choice((), "nobody is free")
        return Choice((agent.agent_id,), "first of the list who is free")
