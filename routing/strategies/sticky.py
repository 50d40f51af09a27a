"""To the manager whom the caller talked with last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from routing.strategy import AgentView, CallerView, Choice, FreeAgents, Param, Strategy
from routing.values import AgentState, Seconds, SkillNeed

_SOON_FREE = frozenset(
    {AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING, AgentState.WRAP_UP}
)


class StickyToLastManager(Strategy):
    """The manager who last talked with this number within ``within_s``; waits ``wait_s`` for
    them if busy; then, and for all others, the fallback."""

    name = "sticky-to-last-manager"
    text = "The manager who last talked with this number; then the fallback."
    params: ClassVar[Mapping[str, Param]] = {
        "within_s": Param("seconds", 30 * 86400.0, "How long a talk counts."),
        "wait_s": Param("seconds", 30.0, "How long to wait for a busy manager."),
    }
    default_fallback = "longest-idle"

    @property
    def _fallback(self) -> Strategy:
        fallback = self.setup.fallback
        if fallback is None:
            raise TypeError("made without a fallback")
        return fallback

    def key(self, agent: AgentView, place: int) -> tuple[float, ...]:
        """The fallback's order."""
        return self._fallback.key(agent, place)

    def needs(
        self, caller: CallerView, now: Seconds
    ) -> tuple[tuple[SkillNeed, ...], Seconds | None]:
        """The fallback's needs."""
        return self._fallback.needs(caller, now)

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """The last manager, or wait for them, or whom the fallback chooses."""
        last = caller.last_talk
        if last is None or now - last.ended_at > self.setup.seconds("within_s"):
            return self._fallback.choose(caller, free, now)
        agent_id = last.agent_id
        if free.get(agent_id) is not None:
            return Choice((agent_id,), "talked with this number last")
        until = caller.waiting_since + self.setup.seconds("wait_s")
        if free.state_of(agent_id) in _SOON_FREE and not free.refused(agent_id) and now < until:
            why = f"waits for {agent_id}, who talked with this number last"
            return Choice((), why, wait_for=agent_id, ask_again_at=until)
        choice = self._fallback.choose(caller, free, now)
        return Choice(
            choice.chosen,
            f"{agent_id}, who talked last, is not to be had; {choice.why}",
            choice.wait_for,
            choice.ask_again_at,
            choice.all_free,
        )
