"""What a report can be cut by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from pbx.reports.columns import Frame, Ints
from pbx.reports.period import DAY_S, LocalTimes

NOTHING = "none"
"""In place of a queue, a manager ...: there was none."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FIRST_DAY = date(1970, 1, 1)
_HOURS = tuple(f"{hour:02}" for hour in range(24))


@dataclass(frozen=True, slots=True)
class Context:
    """What slices ask besides the rows.  ``departments``: by manager."""

    times: LocalTimes
    departments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cut:
    """For each row a number, and what the numbers stand for."""

    codes: Ints
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Slice:
    """``columns``: of facts that it asks; ``of_states``: managers' states can be cut by it."""

    name: str
    means: str
    columns: tuple[str, ...]
    cut: Callable[[Frame, Context], Cut]
    of_states: bool = False


def _by_text(column: str) -> Callable[[Frame, Context], Cut]:
    def cut(frame: Frame, _: Context) -> Cut:
        return Cut(frame.numbers[column], [one or NOTHING for one in frame.texts[column]])

    return cut


def _renamed(column: str, name: Callable[[str, Context], str]) -> Callable[[Frame, Context], Cut]:
    """Several texts may get the same label."""

    def cut(frame: Frame, context: Context) -> Cut:
        new = [name(text, context) or NOTHING for text in frame.texts[column]]
        labels = sorted(set(new))
        places = {label: code for code, label in enumerate(labels)}
        codes = np.array([places[label] for label in new], np.int32)
        return Cut(codes[frame.numbers[column]] if frame.rows else frame.numbers[column], labels)

    return cut


def _local_s(frame: Frame, context: Context) -> Ints:
    return context.times.seconds(frame.numbers["began_s"])


def _hour(frame: Frame, context: Context) -> Cut:
    return Cut(_local_s(frame, context) % DAY_S // 3600, _HOURS)


def _weekday(frame: Frame, context: Context) -> Cut:
    # 1970-01-01 was a Thursday.
    return Cut((_local_s(frame, context) // DAY_S + 3) % 7, WEEKDAYS)


def _calendar(label: Callable[[date], str]) -> Callable[[Frame, Context], Cut]:
    def cut(frame: Frame, context: Context) -> Cut:
        days = _local_s(frame, context) // DAY_S
        if not frame.rows:
            return Cut(days, ())
        first, last = int(days.min()), int(days.max())
        names = [label(_FIRST_DAY + timedelta(days=n)) for n in range(first, last + 1)]
        labels = sorted(set(names))
        places = {name: code for code, name in enumerate(labels)}
        codes = np.array([places[name] for name in names], np.int32)
        return Cut(codes[days - first], labels)

    return cut


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


_BEGAN = ("began_s",)
SLICES: Mapping[str, Slice] = {
    one.name: one
    for one in (
        Slice("number", "the company's number that was dialled", ("did",), _by_text("did")),
        Slice("source", "where that number is advertised", ("source",), _by_text("source")),
        Slice("queue", "the last queue that the caller waited in", ("queue",), _by_text("queue")),
        Slice(
            "department",
            "the manager's department, as the plan has it now",
            ("agent",),
            _renamed("agent", lambda agent, context: context.departments.get(agent, "")),
            of_states=True,
        ),
        Slice(
            "manager",
            "of a call: who talked with the caller last; of a manager's part in it: this manager",
            ("agent",),
            _by_text("agent"),
            of_states=True,
        ),
        Slice("hour", "hour of the day in which it began, 00 to 23", _BEGAN, _hour, of_states=True),
        Slice("weekday", "day of the week, mon to sun", _BEGAN, _weekday, of_states=True),
        Slice("day", "the day", _BEGAN, _calendar(date.isoformat), of_states=True),
        Slice("week", "the week, as ISO 8601 counts: 2026-W48", _BEGAN, _calendar(_week), True),
        Slice("month", "the month", _BEGAN, _calendar(lambda day: f"{day:%Y-%m}"), of_states=True),
        Slice(
            "caller",
            "new, returning (the number had called before), withheld",
            ("caller",),
            _by_text("caller"),
        ),
        Slice("outcome", "how the call ended (log.md)", ("outcome",), _by_text("outcome")),
        Slice("menu", "the way through the menus", ("menu",), _by_text("menu")),
        Slice("strategy", "the strategy that rang last", ("strategy",), _by_text("strategy")),
        Slice(
            "region",
            "country and area code of the caller's number; the country alone for mobiles",
            ("region",),
            _by_text("region"),
        ),
        Slice(
            "country",
            "country of the caller's number",
            ("region",),
            _renamed("region", lambda region, _: region.partition(" ")[0]),
        ),
    )
}
"""All slices by name."""


def order(name: str, label: str) -> tuple[int, str]:
    """Where a label stands among those of its slice: what there is none of comes last."""
    if name == "weekday":
        return WEEKDAYS.index(label), ""
    return int(label == NOTHING), label


def understood(name: str, text: str) -> str:
    """A label as people write it: ``9`` is an hour, ``Mon`` a day."""
    text = text.strip()
    if name == "hour" and text.isdecimal():
        return f"{int(text):02}"
    if name == "weekday":
        return text.casefold()[:3].strip()
    return text
