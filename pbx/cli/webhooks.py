"""``pbx webhooks``: what other programs were told."""

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

_target = click.option("--target", default="", help="Only this one's.")
_json = click.option("--json", "json_wanted", is_flag=True, help="Print a JSON array.")


@click.group(invoke_without_command=True)
@_json
@db_option
@click.pass_context
def webhooks(context: click.Context, json_wanted: bool, db: str | None) -> None:
    """List the targets: messages that wait, arrived, and were given up in the last seven days.

    Example: pbx webhooks
    """
    if context.invoked_subcommand is not None:
        context.obj = db
        return
    from pbx.cli.webhook_tables import render_targets, rows_json
    from pbx.webhooks.queries import targets

    rows = targets(open_log(db))
    if json_wanted:
        click.echo(rows_json(rows))
    else:
        render_targets(rows, now_utc())


@webhooks.command()
@click.argument("event", required=False, default="")
@_target
@click.option("--since", metavar="TIME", help=f"Tried then or later: {FORMS}.")
@click.option("--failed", is_flag=True, help="Only attempts that failed.")
@click.option("--dead", is_flag=True, help="Only messages that were given up.")
@click.option(
    "--most",
    type=click.IntRange(1, 10_000),
    default=200,
    show_default=True,
    help="At most so many, the newest.",
)
@_json
@db_option
@tz_option
@click.pass_obj
def deliveries(
    obj: str | None,
    event: str,
    target: str,
    since: str | None,
    failed: bool,
    dead: bool,
    most: int,
    json_wanted: bool,
    db: str | None,
    tz: str | None,
) -> None:
    """List attempts to send, the newest first; those of EVENT alone where it is named.

    Example: pbx webhooks deliveries --target crm --failed --since today
    """
    from pbx.cli.webhook_tables import render_deliveries, rows_json
    from pbx.webhooks.queries import DeliveryFilter
    from pbx.webhooks.queries import deliveries as ask

    local = zone(tz)
    begin = moment_option("--since", since, local)
    rows = ask(open_log(db or obj), DeliveryFilter(event, target, begin, failed, dead, most))
    if json_wanted:
        click.echo(rows_json(rows))
    else:
        render_deliveries(rows, local)


@webhooks.command()
@click.argument("event", nargs=-1)
@click.option("--since", metavar="TIME", help=f"Everything that happened since then: {FORMS}.")
@_target
@click.option("--dead", is_flag=True, help="With --since: only what was given up.")
@db_option
@tz_option
@click.pass_obj
def replay(
    obj: str | None,
    event: tuple[str, ...],
    since: str | None,
    target: str,
    dead: bool,
    db: str | None,
    tz: str | None,
) -> None:
    """Send messages again, under the ids they had: EVENTs, or all that happened --since.

    The running engine sends them. A receiver that keeps ids knows what it has already.

    Example: pbx webhooks replay --since 2h --target crm --dead
    """
    if bool(event) == (since is not None) or (event and (target or dead)):
        raise click.UsageError("name messages, or give --since (with --target, --dead)")
    from pbx.webhooks.queries import replay as again
    from pbx.webhooks.queries import replay_since

    log = log_to_write(db or obj)
    begin = moment_option("--since", since, zone(tz))
    if begin is None:
        count = again(log, event, now_utc())
    else:
        count = replay_since(log, begin, now_utc(), target=target, dead_only=dead)
    click.echo(f"{count} {'message is' if count == 1 else 'messages are'} sent again")


@webhooks.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check a file of targets, as VORONKA_WEBHOOKS_FILE names it; changes nothing.

    Example: pbx webhooks check /etc/voronka/webhooks.yaml
    """
    from pbx.webhooks.targets import read_targets

    for one in read_targets(file, Path()):
        click.echo(f"{one.name}: {one!r}, {len(one.events)} kinds of events")
