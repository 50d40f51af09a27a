"""What is kept of one run, and the figures made of it (formulas: routing/measures.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from routing import measures
from routing.values import AgentId, Seconds


@dataclass(slots=True)
class Tally:
    """Counts and times of one run.

    ``offered``: calls that came to a queue or a manager.  ``overflowed``: given back and not
    answered after.  ``ended_in_menu``: never came so far.  ``skilled`` of ``skill_asked``: answered
    by someone skilled, of the answered.  ``same`` of ``known``: answered by the manager of the time
    before, of the answered who had talked before.  ``passed``: won for the next stage.
    ``busy_s``: talk and wrap-up by manager, within the run's hours; ``present_s``: at work in them;
    ``rung``: managers rung.
    """

    offered: int = 0
    abandoned: int = 0
    overflowed: int = 0
    ended_in_menu: int = 0
    redials: int = 0
    in_time: int = 0
    skilled: int = 0
    skill_asked: int = 0
    same: int = 0
    known: int = 0
    passed: int = 0
    rung: int = 0
    waits_s: list[Seconds] = field(default_factory=list)
    longest_wait_s: Seconds = 0.0
    calls: dict[AgentId, int] = field(default_factory=dict)
    busy_s: dict[AgentId, Seconds] = field(default_factory=dict)
    present_s: dict[AgentId, Seconds] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """Calls that talked with a manager."""
        return len(self.waits_s)


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure is called and how it is shown: unit "%", "s", "" (a number)."""

    key: str
    title: str
    unit: str


FIGURES = (
    Figure("offered", "calls offered", ""),
    Figure("answered", "answered", ""),
    Figure("lost", "lost: hung up waiting, or overflow", "%"),
    Figure("abandoned", "of these hung up waiting", "%"),
    Figure("service_level_of_offered", "service level, of offered", "%"),
    Figure("service_level_of_answered", "service level, of answered", "%"),
    Figure("asa_s", "ASA (average wait of answered)", "s"),
    Figure("longest_wait_s", "longest wait", "s"),
    Figure("occupancy", "occupancy", "%"),
    Figure("evenness", "fairness (Jain, of busy time)", ""),
    Figure("rung_per_answer", "phones rung for an answer", ""),
    Figure("skilled", "answered by a skilled manager", "%"),
    Figure("same_manager", "the same manager again", "%"),
    Figure("passed", "passed on to the next stage, of offered", "%"),
    Figure("passed_calls", "passed on to the next stage", "calls"),
)


def figures(tally: Tally) -> dict[str, float]:
    """All of FIGURES; shares from 0 to 1."""
    answered = tally.answered
    lost = tally.abandoned + tally.overflowed
    busy = tally.busy_s.values()
    present_s = sum(tally.present_s.values())
    return {
        "offered": tally.offered,
        "answered": answered,
        "lost": measures.share(lost, tally.offered),
        "abandoned": measures.share(tally.abandoned, tally.offered),
        "service_level_of_offered": measures.service_level_of_offered(tally.in_time, tally.offered),
        "service_level_of_answered": measures.service_level_of_answered(tally.in_time, answered),
        "asa_s": measures.asa_s(tally.waits_s),
        "longest_wait_s": tally.longest_wait_s,
        "occupancy": measures.occupancy(sum(busy), present_s),
        "evenness": measures.evenness(busy),
        "rung_per_answer": measures.share(tally.rung, answered),
        "skilled": measures.share(tally.skilled, tally.skill_asked),
        "same_manager": measures.share(tally.same, tally.known),
        "passed": measures.share(tally.passed, tally.offered),
        "passed_calls": tally.passed,
    }


@dataclass(frozen=True, slots=True)
class ManagerLoad:
    """One manager's run: calls, and the share of the time busy (0 to 1)."""

    agent: str
    calls: float
    occupancy: float


def loads(tallies: list[Tally]) -> list[ManagerLoad]:
    """Each manager's mean over the runs, in the plan's order."""
    runs = len(tallies)
    return [
        ManagerLoad(
            agent_id,
            sum(_of(one.calls, agent_id) for one in tallies) / runs,
            sum(
                measures.occupancy(_of(one.busy_s, agent_id), _of(one.present_s, agent_id))
                for one in tallies
            )
            / runs,
        )
        for agent_id in tallies[0].busy_s
    ]


def _of(mapping: Mapping[AgentId, float] | Mapping[AgentId, int], agent_id: AgentId) -> float:
    return mapping.get(agent_id, 0)
