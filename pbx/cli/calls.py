"""``pbx calls``: the log as a list."""

from __future__ import annotations

import click

from pbx.cli.options import db_option, moment_option, open_log, tz_option, zone
from pbx.cli.times import FORMS
from routing.values import Outcome

DEFAULT_LIMIT = 50
_IN_PROGRESS = "in_progress"


@click.command()
@click.option("--since", metavar="TIME", help=f"Calls that began then or later: {FORMS}.")
@click.option("--until", metavar="TIME", help="Calls that began before; a day is included.")
@click.option("--number", help="The caller's number in any spelling, or its last digits; withheld.")
@click.option("--did", help="The number that was dialled, likewise.")
@click.option("--queue", help="Calls that waited in this queue.")
@click.option("--manager", help="Calls for which this manager was rung (the plan's key).")
@click.option(
    "--outcome",
    type=click.Choice([*(one.value for one in Outcome), _IN_PROGRESS], case_sensitive=False),
    help="How they ended.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="The newest so many; 0 for all.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print a JSON array.")
@click.option("--csv", "csv_wanted", is_flag=True, help="Print CSV.")
@db_option
@tz_option
def calls(
    since: str | None,
    until: str | None,
    number: str | None,
    did: str | None,
    queue: str | None,
    manager: str | None,
    outcome: str | None,
    limit: int,
    json_wanted: bool,
    csv_wanted: bool,
    db: str | None,
    tz: str | None,
) -> None:
    """List the calls of the log, the newest last, and their totals.

    Example: pbx calls --since today --outcome abandoned_waiting
    """
    if json_wanted and csv_wanted:
        raise click.UsageError("--json or --csv, not both")
    # Here, not above: slow to import, and a slip in the options is told without them.
    from pbx.cli.progress import working
    from pbx.journal.queries import CallFilter, list_calls, totals

    local = zone(tz)
    wanted = CallFilter(
        since=moment_option("--since", since, local),
        until=moment_option("--until", until, local),
        number=number,
        did=did,
        queue=queue,
        agent=manager,
        outcome=outcome,
        limit=limit or None,
    )
    log = open_log(db)
    with working("reading the log"):
        rows = list_calls(log, wanted)
        sums = None if json_wanted or csv_wanted else totals(log, wanted)
    if json_wanted:
        from pbx.cli.output import as_json

        click.echo(as_json(rows))
    elif csv_wanted:
        from pbx.cli.output import as_csv

        click.echo(as_csv(rows, local), nl=False)
    else:
        from pbx.cli.tables import make_console, render_calls

        console = make_console()
        render_calls(rows, console, zone=local, totals=sums)
        if sums is not None and sums.calls > len(rows):
            console.print(f"the newest {len(rows)} are shown; --limit 0 shows all", style="dim")
