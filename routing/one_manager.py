"""One manager before all others: what who has talked with a caller before, and who is named as
responsible for them, have in common.

Three steps: they are rung if they are free; waited for while they are busy, up to a time; then it
is as if nobody had been meant.
"""

from __future__ import annotations

from dataclasses import replace

from routing.strategy import Choice, FreeAgents
from routing.values import AgentId, AgentState, Seconds

_SOON_FREE = frozenset(
    {AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING, AgentState.WRAP_UP}
)


def before_all(
    agent_id: AgentId, free: FreeAgents, why: str, *, until: Seconds, now: Seconds
) -> Choice | None:
    """Ring this manager, or wait for them ``until`` then (core time); None: not to be had.

    ``why``: they are rung.  Who lacks a skill that the caller needs, or serves another queue, is
    not to be had.
    """
    if free.get(agent_id) is not None:
        return Choice((agent_id,), why)
    if free.state_of(agent_id) in _SOON_FREE and not free.refused(agent_id) and now < until:
        return Choice((), f"waits for {agent_id}", wait_for=agent_id, ask_again_at=until)
    return None


def instead_of(agent_id: AgentId, who: str, choice: Choice) -> Choice:
    """Who is rung in their place, and that it is so.  ``who``: they are, as in "whom ..."."""
    return replace(choice, why=f"{agent_id}, {who}, is not to be had; {choice.why}")
