"""To the manager whom the caller talked with last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from routing.one_manager import before_all, instead_of
from routing.strategy import AgentView, CallerView, Choice, FreeAgents, Param, Strategy
from routing.values import Seconds, SkillNeed


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
        until = caller.waiting_since + self.setup.seconds("wait_s")
        choice = before_all(
            last.agent_id, free, "talked with this number last", until=until, now=now
        )
        if choice is not None:
            return choice
        return instead_of(
            last.agent_id, "who talked last", self._fallback.choose(caller, free, now)
        )
