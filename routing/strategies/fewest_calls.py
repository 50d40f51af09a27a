"""Fewest calls first."""

from __future__ import annotations

from routing.strategy import AgentView, CallerView, Choice, FreeAgents, Strategy
from routing.values import Seconds


class FewestCalls(Strategy):
    """Who has had the fewest calls today."""

    name = "fewest-calls"
    text = "Who has had the fewest calls today."

    def key(self, agent: AgentView, place: int) -> tuple[float, ...]:
        """By calls today, then longest idle."""
        return (agent.calls, agent.last_ended_at, place)

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """The first in order."""
        agent = free.first()
        if agent is None:
            return Choice((), "nobody is free")
        return Choice((agent.agent_id,), f"fewest calls today: {agent.calls}")
