"""The picture as Graphviz's language: numbers at the left, managers at the right, a frame around
the steps of each menu; with counts, ways as wide as many took them.

In a plan of many menus a way to a queue ends in a sign beside the menu, not at the queue's box:
hundreds of long lines to a few boxes can't be followed.
"""

from __future__ import annotations

import html
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from pbx.graph.funnel import Funnel
from pbx.graph.model import Box, Graph, Kind, Way
from pbx.plan.model import Place

_FONT = "DejaVu Sans,Noto Sans,Arial,sans-serif"
_STYLES: dict[Kind, str] = {
    Kind.NUMBER: 'shape=box style="filled" penwidth=2 fillcolor="#dbeafe" color="#1d4ed8"',
    Kind.MENU: 'shape=box style="rounded,filled" fillcolor="#fef3c7" color="#b45309"',
    Kind.DIGITS: 'shape=box style="rounded,filled" fillcolor="#fef3c7" color="#b45309"',
    Kind.HOURS: 'shape=box style="rounded,filled" fillcolor="#ede9fe" color="#6d28d9"',
    Kind.BRANCH: 'shape=box style="rounded,filled" fillcolor="#ede9fe" color="#6d28d9"',
    Kind.STEP: 'shape=box style="filled" fillcolor="#f8fafc" color="#cbd5e1"',
    Kind.VOICEMAIL: 'shape=box style="filled" fillcolor="#f1f5f9" color="#64748b"',
    Kind.CALLBACK: 'shape=box style="filled" fillcolor="#f1f5f9" color="#64748b"',
    Kind.MANAGER: 'shape=box style="filled" fillcolor="#ccfbf1" color="#0f766e"',
    Kind.OUTSIDE: 'shape=box style="filled" fillcolor="#ccfbf1" color="#0f766e"',
    Kind.END: 'shape=box style="rounded,filled" fillcolor="#f1f5f9" color="#64748b"',
    Kind.QUEUE: 'shape=box style="filled" penwidth=2 fillcolor="#dcfce7" color="#15803d"',
    Kind.TEAM: 'shape=box style="filled" fillcolor="#ccfbf1" color="#0f766e"',
}
_WIDEST = 7.0
"""Points: the way that most took."""
_SIGNS_FROM = 15
"""Menus in a plan from which on signs stand for queues."""
_NO_FRAME = ("queue=", "+")
"""Steps of a queue's or a number's own stand beside it."""
_MANY_LEFT = 0.2
"""Share of callers who hung up in a box from which it is drawn in red."""


def to_dot(graph: Graph, counts: Funnel | None, *, link: Callable[[Place], str]) -> str:
    """The whole drawing.  ``link``: a place as a link."""
    names = {box.box_id: f"b{number}" for number, box in enumerate(graph.boxes)}
    lines = [
        "digraph plan {",
        "  rankdir=LR newrank=true ranksep=0.7 nodesep=0.16 splines=spline tooltip=plan",
        f'  graph [fontname="{_FONT}" fontsize=11]',
        f'  node [fontname="{_FONT}" fontsize=10 style=filled margin="0.10,0.05" height=0.3]',
        f'  edge [fontname="{_FONT}" fontsize=9 color="#64748b" arrowsize=0.6]',
    ]
    for kind, rank in ((Kind.NUMBER, "source"), (Kind.TEAM, "sink")):
        ids = " ".join(names[box.box_id] for box in graph.boxes if box.kind is kind)
        if ids:
            lines.append(f"  {{ rank={rank} {ids} }}")
    signs = _Signs(graph)
    groups: dict[str, list[str]] = {}
    for box in graph.boxes:
        drawn = f"{names[box.box_id]} {_box(box, counts, link)}"
        groups.setdefault(box.group, []).append(drawn)
    ways = []
    most = max((counts.took[way] for way in graph.ways), default=0) if counts else 0
    for way in graph.ways:
        target = names[way.target]
        if (queue := signs.queue_of(way)) is not None:
            target, group, is_new = signs.sign(way.source, queue)
            if is_new:
                drawn = f"{target} {_sign(queue, link)}"
                groups.setdefault(group, []).append(drawn)
        ways.append(f"  {names[way.source]} -> {target} {_way(way, counts, most, link)}")
    # No line leads to a queue for which signs stand: without this it would be drawn at the left.
    ways += (
        f"  {sign} -> {names[queue_id]} [style=invis weight=0]"
        for queue_id, sign in signs.first_of.items()
    )
    for number, (group, members) in enumerate(groups.items()):
        if not group or group.startswith(_NO_FRAME) or len(members) < 2:
            lines += (f"  {one}" for one in members)
            continue
        lines.append(f"  subgraph cluster_{number} {{")
        lines.append(
            f'    label={_quoted(group)} labeljust=l color="#e2e8f0" fontcolor="#94a3b8" '
            f"style=rounded tooltip={_quoted(group)}"
        )
        lines += (f"    {one}" for one in members)
        lines.append("  }")
    lines += ways
    lines.append("}")
    return "\n".join(lines) + "\n"


class _Signs:
    """Which ways end in a sign that stands for a queue, and the signs: one in a frame."""

    def __init__(self, graph: Graph) -> None:
        self._boxes = {box.box_id: box for box in graph.boxes}
        self._are_used = sum(box.kind is Kind.MENU for box in graph.boxes) >= _SIGNS_FROM
        self._signs: dict[tuple[str, str], str] = {}
        self.first_of: dict[str, str] = {}
        """One sign of each queue that has any."""

    def queue_of(self, way: Way) -> Box | None:
        """The queue that a sign stands for; None where the way is drawn to its end."""
        target = self._boxes[way.target]
        return target if self._are_used and target.kind is Kind.QUEUE else None

    def sign(self, source: str, queue: Box) -> tuple[str, str, bool]:
        """(the sign's name, its frame, whether it is a new one)."""
        box = self._boxes[source]
        known = box.group or box.box_id, queue.box_id
        is_new = known not in self._signs
        name = self._signs.setdefault(known, f"s{len(self._signs)}")
        self.first_of.setdefault(queue.box_id, name)
        return name, box.group, is_new


def _sign(queue: Box, link: Callable[[Place], str]) -> str:
    attributes = [
        'shape=plain style="" fontcolor="#15803d"',
        f"label=<<B>→ {_html(queue.title)}</B>>",
        f"tooltip={_quoted(queue.box_id)}",
    ]
    if queue.place is not None:
        attributes.append(f"URL={_quoted(link(queue.place))}")
    return f"[{' '.join(attributes)}]"


def _box(box: Box, counts: Funnel | None, link: Callable[[Place], str]) -> str:
    rows = [f"<B>{_html(box.title)}</B>"]
    rows += (f'<FONT POINT-SIZE="9" COLOR="#475569">{_html(line)}</FONT>' for line in box.lines)
    if box.stays:
        keys = " · ".join(f"{key} {word}" for key, word in box.stays.items())
        rows.append(f'<FONT POINT-SIZE="9" COLOR="#b45309">{_html(keys)}</FONT>')
    if counts is not None:
        rows += _counted(box, counts)
    where = f"{box.box_id} · {box.place}" if box.place is not None else box.box_id
    attributes = [
        _STYLES[box.kind],
        f"label=<{'<BR/>'.join(rows)}>",
        f"tooltip={_quoted(where)}",
    ]
    if box.place is not None:
        attributes.append(f"URL={_quoted(link(box.place))}")
    return f"[{' '.join(attributes)}]"


def _counted(box: Box, counts: Funnel) -> Iterator[str]:
    reached = counts.reached[box.box_id]
    words = f"{reached} calls" if reached != 1 else "1 call"
    if answered := counts.answered[box.box_id]:
        words += f", {answered} answered"
    yield f'<FONT POINT-SIZE="9">{words}</FONT>'
    share = counts.share_left(box.box_id)
    if share and (left := counts.left[box.box_id]):
        colour = "#b91c1c" if share >= _MANY_LEFT else "#475569"
        yield f'<FONT POINT-SIZE="9" COLOR="{colour}">{left} hung up ({share:.0%})</FONT>'


def _way(way: Way, counts: Funnel | None, most: int, link: Callable[[Place], str]) -> str:
    label = way.label
    attributes = []
    if counts is not None:
        took = counts.took[way]
        label = f"{label}: {took}" if label else str(took)
        if took:
            # By the root: the thin ways of a large menu are still told apart.
            width = 1 + (_WIDEST - 1) * math.sqrt(took / most)
            attributes.append(f'penwidth={width:.1f} color="#2563eb" arrowsize=0.5')
        else:
            attributes.append('color="#cbd5e1" fontcolor="#94a3b8"')
    elif way.key is None and way.label:
        attributes.append("style=dashed")
    if label:
        attributes.append(f"label={_quoted(label)}")
    where = [*way.through[:5], *((str(way.place),) if way.place is not None else ())]
    tooltip = _quoted(" · ".join(where) or way.label or "way")
    attributes.append(f"tooltip={tooltip} labeltooltip={tooltip}")
    if way.place is not None:
        attributes.append(f"URL={_quoted(link(way.place))}")
    return f"[{' '.join(attributes)}]"


def _html(text: str) -> str:
    return html.escape(_shown(text))


def _quoted(text: str) -> str:
    """A string of Graphviz: in quotes, where a backslash and a quote are escaped."""
    return '"' + _shown(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def link_from(folder: Path | None) -> Callable[[Place], str]:
    """Places as links that work in a picture in ``folder``; None: as the plan's path was given."""

    def link(place: Place) -> str:
        file = place.file
        if folder is not None:
            file = Path(os.path.relpath(file, folder))
        return f"{file.as_posix()}#L{place.line}"

    return link
