"""The core alone: what one decision costs as agents and waiting callers grow.

A decision is one ``handle``, of two kinds: an agent's talk ends while callers wait (whom do they
get?), and a caller comes while agents are free (who is rung?).  ``python -m bench.core`` prints the
table; compare the rows with each other.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from routing import commands, events
from routing.dispatcher import Dispatcher
from routing.plan import Agent, Device, Queue, RoutingPlan, StrategyChoice
from routing.strategy import Registry
from routing.values import AgentId, CallId, DeviceId, Disposition, LegId, QueueId, SkillNeed

SIZES = ((10, 10), (100, 100), (1_000, 1_000), (10_000, 10_000))
DECISIONS = 2_000
QUEUE = QueueId("q")


@dataclass(frozen=True, slots=True)
class Case:
    """A strategy, and the skills that each caller needs.

    Of the agents all have ``tech``, each at one of five levels, nearly all ``english``, and one
    in fifty ``rare``.
    """

    strategy: str
    skills: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " + ".join((self.strategy, *self.skills))


CASES = (
    Case("longest-idle"),
    Case("longest-idle", ("rare",)),
    Case("round-robin"),
    Case("fewest-calls"),
    Case("skill-priority", ("tech",)),
    Case("skill-priority", ("tech", "english")),
    Case("weighted"),
    Case("weighted", ("tech", "english")),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds for one decision of each kind."""

    freed_p50_us: float
    freed_p99_us: float
    comes_p50_us: float
    comes_p99_us: float


class Company:
    """One queue.  Who is rung answers at once."""

    def __init__(self, case: Case, agents: int) -> None:
        team = {
            AgentId(f"a{n}"): Agent(
                AgentId(f"a{n}"),
                f"a{n}",
                skills=_skills(n),
                devices=(Device(DeviceId(f"a{n}/1"), f"PJSIP/a{n}"),),
            )
            for n in range(agents)
        }
        weights = {agent_id: 1 + n % 7 for n, agent_id in enumerate(team)}
        queue = Queue(QUEUE, tuple(team), StrategyChoice(case.strategy), weights=weights)
        self.dispatcher = Dispatcher(
            RoutingPlan(team, {QUEUE: queue}), strategies=Registry.builtin(), rng=random.Random(1)
        )
        self.now = 1000.0
        self.callers = 0
        self.needs = tuple(SkillNeed(skill, 1) for skill in case.skills)
        self.talking: list[tuple[LegId, CallId]] = []
        for agent_id in team:
            self._handle(events.AgentLoggedIn(agent_id))

    def comes(self) -> float:
        """A caller comes; what that took, seconds."""
        self.callers += 1
        call_id = CallId(f"c{self.callers}")
        return self._timed(events.CallerQueued(call_id, QUEUE, "", self.needs))

    def ends(self, rng: random.Random) -> float:
        """Some talk ends; what that took, seconds."""
        place = rng.randrange(len(self.talking))
        self.talking[place], self.talking[-1] = self.talking[-1], self.talking[place]
        leg_id, call_id = self.talking.pop()
        self._handle(events.CallerLeft(call_id))
        return self._timed(events.LegEnded(leg_id, Disposition.ANSWERED))

    def _timed(self, event: events.Event) -> float:
        self.now += 0.001
        began = time.perf_counter()
        step = self.dispatcher.handle(event, self.now)
        took = time.perf_counter() - began
        self._follow(step.commands)
        return took

    def _handle(self, event: events.Event) -> None:
        self.now += 0.001
        self._follow(self.dispatcher.handle(event, self.now).commands)

    def _follow(self, given: Sequence[commands.Command]) -> None:
        for command in given:
            if isinstance(command, commands.RingDevice):
                self.talking.append((command.leg_id, command.call_id))
                self._handle(events.DeviceAnswered(command.leg_id))
                self._handle(events.Joined(command.leg_id))


def _skills(n: int) -> dict[str, int]:
    skills = {"tech": 1 + n % 5}
    if n % 11:
        skills["english"] = 1 + n % 3
    if n % 50 == 7:
        skills["rare"] = 1
    return skills


def measure(case: Case, agents: int, waiting: int) -> Cost:
    """The cost at one size."""
    rng = random.Random(2)
    # Nearly all are free; the talks under way make the order of the free a mixed one.
    company = Company(case, agents)
    for _ in range(max(1, agents // 50)):
        company.comes()
    comes = []
    for _ in range(DECISIONS):
        comes.append(company.comes() * 1e6)
        company.ends(rng)
    # All talk, and callers wait.
    for _ in range(agents + waiting):
        company.comes()
    freed = []
    for _ in range(DECISIONS):
        freed.append(company.ends(rng) * 1e6)
        company.comes()
    return Cost(_at(freed, 0.5), _at(freed, 0.99), _at(comes, 0.5), _at(comes, 0.99))


def _at(times: list[float], quantile: float) -> float:
    return sorted(times)[int(len(times) * quantile)]


def table() -> str:
    """Markdown."""
    lines = [
        "| strategy + needs | agents, waiting | a talk ends, callers wait: p50 / p99, us | "
        "a caller comes, agents are free: p50 / p99, us | both, to 10 agents | "
        "log n to 10 agents |",
        "|---|---|---|---|---|---|",
    ]
    for case in CASES:
        first: Cost | None = None
        for agents, waiting in SIZES:
            cost = measure(case, agents, waiting)
            first = first or cost
            lines.append(
                f"| {case} | {agents}, {waiting} | "
                f"{cost.freed_p50_us:.0f} / {cost.freed_p99_us:.0f} | "
                f"{cost.comes_p50_us:.0f} / {cost.comes_p99_us:.0f} | "
                f"{cost.freed_p50_us / first.freed_p50_us:.1f} x, "
                f"{cost.comes_p50_us / first.comes_p50_us:.1f} x | "
                f"{math.log(agents) / math.log(SIZES[0][0]):.1f} x |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
