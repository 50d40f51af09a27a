"""A funnel for other programs: JSON, CSV, XLSX.

House rules: no cell may be read as a formula by a spreadsheet (pbx/reports/export.py).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import orjson

from pbx.funnel.count import Counted
from pbx.funnel.report import FunnelReport
from pbx.reports.export import TOTAL, Cell, csv_text, write_sheet
from pbx.reports.measures import Unit

COLUMNS: tuple[tuple[str, Unit], ...] = (
    ("count", Unit.COUNT),
    ("to_previous", Unit.SHARE),
    ("to_top", Unit.SHARE),
    ("open", Unit.COUNT),
    ("decided", Unit.SHARE),
    ("median_s", Unit.SECONDS),
)
"""Of a stage; the names are those of JSON."""
STAGE = "stage"


def as_json(found: FunnelReport) -> bytes:
    """The period, all together, and each group; times in UTC."""
    content = {
        "since": found.query.period.since,
        "until": found.query.period.until,
        "total": found.total,
        "groups": dict(found.groups),
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def table(
    found: FunnelReport,
    titled: Callable[[str, str], str] = lambda stage, _: stage,
    labelled: Callable[[str], str] = lambda label: label,
    total: str = TOTAL,
) -> tuple[list[str], list[list[Cell]]]:
    """Header and rows, one for each stage: the groups, then all together.

    ``titled``: what a stage with this name and title is called; ``labelled``: a group.
    """
    by = found.query.by
    header = [*([by] if by else []), STAGE, *(name for name, _ in COLUMNS)]

    def rows_of(label: str, counted: Counted) -> list[list[Cell]]:
        return [
            [
                *([label] if by else []),
                titled(step.stage, step.title),
                *(getattr(step, name) for name, _ in COLUMNS),
            ]
            for step in counted.steps
        ]

    groups = [(labelled(label), counted) for label, counted in found.groups.items()]
    every = [*groups, (total, found.total)]
    return header, [row for label, counted in every for row in rows_of(label, counted)]


def as_csv(found: FunnelReport) -> str:
    """CSV; numbers with a point, nothing where there is none to tell."""
    return csv_text(*table(found))


def write_xlsx(found: FunnelReport, path: Path) -> None:
    """An Excel file with one sheet.  Raises ReportError where it can't be written."""
    header, rows = table(found)
    write_sheet(path, header, rows, units(header))


def as_xlsx(found: FunnelReport) -> bytes:
    """The same file's content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "funnel.xlsx"
        write_xlsx(found, path)
        return path.read_bytes()


def units(header: list[str]) -> list[Unit | None]:
    """Of its columns."""
    return [*([None] * (len(header) - len(COLUMNS))), *(unit for _, unit in COLUMNS)]
