"""``pbx funnel``: where sales narrow."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pbx.cli.options import database_url, db_option, open_log, plan_tz_option, zone
from pbx.cli.report import columns_of, conditions, listed, period_of, plan_option, right_now
from pbx.cli.times import FORMS

if TYPE_CHECKING:
    from pbx.plan.model import Plan

_way = click.option("--incoming", is_flag=True, help="The funnel of incoming calls.")


@click.group(invoke_without_command=True)
@click.option("--since", metavar="TIME", default="4w", show_default=True, help=FORMS)
@click.option("--until", metavar="TIME", default="now", show_default=True, help="A day: its end.")
@click.option("--cohort", is_flag=True, help="Of those who entered in the period, until now.")
@click.option("--by", type=click.Choice(["manager", "source", "department"]), help="One for each.")
@click.option("--where", metavar="SLICE=LABEL,...", multiple=True, help="Only these: manager=anna.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@click.option("--csv", "csv_wanted", is_flag=True, help="Print CSV.")
@click.option(
    "--xlsx", type=click.Path(path_type=Path, dir_okay=False), help="Write an Excel file."
)
@_way
@plan_option
@db_option
@plan_tz_option
@click.pass_context
def funnel(
    context: click.Context,
    since: str,
    until: str,
    cohort: bool,
    by: str | None,
    where: tuple[str, ...],
    json_wanted: bool,
    csv_wanted: bool,
    xlsx: Path | None,
    incoming: bool,
    plan: Path | None,
    db: str | None,
    tz: str | None,
) -> None:
    """Tell how many came how far, and where most are lost (docs/funnel.md).

    Without --cohort each passing of a stage in the period counts, whoever passed.

    Example: pbx funnel --since 2026-11-01 --cohort --by manager
    """
    if context.invoked_subcommand is not None:
        return
    if json_wanted and csv_wanted:
        raise click.UsageError("--json or --csv, not both")
    from pbx.cli.progress import working
    from pbx.funnel.count import Reading
    from pbx.funnel.report import FunnelQuery, funnel_report
    from pbx.funnel.stages import Funnel, Way

    loaded = _plan(plan)
    local = zone(tz or loaded.time_zone) or UTC
    assert loaded.funnel is not None, "a plan from YAML has one"
    query = FunnelQuery(
        Funnel.of(loaded.funnel, Way.INCOMING if incoming else Way.SALES),
        period_of(since, until, local),
        Reading.COHORT if cohort else Reading.EVENTS,
        by or "",
        conditions(where),
        _departments(loaded),
    )
    with working("counting"):
        found = funnel_report(open_log(db), columns_of(db), query, right_now())
    if xlsx is not None:
        from pbx.funnel.export import write_xlsx

        write_xlsx(found, xlsx)
    if json_wanted:
        from pbx.funnel.export import as_json

        click.echo(as_json(found))
    elif csv_wanted:
        from pbx.funnel.export import as_csv

        click.echo(as_csv(found), nl=False)
    elif xlsx is None:
        from pbx.cli.funnel_tables import render_funnel
        from pbx.cli.tables import make_console

        render_funnel(found, make_console())


@funnel.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only say what is wrong, or how many would be new.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@plan_option
@db_option
@plan_tz_option
def import_(
    file: Path,
    dry_run: bool,
    json_wanted: bool,
    plan: Path | None,
    db: str | None,
    tz: str | None,
) -> None:
    """Take stage events from a CSV file, all of it or nothing; again changes nothing.

    Columns: stage, at, number or deal; also manager, source, call, key.

    Example: pbx funnel import invoices.csv
    """
    from pbx.cli.output import told
    from pbx.cli.progress import working
    from pbx.funnel.book import note_in
    from pbx.funnel.importing import Rules, read_events
    from pbx.funnel.stages import QUALIFIED
    from pbx.journal.database import open_for_writing, told_as_ours

    loaded = _plan(plan)
    assert loaded.funnel is not None, "a plan from YAML has one"
    rules = Rules(
        (*loaded.funnel.stages, QUALIFIED),
        {str(one) for one in loaded.routing.agents},
        loaded.region,
        zone(tz or loaded.time_zone) or UTC,
    )
    now = right_now()
    with working("reading the file"):
        events = read_events(str(file), file.read_bytes(), rules, now)
    url = database_url(db)
    open_log(url).dispose()
    engine = open_for_writing(url)
    with working("writing the events"), told_as_ours(engine), engine.connect() as connection:
        transaction = connection.begin()
        noted = note_in(connection, events, now)
        if dry_run:
            transaction.rollback()
        else:
            transaction.commit()
    would = "would be " if dry_run else ""
    told(
        {"new": noted.new, "known": noted.known, "dry_run": dry_run},
        f"{noted.new} events {would}new, {noted.known} known",
        json_wanted,
    )


@funnel.command()
@click.option("--by", default="manager,source", show_default=True, help="Slices to look at, too.")
@click.option("--all", "all_wanted", is_flag=True, help="Also the steady ones, and too few data.")
@click.option(
    "--json", "json_wanted", is_flag=True, help="Print a JSON array of all that was judged."
)
@_way
@plan_option
@db_option
def sag(
    by: str,
    all_wanted: bool,
    json_wanted: bool,
    incoming: bool,
    plan: Path | None,
    db: str | None,
) -> None:
    """Tell which stages have fallen in the last settled week, against the eight before.

    Exit code 1 when one has.

    Example: pbx funnel sag
    """
    from pbx.cli.funnel_tables import render_sag
    from pbx.cli.output import as_json
    from pbx.cli.progress import working
    from pbx.cli.tables import make_console
    from pbx.funnel.sag import Verdict
    from pbx.funnel.stages import Funnel, Way
    from pbx.funnel.watch import EPOCH, Look, Watch, slices_of, watch

    loaded = _plan(plan)
    assert loaded.funnel is not None, "a plan from YAML has one"
    wanted = Watch(
        Funnel.of(loaded.funnel, Way.INCOMING if incoming else Way.SALES),
        Look(),
        slices_of(listed(by), _departments(loaded)),
    )
    with working("judging the weeks"):
        judged = watch(open_log(db), columns_of(db), wanted, EPOCH, right_now())
    if json_wanted:
        click.echo(as_json(judged))
    else:
        render_sag(judged, make_console(), all_wanted=all_wanted)
    if any(one.verdict is Verdict.FELL for one in judged):
        raise SystemExit(1)


def _plan(plan: Path | None) -> Plan:
    from pbx.plan.load import load
    from pbx.settings import plan_path

    return load(plan or plan_path())


def _departments(plan: Plan) -> dict[str, str]:
    agents = plan.routing.agents.items()
    return {str(key): one.department for key, one in agents if one.department}
