"""Several runs of one setting, and of several strategies on the same callers."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from pbx.simulate.apart import Part, done_apart
from pbx.simulate.callers import Caller, callers
from pbx.simulate.intervals import Estimate, difference, estimate
from pbx.simulate.tally import FIGURES, ManagerLoad, Tally, figures, loads
from pbx.simulate.world import Ending, Setting, World
from routing.plan import RoutingPlan, StrategyChoice
from routing.strategy import Registry
from routing.values import AgentId, QueueId, Seconds

F = TypeVar("F")
F_co = TypeVar("F_co", covariant=True)

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
    processes: int = 1,
    progress: Callable[[float], None] | None = None,
) -> list[Result]:
    """Run each strategy ``runs`` times; run n of each has the same callers.

    ``processes``: so many runs at once, which changes nothing but the time it takes.
    ``progress``: told the share of all that is done, 0 to 1.
    """
    results, _ = run_all(
        [
            Scenario(name, setting, with_strategy(setting.plan.routing, name, queue))
            for name in strategies
        ],
        lambda number: callers(setting.demand, number),
        registry=registry,
        runs=runs,
        seed=seed,
        processes=processes,
        progress=progress,
    )
    return results


class Watch(Protocol[F_co]):
    """Looks on at the calls of one run."""

    def seen(self, caller: Caller, how: Ending, waited_s: Seconds, agent: AgentId | None) -> None:
        """A call has ended (world.Seen)."""

    def found(self) -> F_co:
        """What came of looking: it may come from another process, so let it be small."""


def run_all(
    scenarios: Sequence[Scenario],
    who: Callable[[int], Sequence[Caller]],
    *,
    registry: Registry,
    runs: int,
    seed: int,
    watch: Callable[[Scenario], Watch[F] | None] = lambda scenario: None,
    processes: int = 1,
    progress: Callable[[float], None] | None = None,
) -> tuple[list[Result], list[list[F]]]:
    """Run each scenario ``runs`` times, on the callers that ``who`` makes of a run's seed.

    ``watch``: asked at the begin of each run for who looks on.  Gives what came of each scenario,
    and what was found by who looked on at it.  ``processes``: so many runs at once.
    """

    def parts() -> Iterator[Part[tuple[Tally, F | None]]]:
        for number in range(seed, seed + runs):
            same = who(number)
            for scenario in scenarios:
                yield partial(_play, scenario, same, registry, number, watch)

    with _rare_collections():
        found = done_apart(parts(), runs * len(scenarios), processes=processes, progress=progress)
    results, looked = [], []
    for place, one in enumerate(scenarios):
        mine = found[place :: len(scenarios)]
        tallies = [tally for tally, _ in mine]
        results.append(Result(one.name, tuple(map(figures, tallies)), tuple(loads(tallies))))
        looked.append([kept for _, kept in mine if kept is not None])
    return results, looked


def _play(
    scenario: Scenario,
    who: Sequence[Caller],
    registry: Registry,
    seed: int,
    watch: Callable[[Scenario], Watch[F] | None],
    report: Callable[[float], None],
) -> tuple[Tally, F | None]:
    looks_on = watch(scenario)
    setting = scenario.setting
    world = World(
        setting,
        scenario.routing,
        who,
        registry=registry,
        seed=seed,
        seen=None if looks_on is None else looks_on.seen,
    )
    tally = world.run(lambda at_s: report(min(1.0, at_s / setting.length_s)))
    return tally, None if looks_on is None else looks_on.found()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Nearly all objects here are freed by counting: look for cycles seldom (a third faster)."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
