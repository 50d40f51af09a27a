"""Least talk time first."""

from __future__ import annotations

from routing.strategy import AgentView, CallerView, Choice, FreeAgents, Strategy
from routing.values import Seconds


class LeastTalkTime(Strategy):
    """Who has talked least today."""

    name = "least-talk-time"
    text = "Who has talked least today."

    def key(self, agent: AgentView, place: int) -> tuple[float, ...]:
        """By talk time today, then longest idle."""
        return (agent.talk_s, agent.last_ended_at, place)

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """The first in order."""
        agent = free.first()
        if agent is None:
            return Choice((), "nobody is free")
        return Choice((agent.agent_id,), f"least talk today: {agent.talk_s:.0f} s")
