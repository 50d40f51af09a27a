"""``pbx replay``: what something else would have done with the calls of the log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from pbx.cli.options import (
    db_option,
    moment_option,
    now_utc,
    open_log,
    plan_tz_option,
    processes_option,
    zone,
)
from pbx.cli.times import FORMS


@click.command()
@click.argument("plan", required=False, type=click.Path(path_type=Path), metavar="[PATH]")
@click.option("--since", metavar="TIME", default="7d", show_default=True, help=FORMS + ".")
@click.option("--until", metavar="TIME", help="Calls that began before; a day is included.")
@click.option("--strategy", "strategies", metavar="NAMES", help="Instead; several with commas.")
@click.option("--queue", metavar="KEY", help="Change the strategy of this queue only.")
@click.option(
    "--roster",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Other working hours, as docs/replay.md says.",
)
@click.option(
    "--to", "other", type=click.Path(path_type=Path), metavar="PATH", help="Another plan."
)
@click.option("--runs", type=click.IntRange(1, 1000), default=3, show_default=True, help="Replays.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same, same.")
@click.option("--within", metavar="TIME", default="20s", show_default=True, help="Service level.")
@click.option("--managers", is_flag=True, help="Each manager's calls and occupancy too.")
@processes_option
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@db_option
@plan_tz_option
def replay(
    plan: Path | None,
    since: str,
    until: str | None,
    strategies: str | None,
    queue: str | None,
    roster: Path | None,
    other: Path | None,
    runs: int,
    seed: int,
    within: str,
    managers: bool,
    processes: int | None,
    json_wanted: bool,
    db: str | None,
    tz: str | None,
) -> None:
    """Take the log's calls through another strategy, roster or plan than the one in PATH.

    First what really ran is replayed, and how far that agrees with the log is printed: so far is
    the rest to be trusted. What the log does not tell is estimated from it (docs/replay.md).

    Example: pbx replay --since 2026-11-01 --strategy ring-all
    """
    # Here, not above: slow to import, and a slip in the options is told without them.
    from pbx.cli.progress import working
    from pbx.cli.replay_tables import render, replayed_json
    from pbx.cli.simulate import known_strategy
    from pbx.cli.tables import make_console
    from pbx.plan import written
    from pbx.plan.load import load
    from pbx.plan.strategies import installed_strategies
    from pbx.settings import plan_path
    from pbx.simulate.apart import processors
    from pbx.simulate.experiment import with_strategy
    from pbx.simulate.presence import read_roster, rostered
    from pbx.simulate.recorded import recorded
    from pbx.simulate.replay import Alternative, that_ran
    from pbx.simulate.replay import replay as replay_log
    from routing.values import QueueId

    try:
        target_s = written.duration(within)
    except written.Wrong as error:
        raise click.BadParameter(error.message, param_hint="--within") from error
    registry = installed_strategies()
    names = [known_strategy(one, registry, "--strategy") for one in (strategies or "").split(",")
             if one.strip()]  # fmt: skip
    ran = load(plan or plan_path(), registry=registry)
    tried = load(other, registry=registry) if other is not None else ran
    if queue is not None and queue not in tried.routing.queues:
        known = ", ".join(sorted(tried.routing.queues))
        raise click.BadParameter(f"no queue {queue!r}; known: {known}", param_hint="--queue")
    plan_zone = written.time_zone(ran.time_zone)
    local = zone(tz) or plan_zone
    begins = moment_option("--since", since, local) or now_utc() - timedelta(days=7)
    ends = moment_option("--until", until, local) or now_utc()
    if ends <= begins:
        raise click.BadParameter("there is no time between", param_hint="--until")
    hours = None if roster is None else read_roster(roster, list(tried.routing.agents))
    dids = ran.numbers.keys() & tried.numbers.keys()
    with working("reading the log") as report:
        log = recorded(open_log(db), begins, ends, dids=dids, progress=report)
    presence = log.presence
    if hours is not None:
        presence = rostered(presence, hours, log.begins, log.ends, plan_zone)
    base = that_ran(ran.routing, log, registry)[0] if other is None else tried.routing
    only = QueueId(queue) if queue else None
    suffix = "".join([f", {other}" if other else "", f", {roster}" if roster else ""])
    alternatives = [
        Alternative(f"{name}{suffix}", tried, with_strategy(base, name, only), presence)
        for name in names
    ]
    if not names and suffix:
        alternatives = [Alternative(suffix.removeprefix(", "), tried, base, presence)]
    with working("replaying") as report:
        replayed = replay_log(
            log,
            ran,
            alternatives,
            registry=registry,
            runs=runs,
            seed=seed,
            target_s=target_s,
            processes=processes or processors(),
            progress=report,
        )
    if json_wanted:
        click.echo(replayed_json(replayed, seed=seed, since=begins, until=ends))
    else:
        render(replayed, make_console(), managers=managers)
