"""What a report can be cut by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

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
    """For each row a number, and of each number its label; several may have the same."""

    codes: Ints
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
        return Cut(rows[column], labels)

    return cut


def _by_time(label: Callable[[int], str]) -> Callable[[Rows, Context], Cut]:
    """``label``: of local seconds since 1970 at the beginning of a quarter of an hour."""

    def cut(rows: Rows, context: Context) -> Cut:
        local_s = context.times.seconds(rows.quarters_s)
        return Cut(rows.quarter, [label(one) for one in local_s.tolist()])

    return cut


def _calendar(label: Callable[[date], str]) -> Callable[[Rows, Context], Cut]:
    @lru_cache(maxsize=10_000)
    def of_day(day: int) -> str:
        return label(_FIRST_DAY + timedelta(days=day))

    return _by_time(lambda local_s: of_day(local_s // DAY_S))


def _hour(local_s: int) -> str:
    return _HOURS[local_s % DAY_S // 3600]


def _weekday(local_s: int) -> str:
    # 1970-01-01 was a Thursday.
    return WEEKDAYS[(local_s // DAY_S + 3) % 7]


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
        Slice("hour", "hour of the day in which it began, 00 to 23", _BEGAN, _by_time(_hour), True),
        Slice("weekday", "day of the week, mon to sun", _BEGAN, _by_time(_weekday), True),
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
