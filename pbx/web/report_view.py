"""The page of reports, ready for its template: rows, figures, plots, and where each click leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pbx.reports.asked import Asked, AskedPeriod
from pbx.reports.measures import MEASURES, Of
from pbx.reports.report import Report, ReportRow
from pbx.reports.slices import SLICES, WEEKDAYS
from pbx.web.labels import Change, Labels, change
from pbx.web.links import link, only, without
from pbx.web.report_data import Answer, Key, Step

PATH = "/reports"
MOST_ROWS = 200
"""Shown in the page; all of them are in its exports."""
MOST_BARS = 14
FEW = 10
"""Of fewer calls the page says that shares and averages tell little."""
_OF_TIME = frozenset({"hour", "weekday", "day", "week", "month"})
_DRAWN_ALREADY = frozenset({"day", "week", "month"})
"""Slices that the course of time shows."""
_HOURS = tuple(f"{hour:02}" for hour in range(24))


def address(asked: Asked, path: str = PATH) -> str:
    """The link that asks it."""
    return link(path, asked)


@dataclass(frozen=True, slots=True)
class Chip:
    """A label in a filter.  ``href``: without it."""

    slice: str
    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Head:
    """A column.  ``sorted``: as aria-sort says it, "" for not."""

    name: str
    title: str
    means: str
    href: str
    sorted: str
    number: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """``href``: where a label leads; ``change``: from the period before, when that was asked."""

    text: str
    title: str = ""
    href: str = ""
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure of all calls together."""

    name: str
    title: str
    means: str
    text: str
    change: Change | None


@dataclass(frozen=True, slots=True)
class View:
    """``more``: rows that are not in the page.  ``plots``: for static/js/reports.js."""

    chips: tuple[Chip, ...]
    figures: tuple[Figure, ...]
    heads: tuple[Head, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...]
    more: int
    empty: bool
    calls: int
    plots: dict[str, Any]


class Viewer:
    """Of one question, in one language."""

    def __init__(self, asked: Asked, labels: Labels, means: Callable[[str], str]) -> None:
        self._asked = asked
        self._labels = labels
        self._means = means
        self._drawn = asked.plot or asked.measures[0]

    def chips(self) -> tuple[Chip, ...]:
        """The filters."""
        return tuple(
            Chip(
                self._labels.slice(name),
                self._labels.label(name, label),
                address(without(self._asked, name, label)),
            )
            for name, labels in self._asked.where.items()
            for label in labels
        )

    def view(self, found: Answer) -> View:
        """All of the page."""
        table = found.table
        rows = self._in_order(table.rows)
        total = table.total
        values = [total.values[name] for name in self._asked.measures]
        if total.before is not None:
            values += [total.before[name] for name in self._asked.measures]
        return View(
            self.chips(),
            tuple(self._figure(name, total) for name in self._asked.measures),
            self._heads(),
            tuple(self._row(row) for row in rows[:MOST_ROWS]),
            tuple(self._cell(name, total) for name in self._asked.measures),
            max(0, len(rows) - MOST_ROWS) + table.left_out,
            not any(values),
            int(total.values["offered"] or 0),
            self._plots(found),
        )

    # The table ---------------------------------------------------------------------------

    def _heads(self) -> tuple[Head, ...]:
        asked = self._asked
        heads = []
        for name in (*asked.by, *asked.measures):
            is_slice = name in SLICES
            first, second = (name, f"-{name}") if is_slice else (f"-{name}", name)
            to = second if asked.sort == first else first
            direction = {name: "ascending", f"-{name}": "descending"}.get(asked.sort, "")
            heads.append(
                Head(
                    name,
                    self._labels.slice(name) if is_slice else self._labels.measure(name),
                    "" if is_slice else self._means(name),
                    address(replace(asked, sort=to)),
                    direction,
                    not is_slice,
                )
            )
        return tuple(heads)

    def _row(self, row: ReportRow) -> tuple[Cell, ...]:
        named = zip(self._asked.by, row.key, strict=True)
        return (
            *(self._label_cell(name, label) for name, label in named),
            *(self._cell(name, row) for name in self._asked.measures),
        )

    def _label_cell(self, name: str, label: str) -> Cell:
        return Cell(self._labels.label(name, label), href=self._drill(name, label))

    def _cell(self, name: str, row: ReportRow) -> Cell:
        changed = None
        if row.before is not None:
            changed = change(self._labels, name, row.values, row.before)
        return Cell(
            self._labels.value(name, row.values[name]), self._labels.measure(name), change=changed
        )

    def _figure(self, name: str, total: ReportRow) -> Figure:
        cell = self._cell(name, total)
        return Figure(name, cell.title, self._means(name), cell.text, cell.change)

    def _in_order(self, rows: Sequence[ReportRow]) -> list[ReportRow]:
        """As asked; where nobody says it, times in their order and all else by the first measure,
        the largest first.  What is not defined comes last."""
        asked = self._asked
        sort = asked.sort
        if not sort and len(asked.by) == 1 and asked.by[0] not in _OF_TIME:
            sort = f"-{asked.measures[0]}"
        name = sort.removeprefix("-")
        if not name or name in asked.by:
            rows = list(rows)
            if name and name != asked.by[0]:
                place = asked.by.index(name)
                rows.sort(key=lambda row: row.key[place])
            return rows[::-1] if sort.startswith("-") else rows
        sign = -1 if sort.startswith("-") else 1

        def place_of(row: ReportRow) -> tuple[bool, float]:
            value = row.values[name]
            return value is None, sign * (value or 0)

        return sorted(rows, key=place_of)

    # Plots -------------------------------------------------------------------------------

    def _drill(self, name: str, label: str) -> str:
        """ "" where it would change nothing."""
        if self._asked.where.get(name) == (label,):
            return ""
        return address(only(self._asked, name, label))

    def _plots(self, found: Answer) -> dict[str, Any]:
        name = self._drawn
        return {
            "measure": self._labels.measure(name),
            "unit": MEASURES[name].unit.value,
            "course": self._course(found),
            "bars": self._bars(found.by_first),
            "week": self._week(found.week),
        }

    def _course(self, found: Answer) -> dict[str, Any]:
        name = self._drawn
        values = {row.key: row.values[name] for row in found.course.rows}
        earlier = {row.key: row.before[name] for row in found.course.rows if row.before is not None}
        nothing = self._nothing(name)
        points = []
        for place, step in enumerate(found.steps):
            value = values.get(step.key, nothing)
            point = {
                "label": self._step_label(step),
                "short": self._labels.short(step.key),
                "value": value,
                "text": self._labels.value(name, value),
                "href": address(
                    replace(self._asked, period=AskedPeriod("", step.since, step.until))
                ),
            }
            if place < len(found.steps_before):
                before = found.steps_before[place]
                value = earlier.get(before.key, nothing)
                point |= {
                    "before": value,
                    "before_text": self._labels.value(name, value),
                    "before_label": self._step_label(before),
                }
            points.append(point)
        if len(points) == 1:
            points[0]["href"] = ""
        return {"points": points, "compared": bool(found.steps_before)}

    @staticmethod
    def _nothing(name: str) -> int | None:
        """What a measure is of no calls at all."""
        return 0 if MEASURES[name].unit.value == "count" else None

    def _step_label(self, step: Step) -> str:
        by = ("day", "hour") if len(step.key) == 2 else (_kind(step.key),)
        return ", ".join(self._labels.label(*one) for one in zip(by, step.key, strict=True))

    def _bars(self, by_first: Report | None) -> dict[str, Any] | None:
        if by_first is None or self._asked.by[0] in _DRAWN_ALREADY:
            return None
        name, by = self._drawn, self._asked.by[0]
        rows = [row for row in by_first.rows if row.values[name] or (row.before or {}).get(name)]
        shown = rows
        if by not in _OF_TIME:
            shown = sorted(rows, key=lambda row: -(row.values[name] or 0))[:MOST_BARS]
        bars = []
        for row in shown:
            bar = {
                "label": self._labels.label(by, row.key[0]),
                "value": row.values[name],
                "text": self._labels.value(name, row.values[name]),
                "href": self._drill(by, row.key[0]),
            }
            if row.before is not None:
                bar |= {
                    "before": row.before[name],
                    "before_text": self._labels.value(name, row.before[name]),
                }
            bars.append(bar)
        return {
            "title": self._labels.slice(by),
            "bars": bars,
            "more": len(rows) - len(bars),
        }

    def _week(self, found: Report) -> dict[str, Any]:
        name = self._drawn
        values = {row.key: row.values[name] for row in found.rows}
        lines = []
        for day in WEEKDAYS:
            cells = []
            for hour in _HOURS:
                key: Key = (day, hour)
                value = values.get(key)
                cells.append(
                    {
                        "value": value,
                        "text": self._labels.value(name, value),
                        "href": address(only(only(self._asked, "weekday", day), "hour", hour)),
                    }
                    if value is not None
                    else None
                )
            lines.append({"label": self._labels.label("weekday", day), "cells": cells})
        return {"lines": lines, "hours": list(_HOURS)}


def _kind(key: Key) -> str:
    """Which slice of time a key of one label is of."""
    match len(key[0]):
        case 10:
            return "day"
        case 8:
            return "week"
    return "month"


def measures_by_kind() -> dict[str, tuple[str, ...]]:
    """All measures, for choosing: of calls, of managers' parts in them, of managers' time."""
    return {
        kind.value: tuple(one.name for one in MEASURES.values() if one.of is kind) for kind in Of
    }
