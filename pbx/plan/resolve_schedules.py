"""Schedules: weeks, single dates and holidays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from itertools import combinations, pairwise

from ivr.schedule import Schedule, Window
from pbx.plan.context import Context
from pbx.plan.public_holidays import PublicHolidays
from pbx.plan.schema import ScheduleShape
from pbx.plan.shape_faults import find
from pbx.plan.source import Mapping as MappingNode
from pbx.plan.written import DAYS, Wrong


def schedules(context: Context) -> dict[str, Schedule]:
    """All schedules by name."""
    return {
        name: _schedule(context, name, shape) for name, shape in context.shape.schedules.items()
    }


def _schedule(context: Context, name: str, shape: ScheduleShape) -> Schedule:
    path = ("schedules", name)
    _refuse_doubled_days(context, name, shape)
    week: dict[int, tuple[Window, ...]] = {
        day: windows for days, windows in shape.hours.items() for day in days
    }
    _refuse_nights_into_days(context, name, week)
    if not any(week.values()) and not any(shape.dates.values()):
        context.warn(path, "is never open")
    return Schedule(
        name=name,
        zone=shape.time_zone or context.shape.settings.time_zone,
        week={day: windows for day, windows in sorted(week.items()) if windows},
        dates=dict(sorted(shape.dates.items())),
        holidays=_holidays(context, name, shape),
    )


def _holidays(context: Context, name: str, shape: ScheduleShape) -> Mapping[date, str]:
    given = shape.holidays
    path = ("schedules", name, "holidays", "country")
    if given.country is None:
        if given.part is not None:
            context.wrong_key((*path[:-1], "part"), '"part" needs a country')
        return dict(sorted(given.days.items()))
    try:
        return PublicHolidays(given.country, given.part, dict(sorted(given.days.items())))
    except Wrong as error:
        context.wrong_name(path, error)
        return {}


def _refuse_doubled_days(context: Context, name: str, shape: ScheduleShape) -> None:
    from_text = _keys_of(context, name)
    for (first, days), (second, more) in combinations(zip(from_text, shape.hours, strict=True), 2):
        both = sorted(set(days) & set(more))
        if both:
            path = ("schedules", name, "hours", second)
            place = context.key_mark(("schedules", name, "hours", first))
            context.wrong_key(
                path,
                f'"{DAYS[both[0]]}" is in "{first}" and in "{second}"',
                "give each day once",
                f"first: {place}",
            )


def _keys_of(context: Context, name: str) -> list[str]:
    """The days as written; none where ``hours`` is ``always``."""
    _, node = find(context.root, ("schedules", name, "hours"))
    return list(node.entries) if isinstance(node, MappingNode) else ["always"]


def _refuse_nights_into_days(
    context: Context, name: str, week: Mapping[int, tuple[Window, ...]]
) -> None:
    """A night's end must not run into the next day's beginning: two windows would say the same."""
    for day, after in pairwise((*range(7), 0)):
        for night in week.get(day, ()):
            if night.end > night.start or night.end == time(0):
                continue
            for window in week.get(after, ()):
                if window.start < night.end:
                    context.warn(
                        ("schedules", name, "hours"),
                        f"the night of {DAYS[day]} overlaps the hours of {DAYS[after]}",
                    )
