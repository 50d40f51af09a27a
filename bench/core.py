"""The core alone: what one decision costs as agents and waiting callers grow.

A decision: an agent's talk ends, and the dispatcher chooses the next caller and rings (one
``handle``).  ``python -m bench.core`` prints the table; compare the rows with each other.
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
STRATEGIES = ("longest-idle", "round-robin", "skill-priority", "fewest-calls")
DECISIONS = 2_000
QUEUE = QueueId("q")


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds for one decision, and decisions a second."""

    strategy: str
    agents: int
    waiting: int
    p50_us: float
    p99_us: float

    @property
    def per_second(self) -> float:
        """Decisions a second at the median."""
        return 1e6 / self.p50_us


class Floor:
    """All agents talk, ``waiting`` callers wait: each talk's end is a decision."""

    def __init__(self, strategy: str, agents: int, waiting: int) -> None:
        team = {
            AgentId(f"a{n}"): Agent(
                AgentId(f"a{n}"),
                f"a{n}",
                skills={"tech": 1 + n % 5},
                devices=(Device(DeviceId(f"a{n}/1"), f"PJSIP/a{n}"),),
            )
            for n in range(agents)
        }
        plan = RoutingPlan(team, {QUEUE: Queue(QUEUE, tuple(team), StrategyChoice(strategy))})
        self.dispatcher = Dispatcher(plan, strategies=Registry.builtin(), rng=random.Random(1))
        self.now = 1000.0
        self.callers = 0
        self.needs = (SkillNeed("tech", 1),) if strategy == "skill-priority" else ()
        self.talking: list[tuple[LegId, CallId]] = []
        for agent_id in team:
            self._handle(events.AgentLoggedIn(agent_id))
        for _ in range(agents + waiting):
            self._call()

    def _call(self) -> None:
        self.callers += 1
        call_id = CallId(f"c{self.callers}")
        self._follow(self._handle(events.CallerQueued(call_id, QUEUE, "", self.needs)))

    def _handle(self, event: events.Event) -> Sequence[commands.Command]:
        self.now += 0.001
        return self.dispatcher.handle(event, self.now).commands

    def _follow(self, given: Sequence[commands.Command]) -> None:
        for command in given:
            if isinstance(command, commands.RingDevice):
                self.talking.append((command.leg_id, command.call_id))
                self._handle(events.DeviceAnswered(command.leg_id))
                self._handle(events.Joined(command.leg_id))

    def decide(self, rng: random.Random) -> float:
        """One decision, seconds."""
        place = rng.randrange(len(self.talking))
        self.talking[place], self.talking[-1] = self.talking[-1], self.talking[place]
        leg_id, call_id = self.talking.pop()
        self._handle(events.CallerLeft(call_id))
        ended = events.LegEnded(leg_id, Disposition.ANSWERED)
        self.now += 0.001
        began = time.perf_counter()
        step = self.dispatcher.handle(ended, self.now)
        took = time.perf_counter() - began
        self._follow(step.commands)
        self._call()
        return took


def measure(strategy: str, agents: int, waiting: int) -> Cost:
    """The cost at one size."""
    floor = Floor(strategy, agents, waiting)
    rng = random.Random(2)
    times = sorted(floor.decide(rng) * 1e6 for _ in range(DECISIONS))
    return Cost(strategy, agents, waiting, times[len(times) // 2], times[int(len(times) * 0.99)])


def table() -> str:
    """Markdown."""
    lines = [
        "| strategy | agents | waiting | a decision p50 / p99, us | decisions/s | "
        "to 10 agents | log n to 10 agents |",
        "|---|---|---|---|---|---|---|",
    ]
    for strategy in STRATEGIES:
        first: Cost | None = None
        for agents, waiting in SIZES:
            cost = measure(strategy, agents, waiting)
            first = first or cost
            lines.append(
                f"| {strategy} | {agents} | {waiting} | {cost.p50_us:.0f} / {cost.p99_us:.0f} | "
                f"{cost.per_second:.0f} | {cost.p50_us / first.p50_us:.1f} x | "
                f"{math.log(agents) / math.log(first.agents):.1f} x |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
