"""The seed claims, tried: where 'all at once' loses fewer calls, where skill priority wins more.

``python -m bench.claims [--runs N] [--seed N] [--plot FILE]``; Markdown for docs/strategies.md.
One queue of ten managers; each cell is a paired difference on the same callers, with its 95 %
interval over the runs.  Load is offered talk and wrap-up for each manager (1 is all of their time).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.simulate import QUEUE, setting
from pbx.simulate.callers import Demand, Rate, Stream, Target
from pbx.simulate.draws import Exponential, LogNormal
from pbx.simulate.experiment import Result, run
from pbx.simulate.intervals import Estimate, estimate
from pbx.simulate.reactions import Manners
from pbx.simulate.world import Setting, Stage
from routing.strategy import Registry

MANAGERS = 10
HOURS_S = 4 * 3600.0
TALK_S, WRAP_UP_S, PATIENCE_S = 180.0, 5.0, 60.0
NO_ANSWER = 0.05
LOADS = (0.5, 0.7, 0.9, 1.1)
RING_TIMES_S = (10.0, 20.0)
ANSWERS_S = (3.0, 8.0, 15.0)
EFFECTS = (0.0, 0.05, 0.1, 0.2)
FEWER_LOST, MORE_PASSED = (0.0, 0.15), (0.15, 0.25)
"""What the claims say: up to 15 % fewer lost; 15 to 25 % more passed on."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A place of the table: what varies across and down, and the relative difference there."""

    row: str
    column: str
    gap: Estimate


def day(load: float, *, answer_s: float, ring_s: float, effect: float = 0.0) -> Setting:
    """A shift of one queue; ``effect``: more of those won for each level of skill above 1."""
    per_hour = load * MANAGERS * 3600.0 / (TALK_S + WRAP_UP_S)
    made = setting("round-robin", 1000, MANAGERS)
    queue = replace(made.plan.routing.queues[QUEUE], ring_time_s=ring_s)
    plan = replace(made.plan, routing=replace(made.plan.routing, queues={QUEUE: queue}))
    stream = Stream(Target(queue_id=QUEUE), (Rate(0.0, HOURS_S, per_hour),))
    return replace(
        made,
        plan=plan,
        demand=Demand((stream,), patience=Exponential(PATIENCE_S), talk=LogNormal(TALK_S, 0.8)),
        manners=Manners(LogNormal(answer_s, 0.6), NO_ANSWER),
        stage=Stage(base=0.2, per_level=effect, skill="sales"),
        length_s=HOURS_S,
        warm_up_s=900.0,
    )


def relative(one: Result, base: Result, key: str) -> Estimate:
    """How much more ``one`` has of a figure than ``base``, as a share of the base's mean, paired
    by run."""
    mean = base.estimates()[key].mean
    gaps = [a - b for a, b in zip(one.of(key), base.of(key), strict=True)]
    return estimate([gap / mean if mean else 0.0 for gap in gaps])


def lost(runs: int, seed: int) -> list[Cell]:
    """'All at once' against in turn: calls lost."""
    cells = []
    for ring_s in RING_TIMES_S:
        for answer_s in ANSWERS_S:
            for load in LOADS:
                made = day(load, answer_s=answer_s, ring_s=ring_s)
                base, one = _both(made, ("round-robin", "ring-all"), runs, seed)
                row = f"rings {ring_s:.0f} s, answers {answer_s:.0f} s"
                cells.append(Cell(row, f"load {load:g}", relative(one, base, "lost")))
    return cells


def passed(runs: int, seed: int) -> list[Cell]:
    """Skill priority against in turn: calls passed on to the next stage."""
    cells = []
    for effect in EFFECTS:
        for load in LOADS:
            made = day(load, answer_s=5.0, ring_s=20.0, effect=effect)
            base, one = _both(made, ("round-robin", "skill-priority"), runs, seed)
            row = f"+{effect:.0%} a level"
            cells.append(Cell(row, f"load {load:g}", relative(one, base, "passed_calls")))
    return cells


def _both(made: Setting, names: Sequence[str], runs: int, seed: int) -> list[Result]:
    return run(made, names, registry=Registry.builtin(), runs=runs, seed=seed)


def markdown(cells: Sequence[Cell], corner: str, claim: tuple[float, float], sign: int) -> str:
    """A table; bold where the claim's range is met by more than chance."""
    columns = list(dict.fromkeys(one.column for one in cells))
    rows = list(dict.fromkeys(one.row for one in cells))
    found = {(one.row, one.column): one.gap for one in cells}
    lines = [f"| {corner} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        texts = [_text(found[row, column], claim, sign) for column in columns]
        lines.append(f"| {row} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _text(gap: Estimate, claim: tuple[float, float], sign: int) -> str:
    half = "" if gap.half is None else f" ± {gap.half * 100:.0f}"
    text = f"{gap.mean * 100:+.0f}{half} %"
    return f"**{text}**" if holds(gap, claim, sign) else text


def holds(gap: Estimate, claim: tuple[float, float], sign: int) -> bool:
    """The difference is clear of 0, has the claim's sign, and its mean lies in the claim."""
    low, high = claim
    return gap.clear and low <= sign * gap.mean <= high


def plot(tables: Sequence[tuple[str, Sequence[Cell]]], path: Path) -> None:
    """A line for each row, over the load."""
    from matplotlib.figure import Figure  # the extra ``plots``

    figure = Figure(figsize=(6.0 * len(tables), 4.2), layout="constrained")
    for place, (title, cells) in enumerate(tables):
        axes = figure.add_subplot(1, len(tables), place + 1)
        for row in dict.fromkeys(one.row for one in cells):
            mine = [one for one in cells if one.row == row]
            axes.errorbar(
                [float(one.column.removeprefix("load ")) for one in mine],
                [one.gap.mean * 100 for one in mine],
                yerr=[(one.gap.half or 0.0) * 100 for one in mine],
                label=row,
                capsize=3,
            )
        axes.axhline(0.0, color="grey", linewidth=0.8)
        axes.set_xlabel("load")
        axes.set_title(title, loc="left", fontsize=10)
        axes.legend(fontsize=8, frameon=False)
    figure.savefig(path)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.claims", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="PNG or SVG")
    options = parser.parse_args()
    fewer = lost(options.runs, options.seed)
    more = passed(options.runs, options.seed)
    print(markdown(fewer, "lost calls, ring-all against round-robin", FEWER_LOST, -1))
    print()
    print(markdown(more, "passed on, skill-priority against round-robin", MORE_PASSED, 1))
    if options.plot is not None:
        titles = ("lost calls, ring-all, %", "passed on, skill-priority, %")
        plot(list(zip(titles, (fewer, more), strict=True)), options.plot)


if __name__ == "__main__":
    main()
