"""``pbx simulate``: what the plan would do with a day of callers."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pbx.cli.options import database_url, db_option, open_log, processes_option

if TYPE_CHECKING:
    from pbx.simulate.parameters import History
    from routing.strategy import Registry


@click.command()
@click.argument("plan", required=False, type=click.Path(path_type=Path), metavar="[PATH]")
@click.option(
    "--with",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Callers and managers as docs/simulate.md says; default: every number called alike.",
)
@click.option("--strategy", metavar="NAME", help="In all queues, instead of the plan's own.")
@click.option(
    "--compare",
    metavar="NAMES",
    help="Several strategies, with commas: on the same callers, with differences.",
)
@click.option("--queue", metavar="KEY", help="Change the strategy of this queue only.")
@click.option(
    "--runs",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Independent days; the more, the narrower the intervals.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Of chance: the same seed gives the same days.",
)
@click.option("--managers", is_flag=True, help="Each manager's calls and occupancy too.")
@processes_option
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw the figures as PNG or SVG (needs voronka[plots]).",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@db_option
def simulate(
    plan: Path | None,
    file: Path | None,
    strategy: str | None,
    compare: str | None,
    queue: str | None,
    runs: int,
    seed: int,
    managers: bool,
    processes: int | None,
    plot: Path | None,
    json_wanted: bool,
    db: str | None,
) -> None:
    """Play a day of made-up callers against the dial plan in PATH, in virtual time.

    Whom a call rings is decided by the code that runs production. The same seed gives the same
    day; strategies that are compared have the same callers.

    Example: pbx simulate config --compare round-robin,ring-all,skill-priority,sticky
    """
    # Here, not above: slow to import, and a slip in the options is told without them.
    from pbx.cli.progress import working
    from pbx.cli.simulate_tables import render, results_json
    from pbx.cli.tables import make_console
    from pbx.plan.load import load
    from pbx.plan.strategies import installed_strategies
    from pbx.settings import plan_path
    from pbx.simulate.apart import processors
    from pbx.simulate.experiment import AS_PLANNED, run
    from pbx.simulate.parameters import parameters
    from routing.values import QueueId

    if strategy is not None and compare is not None:
        raise click.UsageError("--strategy or --compare, not both")
    if plot is not None and plot.suffix not in (".png", ".svg"):
        raise click.BadParameter("write NAME.png or NAME.svg", param_hint="--plot")
    if plot is not None:
        from pbx.simulate.plots import check

        check(plot)
    registry = installed_strategies()
    names = [
        known_strategy(name, registry, "--strategy" if compare is None else "--compare")
        for name in (compare if compare is not None else strategy or AS_PLANNED).split(",")
    ]
    loaded = load(plan or plan_path(), registry=registry)
    if queue is not None and queue not in loaded.routing.queues:
        known = ", ".join(sorted(loaded.routing.queues))
        raise click.BadParameter(f"no queue {queue!r}; known: {known}", param_hint="--queue")
    with working("reading the parameters"):
        setting = parameters(file, loaded, today=_today(), history=lambda: _history(db))
    with working("simulating") as report:
        results = run(
            setting,
            list(dict.fromkeys(names)),
            registry=registry,
            runs=runs,
            seed=seed,
            queue=QueueId(queue) if queue else None,
            processes=processes or processors(),
            progress=report,
        )
    if plot is not None:
        from pbx.simulate.plots import draw

        with working("drawing"):
            draw(results, plot)
    if json_wanted:
        click.echo(results_json(results, seed=seed))
    else:
        render(results, make_console(), managers=managers)


def known_strategy(name: str, registry: Registry, option: str) -> str:
    """The strategy's whole name.  Raises BadParameter."""
    from pbx.plan.faults import did_you_mean
    from pbx.simulate.experiment import ALIASES, AS_PLANNED

    name = ALIASES.get(name.strip(), name.strip())
    names = [AS_PLANNED, *registry.names()]
    if name not in names:
        hint = did_you_mean(name, names) or f"known: {', '.join(names)}"
        raise click.BadParameter(f"unknown strategy {name!r}; {hint}", param_hint=option)
    return name


def _today() -> datetime:
    from pbx.engine.clock import SystemClock

    clock = SystemClock()
    return clock.utc(clock.now())


def _history(db: str | None) -> History:
    from pbx.simulate.history import history

    return history(open_log(database_url(db)))
