"""What a report can be cut by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from pbx.reports.frames import Ints
from pbx.reports.period import DAY_S, LocalTimes
from pbx.reports.rows import Rows

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
    """For each row a number (``codes``), and of each number the place of its label in ``labels``
    (``label_of``); several may have the same."""

    codes: Ints
    label_of: Ints
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Slice:
    """``columns``: of facts that it asks; ``of_states``: managers' states can be cut by it."""

    name: str
    means: str
    columns: tuple[str, ...]
    cut: Callable[[Rows, Context], Cut]
    of_states: bool = False


def _by_text(column: str) -> Callable[[Rows, Context], Cut]:
    return _renamed(column, lambda text, _: text)


def _renamed(column: str, name: Callable[[str, Context], str]) -> Callable[[Rows, Context], Cut]:
    def cut(rows: Rows, context: Context) -> Cut:
        labels = [name(text, context) or NOTHING for text in rows.frame.texts[column]]
        return Cut(rows[column], np.arange(len(labels)), labels)

    return cut


def _local_s(rows: Rows, context: Context) -> npt.NDArray[np.int64]:
    """Of each quarter of an hour, as ``rows.quarter`` numbers them, when it begins."""
    return context.times.seconds(rows.quarters_s)


def _hour(rows: Rows, context: Context) -> Cut:
    return Cut(rows.quarter, _local_s(rows, context) % DAY_S // 3600, _HOURS)


def _weekday(rows: Rows, context: Context) -> Cut:
    # 1970-01-01 was a Thursday.
    return Cut(rows.quarter, (_local_s(rows, context) // DAY_S + 3) % 7, WEEKDAYS)


def _calendar(label: Callable[[date], str]) -> Callable[[Rows, Context], Cut]:
    def cut(rows: Rows, context: Context) -> Cut:
        days = _local_s(rows, context) // DAY_S
        if not len(days):
            return Cut(rows.quarter, days, ())
        first, last = int(days.min()), int(days.max())
        labels = [label(_FIRST_DAY + timedelta(days=day)) for day in range(first, last + 1)]
        return Cut(rows.quarter, days - first, labels)

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
        Slice("hour", "hour of the day in which it began, 00 to 23", _BEGAN, _hour, True),
        Slice("weekday", "day of the week, mon to sun", _BEGAN, _weekday, True),
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
