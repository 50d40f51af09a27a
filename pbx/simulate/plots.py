"""The figures of strategies side by side, as a PNG or SVG (matplotlib, extra ``plots``)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from pbx.errors import PbxError
from pbx.simulate.experiment import Result
from pbx.simulate.tally import FIGURES

SHOWN = ("lost", "service_level_of_offered", "asa_s", "occupancy", "skilled", "passed")
COLOUR = "#3b6ea5"


class NoPlot(PbxError):
    """The picture can't be written where it should be."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} can't be written: {why}")


class PlotsMissing(PbxError):
    """The library that draws is not installed."""

    def __init__(self) -> None:
        super().__init__("nothing to draw with: pip install 'voronka[plots]'")


def check(path: Path) -> None:
    """Whether ``draw`` could: asked before hours of simulating.  Raises PlotsMissing, NoPlot."""
    if importlib.util.find_spec("matplotlib") is None:
        raise PlotsMissing
    if path.is_dir():
        raise NoPlot(path, "it is a folder")
    if not path.parent.is_dir():
        raise NoPlot(path, "there is no such folder")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise NoPlot(path, "this is not allowed")


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw to ``path``, by its suffix.  Raises PlotsMissing, NoPlot."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotsMissing from error
    by_key = {one.key: one for one in FIGURES}
    estimates = [one.estimates() for one in results]
    shown = [by_key[key] for key in SHOWN if any(found[key].mean for found in estimates)]
    names = [one.strategy for one in results]
    places = list(range(len(names)))
    height = 0.8 + 0.42 * len(names)
    figure = Figure(figsize=(9.0, max(1.6, height) * len(shown)), layout="constrained")
    for place, what in enumerate(shown):
        axes = figure.add_subplot(len(shown), 1, place + 1)
        factor = 100.0 if what.unit == "%" else 1.0
        means = [found[what.key].mean * factor for found in estimates]
        halves = [(found[what.key].half or 0.0) * factor for found in estimates]
        axes.barh(places, means, xerr=halves, color=COLOUR, height=0.6, capsize=3)
        axes.set_yticks(places, names)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_title(f"{what.title}, {what.unit}", loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    runs = len(results[0].runs)
    figure.supxlabel(f"mean of {runs} runs, bars: 95 % interval", fontsize=9)
    try:
        figure.savefig(path)
    except OSError as error:
        raise NoPlot(path, error.strerror or "unknown error") from error
