"""Several runs of one setting, and of several strategies on the same callers."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pbx.simulate.callers import Caller, callers
from pbx.simulate.intervals import Estimate, difference, estimate
from pbx.simulate.tally import FIGURES, ManagerLoad, Tally, figures, loads
from pbx.simulate.world import Seen, Setting, World
from routing.plan import RoutingPlan, StrategyChoice
from routing.strategy import Registry
from routing.values import QueueId

AS_PLANNED = "plan"
"""The name of the plan's own strategies in results."""
ALIASES = {"sticky": "sticky-to-last-manager"}


@dataclass(frozen=True, slots=True)
class Result:
    """All runs of one strategy: ``runs`` holds each run's figures."""

    strategy: str
    runs: tuple[Mapping[str, float], ...]
    managers: tuple[ManagerLoad, ...]

    def of(self, key: str) -> list[float]:
        """One figure of each run."""
        return [run[key] for run in self.runs]

    def estimates(self) -> dict[str, Estimate]:
        """Each figure's mean and interval."""
        return {one.key: estimate(self.of(one.key)) for one in FIGURES}

    def against(self, base: Result) -> dict[str, Estimate]:
        """Each figure's difference from ``base``, paired by run."""
        return {one.key: difference(self.of(one.key), base.of(one.key)) for one in FIGURES}


def with_strategy(routing: RoutingPlan, name: str, only: QueueId | None = None) -> RoutingPlan:
    """The plan with this strategy (at its defaults) in all queues, or in one.  A queue that has it
    already keeps its parameters."""
    if name == AS_PLANNED:
        return routing
    queues = {
        queue_id: queue
        if queue.strategy.name == name or only not in (None, queue_id)
        else replace(queue, strategy=StrategyChoice(name))
        for queue_id, queue in routing.queues.items()
    }
    return replace(routing, queues=queues)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing to be tried: a name for results, and what it is tried with."""

    name: str
    setting: Setting
    routing: RoutingPlan


def run(
    setting: Setting,
    strategies: Sequence[str],
    *,
    registry: Registry,
    runs: int,
    seed: int,
    queue: QueueId | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Result]:
    """Run each strategy ``runs`` times; run n of each has the same callers.

    ``progress``: told the share of all that is done, 0 to 1.
    """
    return run_all(
        [
            Scenario(name, setting, with_strategy(setting.plan.routing, name, queue))
            for name in strategies
        ],
        lambda number: callers(setting.demand, number),
        registry=registry,
        runs=runs,
        seed=seed,
        progress=progress,
    )


def run_all(
    scenarios: Sequence[Scenario],
    who: Callable[[int], Sequence[Caller]],
    *,
    registry: Registry,
    runs: int,
    seed: int,
    seen: Callable[[Scenario], Seen | None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Result]:
    """Run each scenario ``runs`` times, on the callers that ``who`` makes of a run's seed.

    ``seen``: asked at the begin of each run for who is told of its calls.
    """
    tallies: list[list[Tally]] = [[] for _ in scenarios]
    parts = runs * len(scenarios)
    done = 0
    with _rare_collections():
        for number in range(seed, seed + runs):
            same = who(number)
            for scenario, found in zip(scenarios, tallies, strict=True):
                world = World(
                    scenario.setting,
                    scenario.routing,
                    same,
                    registry=registry,
                    seed=number,
                    seen=None if seen is None else seen(scenario),
                )
                report = None
                if progress is not None:
                    report = _part(progress, done, parts, scenario.setting.length_s)
                found.append(world.run(report))
                done += 1
    return [
        Result(one.name, tuple(map(figures, found)), tuple(loads(found)))
        for one, found in zip(scenarios, tallies, strict=True)
    ]


def _part(
    progress: Callable[[float], None], done: int, parts: int, length_s: float
) -> Callable[[float], None]:
    return lambda at_s: progress((done + min(1.0, at_s / length_s)) / parts)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Nearly all objects here are freed by counting: look for cycles seldom (a third faster)."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
