"""Shares of the calls by percentage."""

from __future__ import annotations

from routing.strategy import CallerView, Choice, FreeAgents, Strategy
from routing.values import Seconds


class Weighted(Strategy):
    """By chance in the proportion of the queue's ``weights``; who has none counts as 1.

    Over those free at the moment: a share is reached over many calls, and only as far as the
    manager is free for it.
    """

    name = "weighted"
    text = "By chance, in the proportion of the queue's weights."

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """One of those free, by weight."""
        agents = list(free)
        if not agents:
            return Choice((), "nobody is free")
        weights = [self.setup.weights.get(agent.agent_id, 1) for agent in agents]
        if not any(weights):
            return Choice((), "all who are free have the share 0")
        (agent,) = self.setup.rng.choices(agents, weights)
        share = self.setup.weights.get(agent.agent_id, 1) / sum(weights)
        return Choice((agent.agent_id,), f"by chance, share {share:.0%} of those free")
