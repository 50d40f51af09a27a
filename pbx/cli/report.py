"""``pbx report`` and ``pbx reports``: measures by slices, and the facts that they are made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pbx.cli.options import database_url, db_option, moment_option, open_log, plan_tz_option, zone
from pbx.cli.times import FORMS

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

    from sqlalchemy import Engine

    from pbx.reports.columns import ColumnStore
    from pbx.reports.copies import Kept
    from pbx.reports.period import Period

plan_option = click.option(
    "--plan", type=click.Path(path_type=Path), help="The plan (default: $VORONKA_PLAN, config)."
)


@click.command()
@click.option("--since", metavar="TIME", default="today", show_default=True, help=FORMS)
@click.option("--until", metavar="TIME", default="now", show_default=True, help="A day: its end.")
@click.option("--by", metavar="SLICE,...", help="One row for each: queue,hour.")
@click.option("--where", metavar="SLICE=LABEL,...", multiple=True, help="Only these: manager=anna.")
@click.option("--measures", metavar="NAME,...", help="What to tell; default: the usual nine.")
@click.option("--within", type=float, default=20.0, show_default=True, help="Service level, s.")
@click.option("--compare", is_flag=True, help="Also the period right before.")
@click.option("--limit", type=click.IntRange(min=1), default=10_000, help="Most rows.")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@click.option("--csv", "csv_wanted", is_flag=True, help="Print CSV.")
@click.option(
    "--xlsx", type=click.Path(path_type=Path, dir_okay=False), help="Write an Excel file."
)
@plan_option
@db_option
@plan_tz_option
def report(
    since: str,
    until: str,
    by: str | None,
    where: tuple[str, ...],
    measures: str | None,
    within: float,
    compare: bool,
    limit: int,
    json_wanted: bool,
    csv_wanted: bool,
    xlsx: Path | None,
    plan: Path | None,
    db: str | None,
    tz: str | None,
) -> None:
    """Tell measures of all calls of a period, by any slices (docs/metrics.md).

    Hours and days are those of the plan's time zone, or of --tz.

    Example: pbx report --since 2026-11-01 --by queue,hour --where manager=anna --compare
    """
    if json_wanted and csv_wanted:
        raise click.UsageError("--json or --csv, not both")
    # Here, not above: slow to import, and a slip in the options is told without them.
    from pbx.cli.progress import working
    from pbx.reports import report as reports
    from pbx.reports.measures import USUAL

    local, departments = of_plan(plan, tz)
    now = right_now()
    query = reports.Query(
        period_of(since, until, local),
        local,
        by=listed(by),
        where=conditions(where),
        measures=listed(measures) or USUAL,
        compare=compare,
        within_s=within,
        limit=limit,
        departments=departments,
    )
    with working("counting"):
        found = reports.report(open_log(db), columns_of(db), query, now)
    if xlsx is not None:
        from pbx.reports.export import write_xlsx

        write_xlsx(found, xlsx)
    if json_wanted:
        from pbx.reports.export import as_json

        click.echo(as_json(found))
    elif csv_wanted:
        from pbx.reports.export import as_csv

        click.echo(as_csv(found), nl=False)
    elif xlsx is None:
        from pbx.cli.report_tables import render_report
        from pbx.cli.tables import make_console

        render_report(found, make_console())


@click.group()
def reports() -> None:
    """The facts that reports are made of: one row for each call that has ended.

    Example: pbx reports rebuild --check
    """


@reports.command()
@click.option("--check", "check_only", is_flag=True, help="Change nothing; 1 when a fact is wrong.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object.")
@db_option
def rebuild(check_only: bool, json_wanted: bool, db: str | None) -> None:
    """Make all facts anew from the log, then prove each equal to what the log says.

    So are the files of columns that reports and funnels are counted from. For a log of before there
    were facts. Calls may come in meanwhile.

    Example: pbx reports rebuild --check
    """
    from pbx.cli.output import told
    from pbx.cli.progress import shares, working
    from pbx.funnel.passed import FUNNEL
    from pbx.journal.database import open_for_writing
    from pbx.reports.book import calls_in, check
    from pbx.reports.book import rebuild as make_anew
    from pbx.reports.copies import REPORTS, compare

    url = database_url(db)
    log = open_log(url)
    calls = calls_in(log)
    read = None
    if not check_only:
        with working("making all facts anew") as report:
            read = make_anew(open_for_writing(url), shares(report, calls))
    if read is not None and not json_wanted:
        click.echo(f"{read} calls read")
    with working("proving them") as report:
        found = check(log, shares(report, calls))
    store, kept = columns_of(db), (REPORTS, FUNNEL)
    if not check_only:
        with working("making files of columns"):
            _make_columns(log, store, kept)
    with working("proving the files"):
        files = compare(log, store, kept)
    for example in (*found.examples, *files.examples):
        click.echo(example, err=True)
    told(
        {
            "read": read,
            "calls": found.calls,
            "wrong": found.wrong,
            "files": files.files,
            "wrong_files": files.wrong,
        },
        f"{found.calls} calls ended, {found.wrong} of them with wrong facts; "
        f"{files.files} files of columns, {files.wrong} of them wrong",
        json_wanted,
    )
    if found.wrong or files.wrong:
        raise SystemExit(1)


def _make_columns(log: Engine, store: ColumnStore, kept: tuple[Kept, ...]) -> None:
    """Raises ReportError where they can't be kept."""
    from pbx.errors import ReportError
    from pbx.reports.copies import make_all

    try:
        make_all(log, store, kept)
    except OSError as error:
        raise ReportError(f"the files can't be kept: {error.strerror}") from error


def of_plan(plan: Path | None, tz: str | None) -> tuple[tzinfo, dict[str, str]]:
    """Time zone and departments as the plan has them; a plan that is not there has neither."""
    from datetime import UTC

    from pbx.settings import plan_path

    path = plan or plan_path()
    departments: dict[str, str] = {}
    name = None
    if plan is not None or path.exists():
        from pbx.plan.load import load

        loaded = load(path)
        name = loaded.time_zone
        departments = {
            str(key): one.department for key, one in loaded.routing.agents.items() if one.department
        }
    return zone(tz or name) or UTC, departments


def period_of(since: str, until: str, local: tzinfo) -> Period:
    """The period that is asked for.  Raises BadParameter."""
    from pbx.reports.period import Period

    begin = moment_option("--since", since, local)
    end = moment_option("--until", until, local)
    assert begin is not None, "it has a default"
    assert end is not None, "it has a default"
    try:
        return Period.of(begin, end)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--until") from error


def conditions(where: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """``manager=anna,boris`` as a slice and its labels.  Raises BadParameter."""
    found: dict[str, tuple[str, ...]] = {}
    for one in where:
        name, sign, labels = one.partition("=")
        if not sign:
            raise click.BadParameter(f"{one!r} is not SLICE=LABEL", param_hint="--where")
        found[name.strip()] = tuple(label.strip() for label in labels.split(","))
    return found


def listed(text: str | None) -> tuple[str, ...]:
    """``queue, hour`` as names."""
    return tuple(one.strip() for one in (text or "").split(",") if one.strip())


def columns_of(db: str | None) -> ColumnStore:
    """The files beside the log."""
    from pbx.reports.columns import ColumnStore

    state = Path(os.environ.get("VORONKA_STATE_DIR", "var"))
    return ColumnStore.beside(state, database_url(db))


def right_now() -> datetime:
    """Aware, UTC."""
    from pbx.engine.clock import SystemClock

    clock = SystemClock()
    return clock.utc(clock.now())
