"""The picture for Markdown pages (Mermaid) and for other programs (plain values for JSON)."""

from __future__ import annotations

from pbx.graph.funnel import Funnel
from pbx.graph.model import Box, Graph, Kind, Way

_BRACKETS: dict[Kind, tuple[str, str]] = {
    Kind.NUMBER: ("([", "])"),
    Kind.HOURS: ("{{", "}}"),
    Kind.BRANCH: ("{{", "}}"),
    Kind.MENU: ("(", ")"),
    Kind.DIGITS: ("(", ")"),
    Kind.QUEUE: ("[[", "]]"),
}
_NO_BRACKETS = ("[", "]")


def to_mermaid(graph: Graph, counts: Funnel | None) -> str:
    """A Mermaid flowchart."""
    names = {box.box_id: f"b{number}" for number, box in enumerate(graph.boxes)}
    lines = ["flowchart LR"]
    for box in graph.boxes:
        text = "<br/>".join(
            _mermaid(line) for line in (box.title, *box.lines, *_counted(box, counts))
        )
        begin, end = _BRACKETS.get(box.kind, _NO_BRACKETS)
        lines.append(f'  {names[box.box_id]}{begin}"{text}"{end}')
    for way in graph.ways:
        label = way.label
        if counts is not None:
            label = f"{label}: {counts.took[way]}" if label else str(counts.took[way])
        arrow = f'-->|"{_mermaid(label)}"|' if label else "-->"
        lines.append(f"  {names[way.source]} {arrow} {names[way.target]}")
    return "\n".join(lines) + "\n"


def _counted(box: Box, counts: Funnel | None) -> tuple[str, ...]:
    if counts is None:
        return ()
    told = [f"{counts.reached[box.box_id]} calls"]
    share = counts.share_left(box.box_id)
    if share:
        told.append(f"{counts.left[box.box_id]} hung up ({share:.0%})")
    return tuple(told)


def _mermaid(text: str) -> str:
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    for sign, name in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        shown = shown.replace(sign, name)
    return shown


def to_values(graph: Graph, counts: Funnel | None) -> dict[str, object]:
    """``boxes`` and ``ways``, each with its counts when there are some."""
    values: dict[str, object] = {
        "boxes": [_box(box, counts) for box in graph.boxes],
        "ways": [_way(way, counts) for way in graph.ways],
    }
    if counts is not None:
        values["calls"] = counts.calls
        values["elsewhere"] = [
            {"from": source, "to": target, "calls": number}
            for (source, target), number in counts.elsewhere.most_common()
        ]
        values["not_in_this_plan"] = dict(counts.unknown.most_common())
    return values


def _box(box: Box, counts: Funnel | None) -> dict[str, object]:
    values: dict[str, object] = {
        "id": box.box_id,
        "kind": box.kind.value,
        "title": box.title,
        "lines": list(box.lines),
        "menu": box.group or None,
        "keys_that_stay": dict(box.stays or {}),
        "file": str(box.place.file) if box.place is not None else None,
        "line": box.place.line if box.place is not None else None,
    }
    if counts is not None:
        values["reached"] = counts.reached[box.box_id]
        values["left"] = counts.left[box.box_id]
        values["share_left"] = counts.share_left(box.box_id)
        values["answered"] = counts.answered[box.box_id]
    return values


def _way(way: Way, counts: Funnel | None) -> dict[str, object]:
    values: dict[str, object] = {
        "from": way.source,
        "to": way.target,
        "label": way.label,
        "key": way.key,
        "through": list(way.through),
    }
    if counts is not None:
        values["took"] = counts.took[way]
    return values
