"""What a manager dials after a talk."""

from __future__ import annotations

from collections.abc import Sequence

from pbx.funnel.stages import QUALIFIED
from pbx.journal.port import StageDialled
from pbx.plan.model import Plan
from routing.values import AgentId


def stage_dialled(plan: Plan, agents: Sequence[AgentId], number: int) -> StageDialled | None:
    """What is to be noted when ``number`` is dialled at the device of ``agents``: of the stage in
    the plan's order, from 1; 0 for qualified.  None for a stage that there is not, and where it
    can't be known who dialled."""
    if plan.funnel is None or len(agents) != 1:
        return None
    stages = (QUALIFIED, *map(str, plan.funnel.stages))
    return StageDialled(agents[0], stages[number]) if 0 <= number < len(stages) else None
