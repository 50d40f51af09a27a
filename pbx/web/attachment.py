"""A table of a period as a file to be kept."""

from __future__ import annotations

from datetime import tzinfo

from starlette.responses import Response

from pbx.reports.period import Period

KINDS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""By ending."""


def attachment(content: bytes, name: str, period: Period, zone: tzinfo, ending: str) -> Response:
    """Under a name that tells the period: ``report_2026-11-01_2026-12-01.csv``."""
    days = f"{period.since.astimezone(zone):%Y-%m-%d}_{period.until.astimezone(zone):%Y-%m-%d}"
    return Response(
        content,
        media_type=KINDS[ending],
        headers={"Content-Disposition": f'attachment; filename="{name}_{days}.{ending}"'},
    )


def marked(text: str) -> bytes:
    """A text with the mark at its beginning: Excel takes a file without it for one of its own code
    page."""
    return text.encode("utf-8-sig")
