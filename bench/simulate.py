"""Simulated calls a second on one core: a day of ten hours, managers busy for about 80 % of it.

``python -m bench.simulate [CALLS MANAGERS HOURS]``: 100,000 calls and 300 managers, of which the
first hour is played.  Ring-all rings whoever is free for each call: 6 million phones in that day.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pbx.plan.model import Plan, Speech
from pbx.simulate.callers import Demand, Rate, Stream, Target
from pbx.simulate.draws import Exponential, LogNormal
from pbx.simulate.experiment import run
from pbx.simulate.reactions import Manners
from pbx.simulate.world import Setting
from routing.plan import Agent, Device, Queue, RoutingPlan, StrategyChoice
from routing.strategy import Registry
from routing.values import AgentId, DeviceId, QueueId

CALLS, MANAGERS, HOURS = 100_000, 300, 1.0
QUEUE = QueueId("q")
DAY_S = 36_000.0
WRAP_UP_S = 5.0
ANSWER_S = 5.0


def setting(strategy: str, calls: int, managers: int, *, length_s: float = DAY_S) -> Setting:
    """The begin of a day of one queue."""
    team = {
        AgentId(f"a{n}"): Agent(
            AgentId(f"a{n}"),
            f"a{n}",
            skills={"sales": 1 + n % 3},
            devices=(Device(DeviceId(f"a{n}/1"), f"PJSIP/a{n}"),),
            wrap_up_s=WRAP_UP_S,
        )
        for n in range(managers)
    }
    plan = Plan(
        numbers={},
        routing=RoutingPlan(team, {QUEUE: Queue(QUEUE, tuple(team), StrategyChoice(strategy))}),
        tree={},
        extensions={},
        queue_extensions={},
        queue_entries={},
        on_duty=frozenset(team),
        queue_sounds={},
        prompts=(),
        prompts_dir=Path(),
        speech=Speech((), {}),
        languages=("en",),
        region="RU",
        trunk="",
        allowed_prefixes=(),
        digest="",
    )
    talk_s = 0.85 * managers * DAY_S / calls - WRAP_UP_S - ANSWER_S
    rates = (Rate(0.0, length_s, calls / DAY_S * 3600),)
    demand = Demand((Stream(Target(queue_id=QUEUE), rates),), talk=LogNormal(talk_s, 0.6))
    return Setting(plan, demand, Manners(Exponential(ANSWER_S), 0.03), length_s=length_s)


def table(calls: int = CALLS, managers: int = MANAGERS, hours: float = HOURS) -> str:
    """Markdown."""
    lines = [
        f"| strategy | {hours:g} h of the day: calls | rings a call | s | calls/s "
        f"| the day of {calls} calls, s |",
        "|---|---|---|---|---|---|",
    ]
    registry = Registry.builtin()
    for strategy in registry.names():
        day = setting(strategy, calls, managers, length_s=hours * 3600)
        began = time.process_time()
        (result,) = run(day, ["plan"], registry=registry, runs=1, seed=1)
        took = time.process_time() - began
        figures = result.runs[0]
        came, rings = int(figures["offered"]), figures["rung_per_answer"]
        lines.append(
            f"| {strategy} | {came} | {rings:.1f} | {took:.1f} | {came / took:.0f} "
            f"| {calls * took / came:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    given = [float(one) for one in sys.argv[1:4]]
    print(table(int(given[0]), int(given[1]), given[2]) if len(given) == 3 else table())
