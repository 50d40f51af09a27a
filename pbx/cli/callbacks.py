"""``pbx callbacks``: whom the engine calls back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, astuple, fields
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

import click

from pbx.cli.options import db_option, moment_option, now_utc, open_log, tz_option, zone
from pbx.cli.times import FORMS, in_zone, span

if TYPE_CHECKING:
    from pbx.journal.callback_queries import CallbackTask


@click.command()
@click.option("--all", "closed_too", is_flag=True, help="Also those that are over.")
@click.option("--since", metavar="TIME", help=f"Asked for then or later: {FORMS}.")
@click.option("--json", "json_wanted", is_flag=True, help="Print a JSON array.")
@click.option("--csv", "csv_wanted", is_flag=True, help="Print CSV.")
@db_option
@tz_option
def callbacks(
    closed_too: bool,
    since: str | None,
    json_wanted: bool,
    csv_wanted: bool,
    db: str | None,
    tz: str | None,
) -> None:
    """List the clients whom the engine is to call back, in the order of their places.

    Example: pbx callbacks --all --since today
    """
    if json_wanted and csv_wanted:
        raise click.UsageError("--json or --csv, not both")
    # Here, not above: slow to import, and a slip in the options is told without them.
    from pbx.cli.output import as_json, csv_lines
    from pbx.journal.callback_queries import CallbackTask, list_callbacks

    local = zone(tz)
    rows = list_callbacks(
        open_log(db), open_only=not closed_too, since=moment_option("--since", since, local)
    )
    if json_wanted:
        click.echo(as_json([asdict(row) for row in rows]))
    elif csv_wanted:
        names = tuple(field.name for field in fields(CallbackTask))
        click.echo(csv_lines(names, [astuple(row) for row in rows], local), nl=False)
    else:
        _render(rows, now=now_utc(), local=local)


def _render(rows: Sequence[CallbackTask], *, now: datetime, local: tzinfo | None) -> None:
    from rich import box
    from rich.table import Table

    from pbx.cli.output import shown
    from pbx.cli.tables import make_console

    console = make_console()
    if not rows:
        console.print("nobody to call back")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("id, asked in", no_wrap=True)
    table.add_column("client → number")
    table.add_column("queue")
    table.add_column("place since", no_wrap=True)
    table.add_column("open for", justify="right", no_wrap=True)
    table.add_column("calls", justify="right")
    table.add_column("how it stands")
    for row in rows:
        until = row.closed_at or now
        table.add_row(
            f"{shown(row.callback_id)}\n{shown(row.call_id)}",
            f"{shown(f'{row.number} {row.name}'.strip())}\n→ {shown(row.did)}",
            shown(row.queue),
            f"{in_zone(row.since, local):%d.%m. %H:%M:%S}",
            span(max(0.0, (until - row.opened_at).total_seconds())),
            str(row.attempts),
            shown(_stands(row, now, local)),
        )
    console.print(table)
    results = Counter(row.result or "open" for row in rows)
    console.print(", ".join(f"{count} {_words(name)}" for name, count in sorted(results.items())))


def _stands(row: CallbackTask, now: datetime, local: tzinfo | None) -> str:
    if row.result is not None:
        return _words(row.result)
    if row.dialled_call:
        return "is being called"
    if row.next_at is not None and row.next_at > now:
        at = in_zone(row.next_at, local)
        return f"{_words(row.reason or '')}; not before {at:%H:%M:%S}"
    return "missed, in line" if row.missed else "in line"


def _words(name: str) -> str:
    return name.replace("_", " ")
