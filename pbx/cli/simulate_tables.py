"""Results of simulations as tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from pbx.cli.output import as_json, shown
from pbx.simulate.experiment import Result
from pbx.simulate.intervals import Estimate
from pbx.simulate.staff import Forecast, Need
from pbx.simulate.tally import FIGURES, Figure

BY_RUNS = "95 %, Student's t over independent runs; differences paired by run, of shares in points"


def render(
    results: Sequence[Result], console: Console, *, managers: bool, how: str = BY_RUNS
) -> None:
    """A column for each strategy; from the second on, what differs from the first.  ``how``: what
    the intervals are of."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("")
    base = results[0]
    for one in results:
        table.add_column(shown(one.strategy), justify="right", no_wrap=True)
        if one is not base:
            table.add_column(f"- {shown(base.strategy)}", justify="right", no_wrap=True)
    estimates = [one.estimates() for one in results]
    for figure in FIGURES:
        if figure.key in _WHERE_ASKED and not any(e[figure.key].mean for e in estimates):
            continue
        cells = []
        for one, found in zip(results, estimates, strict=True):
            cells.append(value(figure, found[figure.key]))
            if one is not base:
                gap = one.against(base)[figure.key]
                style = "bold" if gap.clear else "dim"
                cells.append(f"[{style}]{value(figure, gap, sign='+')}[/]")
        table.add_row(figure.title, *cells)
    console.print(table)
    runs = len(base.runs)
    words = f"mean of {runs} runs ± half of the interval ({how}; bold: clear of 0)"
    console.print(words if runs > 1 else "one run: no intervals", style="dim")
    if managers:
        console.print(_managers(results))


_WHERE_ASKED = ("skilled", "same_manager", "passed", "passed_calls")


def _managers(results: Sequence[Result]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("manager")
    for one in results:
        table.add_column(f"{shown(one.strategy)}: calls", justify="right")
        table.add_column("busy", justify="right")
    for row in zip(*(one.managers for one in results), strict=True):
        cells = [cell for load in row for cell in (f"{load.calls:.1f}", f"{load.occupancy:.0%}")]
        table.add_row(shown(row[0].agent), *cells)
    return table


def value(figure: Figure, found: Estimate, *, sign: str = "") -> str:
    """A figure with its unit, and half of its interval."""
    factor, digits, unit = (100.0, 1, " %") if figure.unit == "%" else (1.0, 1, "")
    if figure.unit == "s":
        unit = " s"
    if not figure.unit and abs(found.mean) < 10:
        digits = 3
    text = f"{found.mean * factor:{sign}.{digits}f}{unit}"
    return text if found.half is None else f"{text} ± {found.half * factor:.{digits}f}"


def results_json(found: Sequence[Result], *, seed: int) -> str:
    """All figures, with each run's, and the differences from the first strategy."""
    return as_json(
        {
            "seed": seed,
            "runs": len(found[0].runs),
            "interval": BY_RUNS,
            "strategies": results(found),
        }
    )


def results(found: Sequence[Result]) -> list[dict[str, object]]:
    """Each strategy's part of the JSON."""
    base = found[0]
    return [
        {
            "strategy": one.strategy,
            "figures": one.estimates(),
            "difference": {} if one is base else one.against(base),
            "each_run": one.runs,
            "managers": one.managers,
        }
        for one in found
    ]


def render_needs(needs: Sequence[Need], forecast: Forecast, console: Console) -> None:
    """A row for each half hour."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for title in (
        "from",
        "calls",
        "at the phone",
        "on the roster",
        "in time",
        "ASA",
        "busy",
        "lost",
    ):
        table.add_column(title, justify="right")
    for one in needs:
        minutes = int(one.at_s // 60)
        lost = "" if one.abandoned is None else f"{one.abandoned:.1%}"
        table.add_row(
            f"{minutes // 60:02}:{minutes % 60:02}",
            f"{one.calls:.1f}",
            str(one.managers),
            str(one.rostered),
            f"{one.service_level:.0%}",
            f"{one.asa_s:.1f} s",
            f"{one.occupancy:.0%}",
            lost,
        )
    console.print(table)
    console.print(
        f"Erlang C, {forecast.handle_s:.0f} s a call with wrap-up; lost: Erlang A, for callers who "
        "give up",
        style="dim",
    )
