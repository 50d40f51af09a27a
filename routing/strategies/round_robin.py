"""In turn, so that everyone gets the same number of calls."""

from __future__ import annotations

from routing.strategy import AgentView, CallerView, Choice, FreeAgents, Strategy
from routing.values import Seconds


class RoundRobin(Strategy):
    """In turn; the order is kept across calls and restarts."""

    name = "round-robin"
    text = "In turn; the order is kept across calls and restarts."

    def key(self, agent: AgentView, place: int) -> tuple[float, ...]:
        """The order of the plan."""
        return (place,)

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """The next who is free after the one chosen last."""
        last = free.last_chosen
        place = free.place_of(last) if last is not None else None
        agent = free.after(-1 if place is None else place)
        if agent is None:
            return Choice((), "nobody is free")
        why = f"next after {last}" if place is not None else "first of the round"
        return Choice((agent.agent_id,), why)
