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
        drawn = free.by_weight(self.setup.rng)
        if drawn is None:
            return Choice((), "all who are free have the share 0")
        agent, share = drawn
        return Choice((agent.agent_id,), f"by chance, share {share:.0%} of those free")
