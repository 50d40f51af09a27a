"""A report as a table that a person can read."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pbx.cli.output import shown
from pbx.cli.times import in_zone, span
from pbx.reports.measures import MEASURES, Unit
from pbx.reports.report import Report, ReportRow

UNDEFINED = "–"


def render_report(found: Report, console: Console) -> None:
    """Print it: a row for each group, the total below."""
    query = found.query
    since, until = (in_zone(at, query.zone) for at in (query.period.since, query.period.until))
    line = f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} {query.zone}"
    if found.before is not None:
        line += f", compared with the time from {in_zone(found.before.since, query.zone):%Y-%m-%d}"
    console.print(Text(shown(line), style="bold"))
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in query.by:
        table.add_column(name)
    for name in query.measures:
        table.add_column(name.replace("_", " "), justify="right")
    for row in found.rows:
        table.add_row(*(Text(shown(label)) for label in row.key), *_values(found, row))
    if query.by:
        table.add_section()
    labels = [Text("total", style="bold"), *(Text("") for _ in query.by)][: len(query.by)]
    table.add_row(*labels, *_values(found, found.total))
    console.print(table)
    if found.left_out:
        console.print(f"{found.left_out} smaller rows are left out; --limit", style="dim")


def value_text(name: str, value: float | int | None) -> str:
    """With its unit."""
    if value is None:
        return UNDEFINED
    match MEASURES[name].unit:
        case Unit.SECONDS:
            return span(value)
        case Unit.SHARE:
            return f"{value:.1%}"
    return str(value)


def _values(found: Report, row: ReportRow) -> list[Text]:
    cells = []
    for name in found.query.measures:
        text = Text(value_text(name, row.values[name]))
        if found.query.compare:
            before = None if row.before is None else row.before[name]
            text.append(f"\n{value_text(name, before)}", style="dim")
        cells.append(text)
    return cells
