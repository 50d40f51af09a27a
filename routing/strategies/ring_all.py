"""Everyone free rings; the first to answer has the call."""

from __future__ import annotations

from routing.strategy import AgentView, CallerView, Choice, FreeAgents, Strategy
from routing.values import Seconds


class RingAll(Strategy):
    """All at once; who becomes free while the call rings is rung too."""

    name = "ring-all"
    text = "All at once; who becomes free while the call rings is rung too."

    def key(self, agent: AgentView, place: int) -> tuple[float, ...]:
        """The order of the plan: all ring, so it matters to the log only."""
        return (place,)

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """Everybody."""
        chosen = free.ids()
        return Choice(chosen, f"all who are free: {len(chosen)}", all_free=True)
