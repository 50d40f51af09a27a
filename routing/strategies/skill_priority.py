"""Those who know most first; lower levels after a set time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from routing.strategy import AgentView, CallerView, Choice, FreeAgents, Param, Strategy
from routing.values import Seconds, SkillNeed


class SkillPriority(Strategy):
    """The highest level of the needed skills first, among equals the longest idle.

    A caller begins by asking for their own minimum plus one level per entry of ``widen_after_s``
    and lowers that by one level at each of these times of the wait, down to the minimum:
    ``widen_after_s: [10, 20]`` for a need of level 1 asks for 3, after
    10 s for 2, after 20 s for 1.
    """

    name = "skill-priority"
    text = "The highest level of the needed skills first; lower levels after a set time."
    params: ClassVar[Mapping[str, Param]] = {
        "widen_after_s": Param(
            "list of seconds", (), "Times of the wait at which one level less will do."
        )
    }

    def key(self, agent: AgentView, place: int) -> tuple[float, ...]:
        """Callers without needs: whoever knows most in all, then longest idle."""
        return (-sum(agent.skills.values()), agent.last_ended_at, place)

    def needs(
        self, caller: CallerView, now: Seconds
    ) -> tuple[tuple[SkillNeed, ...], Seconds | None]:
        """The caller's needs, raised by the steps that are not over yet."""
        # Compared as the deadline is set, to the last bit: a difference of rounded floats may
        # never reach the step, and the same deadline would come again without end.
        steps = (caller.waiting_since + step for step in self.setup.several("widen_after_s"))
        left = sorted(at for at in steps if at > now)
        if not left or not caller.needs:
            return caller.needs, None
        raised = tuple(SkillNeed(one.skill, one.min_level + len(left)) for one in caller.needs)
        return raised, left[0]

    def choose(self, caller: CallerView, free: FreeAgents, now: Seconds) -> Choice:
        """The highest level there is; of several skills, the weakest counts."""
        agent = free.by_level() if caller.needs else free.first()
        if agent is None:
            return Choice((), "nobody with the skill is free")
        levels = ", ".join(f"{one.skill} {agent.skills.get(one.skill, 0)}" for one in caller.needs)
        return Choice((agent.agent_id,), f"highest level: {levels or 'no skill asked for'}")
