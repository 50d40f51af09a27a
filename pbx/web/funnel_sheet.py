"""A funnel as an Excel file that people read: names in their language."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pbx.funnel.export import COLUMNS, table, units
from pbx.funnel.report import FunnelReport
from pbx.reports.export import write_sheet
from pbx.web.labels import Labels
from pbx.web.names import stage_title
from pbx.web.texts import Texts


def sheet(found: FunnelReport, labels: Labels, t: Texts) -> bytes:
    """An Excel file with names that people read."""
    by = found.query.by
    header, rows = table(
        found,
        lambda stage, title: stage_title(stage, title, t),
        lambda label: labels.label(by, label),
        t("reports.total"),
    )
    columns = [t(f"funnel.column.{name.removesuffix('_s')}") for name, _ in COLUMNS]
    # Seconds there, as all times in our files; days and hours in the page.
    columns[-1] += f", {t('funnel.seconds')}"
    titles = [*([labels.slice(by)] if by else []), t("funnel.column.stage"), *columns]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "funnel.xlsx"
        write_sheet(path, titles, rows, units(header))
        return path.read_bytes()
