"""``pbx staff``: how many managers each half hour needs."""

from __future__ import annotations

from pathlib import Path

import click

from pbx.cli.options import db_option, moment_option, open_log, tz_option, zone
from pbx.cli.times import FORMS


@click.command()
@click.argument("forecast", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@click.option(
    "--since", metavar="TIME", help=f"Of the log, only what began then or later: {FORMS}."
)
@click.option("--until", metavar="TIME", help="Of the log, only what began before.")
@click.option("--queue", metavar="KEY", help="Of the log, only this queue's calls.")
@click.option(
    "--share", type=click.FloatRange(1, 99.9), default=80.0, show_default=True, help="Of calls, %."
)
@click.option(
    "--within",
    type=click.FloatRange(0, 3600),
    default=20.0,
    show_default=True,
    help="Answered within so many seconds.",
)
@click.option(
    "--occupancy",
    type=click.FloatRange(1, 99.9),
    default=90.0,
    show_default=True,
    help="Nobody shall be busier than this, %.",
)
@click.option(
    "--away",
    type=click.FloatRange(0, 90),
    default=0.0,
    show_default=True,
    help="Of those on the roster, not at the phone, %.",
)
@click.option(
    "--wrap-up",
    type=click.FloatRange(0, 3600),
    default=5.0,
    show_default=True,
    help="Seconds after each talk, with the log's talks.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print a JSON array.")
@db_option
@tz_option
def staff(
    forecast: Path | None,
    since: str | None,
    until: str | None,
    queue: str | None,
    share: float,
    within: float,
    occupancy: float,
    away: float,
    wrap_up: float,
    json_wanted: bool,
    db: str | None,
    tz: str | None,
) -> None:
    """Say how many managers each half hour needs for a service level.

    Calls and their length are of the forecast in FILE (docs/simulate.md), or of the log's mean
    day. By Erlang C: one queue, managers who can all take every call; departments that do not help
    each other need --queue, one at a time.

    Example: pbx staff forecast.yaml --share 80 --within 20 --away 15
    """
    from pbx.simulate.staff import Goal, forecast_file, needs

    local = zone(tz)
    if forecast is not None:
        if since or until or queue or db:
            raise click.UsageError("--since, --until, --queue and --db are of the log: no FILE")
        known = forecast_file(forecast)
    else:
        from pbx.cli.progress import working
        from pbx.simulate import history  # here: slow to import

        with working("reading the log"):
            known = history.forecast(
                open_log(db),
                since=moment_option("--since", since, local),
                until=moment_option("--until", until, local),
                queue=queue,
                zone=local,
                wrap_up_s=wrap_up,
            )
    goal = Goal(share / 100, within, occupancy / 100, away / 100)
    found = needs(known, goal)
    if json_wanted:
        from pbx.cli.output import as_json

        click.echo(as_json(found))
    else:
        from pbx.cli.simulate_tables import render_needs
        from pbx.cli.tables import make_console

        render_needs(found, known, make_console())
