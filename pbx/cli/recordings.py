"""``pbx recordings``: what was recorded, and the removal of what has been kept long enough."""

from __future__ import annotations

from pathlib import Path

import click

from pbx.cli.options import (
    db_option,
    log_to_write,
    moment_option,
    now_utc,
    open_log,
    tz_option,
    zone,
)
from pbx.cli.times import FORMS
from pbx.errors import PbxError
from pbx.settings import recordings_dir

DEFAULT_LIMIT = 50


@click.command()
@click.option("--since", metavar="TIME", help=f"Of calls that began then or later: {FORMS}.")
@click.option("--until", metavar="TIME", help="Of calls that began before; a day is included.")
@click.option("--number", help="The caller's number in any spelling, or its last digits; withheld.")
@click.option("--did", help="The number that was dialled, likewise.")
@click.option("--queue", help="Of calls that waited in this queue.")
@click.option("--manager", help="Of talks with this manager (the plan's key).")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="The newest so many; 0 for all.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@click.option("--prune", "prune_wanted", is_flag=True, help="Remove those kept long enough.")
@click.option("--dry-run", is_flag=True, help="With --prune: only tell what would be removed.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where they are (default: $VORONKA_RECORDINGS_DIR, else var/recordings).",
)
@db_option
@tz_option
@click.pass_context
def recordings(
    context: click.Context,
    since: str | None,
    until: str | None,
    number: str | None,
    did: str | None,
    queue: str | None,
    manager: str | None,
    limit: int,
    json_wanted: bool,
    prune_wanted: bool,
    dry_run: bool,
    folder: Path | None,
    db: str | None,
    tz: str | None,
) -> None:
    """List the recordings of talks, the newest last; or remove old ones.

    How long one is kept the plan said when it was made (record: keep). The engine removes it then;
    --prune does it at once, for where none runs. What is removed stays in the log, without its
    file.

    Example: pbx recordings --manager ivanov --since today

    Example: pbx recordings --prune --dry-run
    """
    if dry_run and not prune_wanted:
        raise click.UsageError("--dry-run goes with --prune")
    where = folder or recordings_dir()
    if prune_wanted:
        given = [
            name
            for name in ("since", "until", "number", "did", "queue", "manager", "limit")
            if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        ]
        if given:
            raise click.UsageError(
                f"--prune goes by the time of keeping alone, not by --{given[0]}"
            )
        _prune(db, where, dry_run=dry_run, json_wanted=json_wanted)
        return
    # Here, not above: slow to import, and a slip in the options is told without them.
    from pbx.journal.queries import CallFilter
    from pbx.recordings.listing import list_recordings

    local = zone(tz)
    wanted = CallFilter(
        since=moment_option("--since", since, local),
        until=moment_option("--until", until, local),
        number=number,
        did=did,
        queue=queue,
        agent=manager,
        limit=limit or None,
    )
    rows = list_recordings(open_log(db), wanted)
    if json_wanted:
        from pbx.cli.output import as_json

        click.echo(as_json(rows))
    else:
        from pbx.cli.recording_tables import render_recordings
        from pbx.cli.tables import make_console

        render_recordings(rows, make_console(), folder=where, zone=local)


def _prune(db: str | None, folder: Path, *, dry_run: bool, json_wanted: bool) -> None:
    from pbx.cli.output import as_json, shown
    from pbx.cli.progress import working
    from pbx.recordings.listing import prune, to_prune

    now = now_utc()
    if dry_run:
        done = to_prune(open_log(db), now)
    else:
        if not folder.is_dir():
            # Another folder's files would be noted as removed and be kept for ever.
            raise PbxError(f"{folder}: there is no folder of recordings here")
        with working("removing"):
            done = prune(log_to_write(db), folder, now)
    if json_wanted:
        click.echo(as_json(done))
    else:
        if dry_run:
            for path in done.paths:
                click.echo(shown(path))
        hours = done.length_s / 3600
        verb = "would be removed" if dry_run else "removed"
        click.echo(f"{len(done.paths)} recordings {verb}, {hours:.1f} hours")
    for path, why in done.failed:
        click.echo(shown(f"not removed: {path}: {why}"), err=True)
    if done.failed:
        raise click.exceptions.Exit(1)
