"""Simulated calls a second on one core: ten hours, managers busy for about 80 % of them.

``python -m bench.simulate [CALLS] [MANAGERS]``; default 100,000 and 300.  Ring-all rings whoever
is free for each call, so its cost grows with the managers: it is measured with a tenth of both.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pbx.plan.model import Plan, Speech
from pbx.simulate.callers import Demand, Rate, Stream, Target
from pbx.simulate.draws import Exponential, LogNormal
from pbx.simulate.experiment import run
from pbx.simulate.world import Manners, Setting
from routing.plan import Agent, Device, Queue, RoutingPlan, StrategyChoice
from routing.strategy import Registry
from routing.values import AgentId, DeviceId, QueueId

QUEUE = QueueId("q")
DAY_S = 36_000.0
WRAP_UP_S = 5.0
ANSWER_S = 5.0


def setting(strategy: str, calls: int, managers: int) -> Setting:
    """A day of one queue."""
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
    rates = (Rate(0.0, DAY_S, calls / DAY_S * 3600),)
    demand = Demand((Stream(Target(queue_id=QUEUE), rates),), talk=LogNormal(talk_s, 0.6))
    return Setting(plan, demand, Manners(Exponential(ANSWER_S), 0.03), length_s=DAY_S)


def table(calls: int, managers: int) -> str:
    """Markdown."""
    lines = ["| strategy | calls | managers | s | calls/s |", "|---|---|---|---|---|"]
    small = (calls // 10, managers // 10)
    for strategy, (many, who) in (
        ("longest-idle", (calls, managers)),
        ("skill-priority", (calls, managers)),
        ("ring-all", small),
    ):
        day = setting(strategy, many, who)
        began = time.process_time()
        (result,) = run(day, ["plan"], registry=Registry.builtin(), runs=1, seed=1)
        took = time.process_time() - began
        came = int(result.runs[0]["offered"])
        lines.append(f"| {strategy} | {came} | {who} | {took:.1f} | {came / took:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:3]]
    print(table(*(given if len(given) == 2 else (100_000, 300))))
