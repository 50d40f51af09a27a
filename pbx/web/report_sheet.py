"""A report as an Excel file that people read: names in their language."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pbx.reports.export import BEFORE, TOTAL, table, write_sheet
from pbx.reports.measures import MEASURES
from pbx.reports.report import Report
from pbx.web.labels import Labels
from pbx.web.texts import Texts


def sheet(found: Report, labels: Labels, t: Texts) -> bytes:
    """An Excel file with names that people read."""
    header, rows = table(found)
    by = found.query.by
    for row in rows:
        for place, name in enumerate(by):
            if row[0] == TOTAL and row is rows[-1]:
                row[0] = t("reports.total")
                break
            row[place] = labels.label(name, str(row[place]))
    names = [name.removesuffix(BEFORE) for name in header[len(by) :]]
    titles = [
        labels.measure(name) + (f" ({t('reports.before')})" if whole.endswith(BEFORE) else "")
        for name, whole in zip(names, header[len(by) :], strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.xlsx"
        write_sheet(
            path,
            [*(labels.slice(name) for name in by), *titles],
            rows,
            [None] * len(by) + [MEASURES[name].unit for name in names],
        )
        return path.read_bytes()
