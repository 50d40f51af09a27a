"""By chance, all alike."""

from __future__ import annotations

from routing.strategy import CallerView, Choice, FreeAgents, Strategy
from routing.values import Seconds


class RandomChoice(Strategy):
    """By chance, all alike."""

    name = "random"
    text = "By chance, all alike."

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """Any of those free."""
        agent = free.any_of(self.setup.rng)
        if agent is None:
            return Choice((), "nobody is free")
        return Choice((agent.agent_id,), "by chance")
