"""A report for other programs: JSON, CSV, XLSX.

House rules: callers, partners and managers choose some of the texts in here (a source, a menu's
name, whatever a CRM has sent).  No cell may be read as a formula by a spreadsheet.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson
import xlsxwriter

from pbx.errors import ReportError
from pbx.reports.measures import MEASURES, Unit
from pbx.reports.report import Report, ReportRow

Cell = str | float | int | None

TOTAL = "total"
BEFORE = "_before"
"""Ends the names of columns that are of the period before."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%", "＝", "＋", "－", "＠")
"""What makes a spreadsheet read a text as a formula or a command (OWASP, CSV injection); also in
full width, which some of them turn into the plain ones."""
_MOST_IN_CELL = 32_767
"""Excel's limit, characters."""


def table(found: Report) -> tuple[list[str], list[list[Cell]]]:
    """Header and rows, the total last: slices, measures, the same of the period before."""
    names = list(found.query.measures)
    header = [*found.query.by, *names]
    if found.query.compare:
        header += [name + BEFORE for name in names]
    rows = [_cells(found, row, row.key) for row in found.rows]
    if found.query.by:
        width = len(found.query.by)
        rows.append(_cells(found, found.total, (TOTAL,) + ("",) * (width - 1)))
    return header, rows or [_cells(found, found.total, ())]


def as_csv(found: Report) -> str:
    """CSV; numbers with a point, nothing where a measure is not defined."""
    header, rows = table(found)
    return csv_text(header, rows)


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """CSV that no spreadsheet reads a formula in."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([harmless(name) for name in header])
    for row in rows:
        writer.writerow([_written(value) for value in row])
    return out.getvalue()


def harmless(text: str) -> str:
    """``text`` on one line, with an apostrophe before it where a spreadsheet would compute it."""
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    # Spaces before a sign are skipped when a file is read.
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def as_json(found: Report) -> bytes:
    """JSON: the period, rows, total; times in UTC."""
    period, before = found.query.period, found.before
    content = {
        "since": period.since,
        "until": period.until,
        "before": None if before is None else {"since": before.since, "until": before.until},
        "by": found.query.by,
        "units": {name: MEASURES[name].unit.value for name in found.query.measures},
        "rows": [_json_row(row) for row in found.rows],
        "total": _json_row(found.total),
        "left_out": found.left_out,
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def write_xlsx(found: Report, path: Path) -> None:
    """An Excel file with one sheet.  Raises ReportError where it can't be written."""
    header, rows = table(found)
    units = [None] * len(found.query.by) + [
        MEASURES[name.removesuffix(BEFORE)].unit for name in header[len(found.query.by) :]
    ]
    write_sheet(path, header, rows, units)


def write_sheet(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    units: Sequence[Unit | None],
) -> None:
    """An Excel file: texts stay texts, whatever they begin with."""
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    try:
        with xlsxwriter.Workbook(str(path), options) as book:
            sheet = book.add_worksheet("report")
            bold = book.add_format({"bold": True})
            formats = {
                Unit.SHARE: book.add_format({"num_format": "0.0%"}),
                Unit.SECONDS: book.add_format({"num_format": "0.0"}),
            }
            for column, name in enumerate(header):
                sheet.write_string(0, column, _plain(name), bold)
            for line, row in enumerate(rows, start=1):
                for column, value in enumerate(row):
                    unit = units[column]
                    if isinstance(value, str):
                        sheet.write_string(line, column, _plain(value))
                    elif value is not None:
                        style = formats.get(unit) if unit is not None else None
                        sheet.write_number(line, column, value, style)
            sheet.freeze_panes(1, 0)
    except (OSError, xlsxwriter.exceptions.XlsxWriterException) as error:
        raise ReportError(f"{path}: can't be written: {error}") from error


def _cells(found: Report, row: ReportRow, key: Sequence[str]) -> list[Cell]:
    names = found.query.measures
    cells: list[Cell] = [*key, *(row.values[name] for name in names)]
    if found.query.compare:
        cells += [None if row.before is None else row.before[name] for name in names]
    return cells


def _json_row(row: ReportRow) -> dict[str, object]:
    found: dict[str, object] = {"key": row.key, "values": row.values}
    return found if row.before is None else found | {"before": row.before}


def _written(value: Cell) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.6g}" if abs(value) < 1000 else f"{value:.3f}"
        case int():
            return str(value)
    return harmless(value)


def _plain(text: str) -> str:
    """What a sheet can hold: XML knows no control characters and no halves of pairs."""
    return "".join(sign if sign.isprintable() else " " for sign in text)[:_MOST_IN_CELL]
