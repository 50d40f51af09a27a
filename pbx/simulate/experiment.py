"""Several runs of one setting, and of several strategies on the same callers."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pbx.simulate.callers import callers
from pbx.simulate.intervals import Estimate, difference, estimate
from pbx.simulate.tally import FIGURES, ManagerLoad, Tally, figures, loads
from pbx.simulate.world import Setting, World
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
    tallies: dict[str, list[Tally]] = {name: [] for name in strategies}
    parts = runs * len(strategies)
    done = 0
    with _rare_collections():
        for number in range(runs):
            who = callers(setting.demand, seed + number)
            for name in strategies:
                routing = with_strategy(setting.plan.routing, name, queue)
                world = World(setting, routing, who, registry=registry, seed=seed + number)
                report = None
                if progress is not None:
                    report = _part(progress, done, parts, setting.length_s)
                tallies[name].append(world.run(report))
                done += 1
    return [
        Result(name, tuple(figures(one) for one in found), tuple(loads(found)))
        for name, found in tallies.items()
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
