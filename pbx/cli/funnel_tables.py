"""A funnel as a table that a person can read, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pbx.cli.output import shown
from pbx.cli.times import in_zone, span
from pbx.funnel.count import Counted, Reading
from pbx.funnel.report import FunnelReport
from pbx.funnel.sag import Judged, Verdict

_READINGS = {
    Reading.EVENTS: "events in the period: each passing counts, whoever passed",
    Reading.COHORT: "cohort: who entered in the period, and how far they have come until now",
}


def render_funnel(found: FunnelReport, console: Console) -> None:
    """Print it: the whole, then each group."""
    period = found.query.period
    zone = period.since.tzinfo
    since, until = (in_zone(at, zone) for at in (period.since, period.until))
    console.print(f"{since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}", style="bold")
    console.print(_READINGS[found.query.reading], style="dim")
    if found.query.by:
        for label, counted in found.groups.items():
            console.print(_table(counted, f"{found.query.by}: {shown(label)}"))
    console.print(_table(found.total, "all" if found.query.by else ""))


def render_sag(judged: Sequence[Judged], console: Console, *, all_wanted: bool) -> None:
    """Print what fell, or everything that was looked at."""
    some = [one for one in judged if all_wanted or one.verdict is Verdict.FELL]
    tested = sum(one.verdict is not Verdict.TOO_FEW for one in judged)
    few = len(judged) - tested
    console.print(f"{tested} stages looked at, {few} have too few data", style="dim")
    if not some:
        console.print("nothing has fallen" if tested else "too few data to say anything")
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in ("slice", "stage", "verdict"):
        table.add_column(name)
    for name in ("before", "lately", "p"):
        table.add_column(name, justify="right")
    for one in some:
        trial = one.trial
        table.add_row(
            shown(trial.label) or "all",
            shown(trial.stage),
            Text(one.verdict.value, style="red" if one.verdict is Verdict.FELL else "dim"),
            _share(trial.before_came, trial.before_had),
            _share(trial.recent_came, trial.recent_had),
            "" if one.p is None else f"{one.p:.4f}",
        )
    console.print(table)


def _table(counted: Counted, title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), title=title or None, title_justify="left")
    table.add_column("stage")
    cohort = counted.reading is Reading.COHORT
    for name in ("count", "to previous", "to top", "median time"):
        table.add_column(name, justify="right")
    if cohort:
        table.add_column("open", justify="right")
        table.add_column("of decided", justify="right")
    for step in counted.steps:
        weak = step.stage == counted.weak
        cells = [
            str(step.count),
            _percent(step.to_previous),
            _percent(step.to_top),
            span(step.median_s),
        ]
        if cohort:
            cells += [str(step.open), _percent(step.decided)]
        words = Text(shown(step.title), style="red" if weak else "")
        table.add_row(words.append("  ← weak link" if weak else ""), *cells)
    return table


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _share(part: int, whole: int) -> str:
    return f"{part}/{whole}" + (f" {part / whole:.0%}" if whole else "")
