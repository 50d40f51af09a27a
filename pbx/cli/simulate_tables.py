"""Results of simulations as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

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
    the intervals are of.  Strategies for which the terminal is too narrow come in tables below."""
    base = results[0]
    estimates = [one.estimates() for one in results]
    figures = [
        one
        for one in FIGURES
        if one.key not in _WHERE_ASKED or any(found[one.key].mean for found in estimates)
    ]
    groups = [
        _columns(one, found, figures, base) for one, found in zip(results, estimates, strict=True)
    ]
    for columns in _side_by_side(groups, console.width - _TITLE_WIDTH):
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
        table.add_column("", min_width=_TITLE_WIDTH)
        for title, _ in columns:
            table.add_column(title, justify="right", no_wrap=True)
        for place, figure in enumerate(figures):
            table.add_row(figure.title, *(cells[place] for _, cells in columns))
        console.print(table)
    runs = len(base.runs)
    words = f"mean of {runs} runs ± half of the interval ({how}; bold: clear of 0)"
    console.print(words if runs > 1 else "one run: no intervals", style="dim")
    if managers:
        console.print(_managers(results))


_WHERE_ASKED = ("skilled", "same_manager", "passed", "passed_calls")
_SHARES_OF = {
    "lost": "offered",
    "abandoned": "offered",
    "service_level_of_offered": "offered",
    "service_level_of_answered": "answered",
    "asa_s": "answered",
    "rung_per_answer": "answered",
}
"""Figures that are nothing where there was no call to take them of."""
_TITLE_WIDTH = 24
"""The figures' titles are broken to so many columns before tables stand below each other."""

_Columns = list[tuple[str, list[Text]]]


def _columns(
    one: Result, found: Mapping[str, Estimate], figures: Sequence[Figure], base: Result
) -> _Columns:
    """What a strategy has in the table: its figures, and how they differ from ``base``."""
    columns = [(shown(one.strategy), [Text(_known(figure, found)) for figure in figures])]
    if one is not base:
        gaps = one.against(base)
        cells = [
            Text(
                value(figure, gaps[figure.key], sign="+"),
                "bold" if gaps[figure.key].clear else "dim",
            )
            for figure in figures
        ]
        columns.append((f"- {shown(base.strategy)}", cells))
    return columns


def _known(figure: Figure, found: Mapping[str, Estimate]) -> str:
    of = _SHARES_OF.get(figure.key)
    return "-" if of is not None and not found[of].mean else value(figure, found[figure.key])


def _side_by_side(groups: Sequence[_Columns], width: int) -> Iterator[_Columns]:
    """The columns of as many strategies as fit beside the titles, table by table."""
    table: _Columns = []
    used = _EDGES
    for group in groups:
        needs = sum(2 + max(len(title), *map(len, cells)) for title, cells in group)
        if table and used + needs > width:
            yield table
            table, used = [], _EDGES
        table += group
        used += needs
    yield table


_EDGES = 4
"""Columns that a table's edges and the blanks beside its titles take."""


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
    mean = round(found.mean * factor, digits) + 0.0  # never -0.0
    text = f"{mean:{sign}.{digits}f}{unit}"
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
