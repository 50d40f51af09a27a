"""How many managers each half hour needs for a service level.

Erlang C: nobody gives up, so the number is on the safe side; what would be lost with it, by
callers of a given patience, is told beside it by Erlang A.  tests/simulate/ checks both against
the simulation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pbx.plan.faults import Fault
from pbx.plan.source import Faults, Mapping, NodeBudget, read_text
from pbx.simulate.erlang import erlang_a, erlang_c
from pbx.simulate.parameters import clock, some_time
from pbx.simulate.read import Section, Wanted, number, read_bytes
from routing.values import Seconds

HALF_HOUR_S = 1800.0
DAY_S = 86_400.0
FORECAST = Wanted(
    "a forecast",
    "one file, as docs/simulate.md shows: pbx staff forecast.yaml; without one the log is read",
)
MOST = 100_000
"""Managers tried at most for one half hour."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Calls in each half hour of a day (seconds since midnight, how many), the mean time of a call
    with its wrap-up, and how long callers wait on average before they give up (None: they don't).
    """

    calls: tuple[tuple[Seconds, float], ...]
    handle_s: Seconds
    patience_s: Seconds | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """``share`` of the calls answered within ``within_s``; nobody busier than ``occupancy``; of
    those on the roster a share of ``away`` is not at the phone (breaks, illness)."""

    share: float = 0.8
    within_s: Seconds = 20.0
    occupancy: float = 0.9
    away: float = 0.0


@dataclass(frozen=True, slots=True)
class Need:
    """One half hour: ``managers`` at the phone, ``rostered`` with those who are away; what follows
    (``abandoned`` None: no patience given)."""

    at_s: Seconds
    calls: float
    managers: int
    rostered: int
    service_level: float
    asa_s: Seconds
    occupancy: float
    abandoned: float | None


def needs(forecast: Forecast, goal: Goal) -> list[Need]:
    """What each half hour needs."""
    return [_need(at_s, calls, forecast, goal) for at_s, calls in forecast.calls]


def _need(at_s: Seconds, calls: float, forecast: Forecast, goal: Goal) -> Need:
    if calls <= 0:
        return Need(at_s, calls, 0, 0, 1.0, 0.0, 0.0, None)
    rate = calls / HALF_HOUR_S
    managers = max(1, math.floor(rate * forecast.handle_s) + 1)
    found = erlang_c(rate, forecast.handle_s, managers)
    while managers < MOST and (
        found.service_level(goal.within_s) < goal.share or found.occupancy > goal.occupancy
    ):
        managers += 1
        found = erlang_c(rate, forecast.handle_s, managers)
    abandoned = None
    if forecast.patience_s is not None:
        abandoned = erlang_a(rate, forecast.handle_s, forecast.patience_s, managers).abandoned
    return Need(
        at_s,
        calls,
        managers,
        math.ceil(managers / (1.0 - goal.away)),
        found.service_level(goal.within_s),
        found.asa_s,
        found.occupancy,
        abandoned,
    )


def forecast_file(path: Path) -> Forecast:
    """``handle``, ``patience`` and ``calls`` by half hour, in YAML.  Raises PlanError."""
    faults = Faults()
    data = read_bytes(path, FORECAST)
    node = read_text(path, data, faults, NodeBudget())
    if node is None and not len(faults):
        faults.add(Fault(path, 0, 0, "the forecast is empty", "see docs/simulate.md"))
    faults.stop()
    assert node is not None, "an empty file is a fault"
    root = Section(node, faults, "a forecast")
    handle_s = root.value("handle", some_time, 240.0)
    patience_s = root.value("patience", some_time, 0.0) or None
    calls: dict[Seconds, float] = {}
    section = root.section("calls")
    if section is None:
        if isinstance(node, Mapping):
            root.wrong(node, "calls are missing", 'calls: {"09:00": 40, "09:30": 55}')
    else:
        for key, value in section.entries():
            at_s = root.scalar(key, "calls", clock, 0.0)
            if at_s % HALF_HOUR_S or at_s >= DAY_S:
                root.wrong(key, f"calls: {key.text} begins no half hour", "09:00 or 09:30")
            calls[at_s] = root.scalar(value, "calls", number, 0.0)
            if calls[at_s] * handle_s / HALF_HOUR_S > MOST / 2:
                root.wrong(value, f"calls: more work than {MOST // 2:,} managers have time for")
        if not calls and isinstance(section.node, Mapping):
            root.wrong(section.node, "calls: no half hour", 'write {"09:00": 40, "09:30": 55}')
    root.done()
    faults.stop()
    return Forecast(tuple(sorted(calls.items())), handle_s, patience_s)


def by_half_hour(starts_s: Iterable[Seconds], days: int) -> tuple[tuple[Seconds, float], ...]:
    """Mean calls a day in each half hour; ``starts_s``: seconds since their midnight."""
    counts: dict[Seconds, int] = {}
    for start_s in starts_s:
        at_s = start_s // HALF_HOUR_S * HALF_HOUR_S
        counts[at_s] = counts.get(at_s, 0) + 1
    return tuple((at_s, count / max(days, 1)) for at_s, count in sorted(counts.items()))
