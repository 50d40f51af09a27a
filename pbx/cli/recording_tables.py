"""Recordings as a table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pbx.cli.output import shown
from pbx.cli.times import in_zone, span
from pbx.recordings.listing import Recorded


def render_recordings(
    rows: Sequence[Recorded], console: Console, *, folder: Path, zone: tzinfo | None
) -> None:
    """Print a table of recordings, one row each, and their sum."""
    if not rows:
        console.print("no recordings")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("talk began", no_wrap=True)
    table.add_column("call", no_wrap=True, style="dim")
    table.add_column("caller → number")
    table.add_column("queue")
    table.add_column("manager")
    table.add_column("length", justify="right", no_wrap=True)
    table.add_column("kept until", no_wrap=True)
    table.add_column("file", overflow="fold")
    for row in rows:
        table.add_row(
            f"{in_zone(row.started_at, zone):%d.%m. %H:%M:%S}",
            shown(row.call_id or ""),
            shown(f"{row.number or 'withheld'} → {row.did or ''}"),
            shown(row.queue or ""),
            shown(row.agent or ""),
            span(row.length_s),
            f"{in_zone(row.keep_until, zone):%Y-%m-%d}",
            _file(row),
        )
    console.print(table)
    there = [row for row in rows if row.length_s is not None and row.removed_at is None]
    total = span(sum(row.length_s or 0.0 for row in there))
    console.print(Text(f"{len(there)} recordings, {total}, in {shown(str(folder))}", style="bold"))


def _file(row: Recorded) -> Text:
    if row.removed_at is not None:
        return Text("removed", style="dim")
    if row.length_s is not None:
        return Text(shown(row.path))
    if row.problem:
        return Text(f"failed: {shown(row.problem)}", style="red")
    return Text("not finished", style="yellow")
