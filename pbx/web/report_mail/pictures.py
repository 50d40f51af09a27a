"""Plots of a report as PNG: mails run no scripts.  Needs matplotlib (extra ``plots``)."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ACCENT, _GREY, _TEXT = "#2f5bea", "#8791a1", "#161a22"
_INCHES, _DPI = 7.2, 110
_MOST_LABELS = 12
_LONGEST_LABEL = 28


def there_is_matplotlib() -> bool:
    """Whether plots can be drawn at all."""
    return find_spec("matplotlib") is not None


def pictures(plots: dict[str, Any], before: str) -> list[bytes]:
    """The course of time, and bars where there are some.  ``before``: words for the period before.

    Slow: half a second the first time.
    """
    found = [_course(plots, before)]
    if plots["bars"] is not None and plots["bars"]["bars"]:
        found.append(_bars(plots["bars"]))
    return found


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure  # here: half a second, and not everybody has it

    figure = Figure(figsize=(_INCHES, height), dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#c5cbd5")
    axes.tick_params(length=0, labelsize=8, labelcolor="#4f5868")
    return figure, axes


def _course(plots: dict[str, Any], before: str) -> bytes:
    points = plots["course"]["points"]
    figure, axes = _figure(2.6)
    places = range(len(points))
    axes.bar(places, [_value(one["value"], plots) for one in points], color=_ACCENT, width=0.66)
    if plots["course"]["compared"]:
        earlier = [_value(one.get("before"), plots) for one in points]
        axes.plot(places, earlier, color=_GREY, linestyle=":", marker=".", label=before)
        axes.legend(frameon=False, fontsize=8, loc="upper right")
    every = max(1, -(-len(points) // _MOST_LABELS))
    axes.set_xticks(list(places)[::every], [one["short"] for one in points][::every])
    axes.grid(axis="y", color="#e3e6eb", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(_with_unit(plots), loc="left", fontsize=10, color=_TEXT, fontweight="semibold")
    return _png(figure)


def _bars(bars: dict[str, Any]) -> bytes:
    rows = bars["bars"][::-1]
    figure, axes = _figure(0.8 + 0.28 * len(rows))
    drawn = axes.barh(
        [_escaped(one["label"]) for one in rows],
        [one["value"] or 0 for one in rows],
        color=_ACCENT,
        height=0.62,
    )
    axes.bar_label(drawn, [_escaped(one["text"]) for one in rows], padding=4, fontsize=8)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.margins(x=0.14)
    axes.set_title(bars["title"], loc="left", fontsize=10, color=_TEXT, fontweight="semibold")
    return _png(figure)


def _value(value: float | None, plots: dict[str, Any]) -> float:
    if value is None:
        return float("nan")
    return value * 100 if plots["unit"] == "share" else value


def _with_unit(plots: dict[str, Any]) -> str:
    sign = {"share": ", %", "s": ", s"}.get(plots["unit"], "")
    return f"{plots['measure']}{sign}"


def _escaped(text: str) -> str:
    """Between two dollars matplotlib would read a formula."""
    short = text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"
    return short.replace("$", r"\$")


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
