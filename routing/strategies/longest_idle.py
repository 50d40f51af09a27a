"""Longest idle first."""

from __future__ import annotations

from routing.strategy import AgentView, CallerView, Choice, FreeAgents, Strategy
from routing.values import Seconds


class LongestIdle(Strategy):
    """Who has been without a call for longest."""

    name = "longest-idle"
    text = "Who has been without a call for longest."

    def key(self, agent: AgentView, place: int) -> tuple[float, ...]:
        """By the end of the last talk."""
        return (agent.last_ended_at, place)

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """The first in order."""
        agent = free.first()
        if agent is None:
            return Choice((), "nobody is free")
        return Choice((agent.agent_id,), "longest idle, of those free")
