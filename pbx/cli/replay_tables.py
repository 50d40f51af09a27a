"""A replay as tables and as JSON: first how far it can be trusted, then what it says."""

from __future__ import annotations

from datetime import datetime

from rich import box
from rich.console import Console
from rich.table import Table

from pbx.cli.output import as_json, shown
from pbx.cli.simulate_tables import render as render_results
from pbx.cli.simulate_tables import results, value
from pbx.simulate.intervals import Estimate
from pbx.simulate.replay import Figures, Replayed
from pbx.simulate.tally import FIGURES

ESTIMATED = (
    "Not in the log, estimated from it (Kaplan-Meier) and drawn anew in each run: the patience of "
    "those who were answered, and answers of managers who were not rung."
)
INTERVAL = (
    "95 % over these draws, Student's t; not over other weeks. Differences paired by run, of "
    "shares in points"
)


def render(found: Replayed, console: Console, *, managers: bool) -> None:
    """Print it all."""
    console.print(_against_log(found.fidelity))
    ran = ", ".join(f"{shown(queue)}: {name}" for queue, name in found.strategies.items())
    console.print(f"ran: {ran}", style="dim")
    for why, count in found.left_out.items():
        console.print(f"left out: {count} calls, {why}", style="dim")
    console.print(ESTIMATED, style="dim")
    render_results(found.results, console, managers=managers, how=INTERVAL)


def _against_log(found: Figures) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for title in (f"{found.calls} calls", "the log", "replayed"):
        table.add_column(title, justify="left" if title[0].isdigit() else "right", no_wrap=True)
    for figure in FIGURES:
        if figure.key in found.log:
            was = Estimate(found.log[figure.key], None)
            table.add_row(figure.title, value(figure, was), value(figure, found.replay[figure.key]))
    for title, same in (
        ("ended in the same way", found.same_ending),
        ("of those answered in both: same manager", found.same_manager),
        ("waited the same (within 1 s)", found.same_wait),
    ):
        table.add_row(title, "", _percent(same))
    table.add_row("waits differ by (median)", "", f"{found.wait_gap_s.mean:.1f} s")
    table.add_row("waits differ by (90 % less)", "", f"{found.wait_gap_90_s.mean:.1f} s")
    return table


def _percent(found: Estimate) -> str:
    half = "" if found.half is None else f" ± {found.half * 100:.1f}"
    return f"{found.mean * 100:.1f} %{half}"


def replayed_json(found: Replayed, *, seed: int, since: datetime, until: datetime) -> str:
    """Everything, with each run's figures."""
    return as_json(
        {
            "since": since,
            "until": until,
            "seed": seed,
            "runs": len(found.results[0].runs),
            "interval": INTERVAL,
            "estimated": ESTIMATED,
            "left_out": found.left_out,
            "ran": found.strategies,
            "fidelity": found.fidelity,
            "strategies": results(found.results),
        }
    )
