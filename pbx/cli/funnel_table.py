"""The menus' funnel as a table: each box with who came, and the ways they took from there."""

from __future__ import annotations

from rich import box as boxes
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pbx.cli.output import shown
from pbx.graph.funnel import Funnel
from pbx.graph.model import Box, Graph, Way

_ELSEWHERE_SHOWN = 20


def render_funnel(graph: Graph, counts: Funnel, console: Console) -> None:
    """Print it; boxes that nobody reached are counted in the last line only."""
    if not counts.calls:
        console.print("no calls")
        return
    titles = {one.box_id: _name(one) for one in graph.boxes}
    out: dict[str, list[Way]] = {}
    for way in graph.ways:
        if counts.took[way]:
            out.setdefault(way.source, []).append(way)
    table = Table(box=boxes.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("where")
    table.add_column("calls", justify="right")
    table.add_column("hung up there", justify="right")
    table.add_column("went on")
    reached = [one for one in graph.boxes if counts.reached[one.box_id]]
    for one in reached:
        ways = sorted(out.get(one.box_id, ()), key=lambda way: -counts.took[way])
        went = [_way(way, counts, counts.reached[one.box_id], titles) for way in ways]
        table.add_row(
            Text(shown(titles[one.box_id])),
            str(counts.reached[one.box_id]),
            _left(one, counts),
            Text("\n".join(went)),
        )
    console.print(table)
    for (source, target), number in counts.elsewhere.most_common(_ELSEWHERE_SHOWN):
        words = f"back or elsewhere: {titles.get(source, source)} → {titles.get(target, target)}"
        console.print(Text(shown(f"{words}: {number}")), style="dim")
    if counts.unknown:
        names = ", ".join(name for name, _ in counts.unknown.most_common(_ELSEWHERE_SHOWN))
        console.print(Text(shown(f"steps that this plan does not have: {names}")), style="yellow")
    left = sum(counts.left.values())
    console.print(
        f"{counts.calls} calls: {left} hung up in a menu or waiting; "
        f"{len(graph.boxes) - len(reached)} of {len(graph.boxes)} boxes reached by nobody",
        style="bold",
    )


def _name(one: Box) -> str:
    return one.title if one.title == one.box_id else f"{one.title} ({one.box_id})"


def _left(one: Box, counts: Funnel) -> Text:
    left, share = counts.left[one.box_id], counts.share_left(one.box_id)
    if not left or share is None:
        return Text("")
    return Text(f"{left} ({share:.0%})", style="red" if share >= 0.2 else "")


def _way(way: Way, counts: Funnel, reached: int, titles: dict[str, str]) -> str:
    share = counts.took[way] / reached if reached else 0.0
    label = f"{way.label} → " if way.label else "→ "
    return shown(f"{counts.took[way]} ({share:.0%}) {label}{titles[way.target]}")
