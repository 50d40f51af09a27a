"""``pbx missed``: who is to be called back."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

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
from pbx.cli.output import told
from pbx.cli.times import FORMS

if TYPE_CHECKING:
    from pbx.missed.book import MissedBook


@click.group(invoke_without_command=True)
@click.option("--all", "closed_too", is_flag=True, help="Also those that are closed.")
@click.option("--owner", help="A manager's or a queue's key; nobody for those that have none.")
@click.option("--since", metavar="TIME", help=f"Missed then or later: {FORMS}.")
@click.option("--json", "json_wanted", is_flag=True, help="Print a JSON array.")
@click.option("--csv", "csv_wanted", is_flag=True, help="Print CSV.")
@db_option
@tz_option
@click.pass_context
def missed(
    context: click.Context,
    closed_too: bool,
    owner: str | None,
    since: str | None,
    json_wanted: bool,
    csv_wanted: bool,
    db: str | None,
    tz: str | None,
) -> None:
    """List the missed calls that nobody has called back, the oldest first.

    A number stands here once, however often it called. It leaves by itself when the client or a
    manager calls and they talk (docs/missed.md).

    Example: pbx missed --owner sales --since today
    """
    if context.invoked_subcommand is not None:
        if closed_too or owner or since or json_wanted or csv_wanted:
            raise click.UsageError(f"{context.invoked_subcommand} takes its options behind it")
        context.obj = db
        return
    if json_wanted and csv_wanted:
        raise click.UsageError("--json or --csv, not both")
    # Here, not above: slow to import, and a slip in the options is told without them.
    from pbx.missed.queries import TaskFilter, list_tasks

    local = zone(tz)
    wanted = TaskFilter(
        open_only=not closed_too, owner=owner, since=moment_option("--since", since, local)
    )
    rows = list_tasks(open_log(db), wanted)
    now = now_utc()
    if json_wanted:
        from pbx.cli.missed_tables import tasks_json

        click.echo(tasks_json(rows, now))
    elif csv_wanted:
        from pbx.cli.missed_tables import tasks_csv

        click.echo(tasks_csv(rows, now, local), nl=False)
    else:
        from pbx.cli.missed_tables import render_tasks
        from pbx.cli.tables import make_console

        render_tasks(rows, make_console(), now=now, zone=local)


@missed.command()
@click.argument("task_id", metavar="ID")
@click.option("--reason", required=True, help="Why; spam: the number opens no further tasks.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@db_option
@click.pass_obj
def close(obj: str | None, task_id: str, reason: str, json_wanted: bool, db: str | None) -> None:
    """Close the missed call ID by hand: nobody needs to call back.

    Example: pbx missed close 1795463763.12 --reason "answered by mail"
    """
    from pbx.missed.book import close_by_hand

    if not reason.strip():
        raise click.BadParameter("say why", param_hint="--reason")
    task = close_by_hand(
        log_to_write(db or obj),
        task_id,
        at=now_utc(),
        by=getpass.getuser(),
        reason=reason.strip()[:200],
    )
    told(
        {"closed": task.number, "calls": task.calls},
        f"closed: {task.number}, {task.calls} missed",
        json_wanted,
    )


@missed.command()
@click.argument("task_id", metavar="ID")
@click.option("--plan", type=click.Path(path_type=Path), help="The plan (default: $VORONKA_PLAN).")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@db_option
@click.pass_obj
def reopen(
    obj: str | None, task_id: str, plan: Path | None, json_wanted: bool, db: str | None
) -> None:
    """Open the missed call ID again, whatever closed it: somebody needs to call back all the same.

    Only a number's last one. No talk of before closes it any more.

    Example: pbx missed reopen 1795463763.12
    """
    task = _book(plan).reopen(log_to_write(db or obj), task_id, at=now_utc(), by=getpass.getuser())
    told(
        {"reopened": task.number, "calls": task.calls},
        f"open again: {task.number}, {task.calls} missed",
        json_wanted,
    )


@missed.command()
@click.option("--plan", type=click.Path(path_type=Path), help="The plan (default: $VORONKA_PLAN).")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@db_option
@click.pass_obj
def rebuild(obj: str | None, plan: Path | None, json_wanted: bool, db: str | None) -> None:
    """Work all missed calls out anew from the log; what a person closed or reopened stays so.

    For a log of before there were tasks, and after changing who owns what. The plan tells how
    long a manager owns a number.

    Example: pbx missed rebuild --plan /etc/voronka/plan
    """
    from pbx.cli.progress import working

    with working("working all missed calls out anew") as report:
        count = _book(plan).rebuild(log_to_write(db or obj), now_utc(), report)
    told({"missed": count}, f"{count} missed calls, merged by number", json_wanted)


def _book(plan: Path | None) -> MissedBook:
    """With the plan's owners.  Raises PlanError."""
    from pbx.missed.book import MissedBook
    from pbx.missed.owners import owner_rule
    from pbx.plan.load import load
    from pbx.settings import plan_path

    return MissedBook(owner_rule(load(plan or plan_path()).routing), {})
