"""What other programs were told, as tables and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, tzinfo

from rich import box
from rich.table import Table
from rich.text import Text

from pbx.cli.output import as_json, shown
from pbx.cli.tables import make_console
from pbx.cli.times import in_zone, span
from pbx.webhooks.queries import Delivery, TargetRow


def rows_json(rows: Sequence[TargetRow] | Sequence[Delivery]) -> str:
    """A JSON array; times in UTC."""
    return as_json([asdict(row) for row in rows])


def render_targets(rows: Sequence[TargetRow], now: datetime) -> None:
    """Print a row for each target."""
    console = make_console()
    if not rows:
        console.print("nothing was sent, and nothing waits")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in ("target", "waiting", "oldest", "arrived", "given up"):
        table.add_column(name, justify="left" if name == "target" else "right")
    for row in rows:
        age = span(max(0.0, (now - row.oldest).total_seconds())) if row.oldest else ""
        counts = (str(row.waiting), age, str(row.delivered), str(row.dead))
        table.add_row(shown(row.target) or "(not decided)", *counts)
    console.print(table)


def render_deliveries(rows: Sequence[Delivery], zone: tzinfo | None) -> None:
    """Print a row for each attempt."""
    console = make_console()
    if not rows:
        console.print("no deliveries")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in (
        "time",
        "message",
        "target",
        "event",
        "about",
        "status",
        "took",
        "what came of it",
    ):
        table.add_column(name, no_wrap=name in ("time", "message"))
    for row in rows:
        words = row.problem or "arrived"
        if row.problem and row.result:
            words += f", then {'given up' if row.result == 'dead' else 'arrived'}"
        table.add_row(
            f"{in_zone(row.at, zone):%d.%m. %H:%M:%S}",
            shown(row.event_id),
            shown(row.target),
            shown(row.kind),
            shown(row.subject),
            "" if row.status is None else str(row.status),
            span(row.took_s),
            Text(shown(words), style="red" if row.problem else "green"),
        )
    console.print(table)
