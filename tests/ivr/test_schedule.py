"""Opening hours: overnight, holidays, single dates, and the days on which the clock jumps."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ivr.schedule import Schedule, ScheduleState, Window

BERLIN = ZoneInfo("Europe/Berlin")
MOSCOW = ZoneInfo("Europe/Moscow")
OFFICE = (Window(time(9), time(18)),)
NIGHT = (Window(time(22), time(6)),)


def office(**more: object) -> Schedule:
    return Schedule("office", BERLIN, dict.fromkeys(range(5), OFFICE), **more)  # type: ignore[arg-type]


def local(zone: ZoneInfo, *parts: int) -> datetime:
    return datetime(*parts, tzinfo=zone)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("at", "state"),
    [
        ((2026, 11, 23, 8, 59), ScheduleState.CLOSED),
        ((2026, 11, 23, 9, 0), ScheduleState.OPEN),
        ((2026, 11, 23, 17, 59), ScheduleState.OPEN),
        ((2026, 11, 23, 18, 0), ScheduleState.CLOSED),
        ((2026, 11, 22, 12, 0), ScheduleState.CLOSED),
    ],
)
def test_the_end_of_a_window_is_closed_and_its_beginning_open(
    at: tuple[int, ...], state: ScheduleState
) -> None:
    assert office().state(local(BERLIN, *at)) is state


def test_a_night_belongs_to_the_day_it_began() -> None:
    nights = Schedule("night", BERLIN, {4: NIGHT})  # Friday nights only

    assert nights.state(local(BERLIN, 2026, 11, 27, 23)) is ScheduleState.OPEN
    assert nights.state(local(BERLIN, 2026, 11, 28, 5, 59)) is ScheduleState.OPEN
    assert nights.state(local(BERLIN, 2026, 11, 28, 6)) is ScheduleState.CLOSED
    assert nights.state(local(BERLIN, 2026, 11, 27, 5)) is ScheduleState.CLOSED


def test_a_holiday_is_told_apart_and_a_single_date_comes_before_it() -> None:
    day = date(2026, 12, 31)
    short = (Window(time(9), time(13)),)
    eve = office(holidays={day: "New Year's Eve", date(2027, 1, 1): "New Year"}, dates={day: short})

    assert eve.state(local(BERLIN, 2026, 12, 31, 10)) is ScheduleState.OPEN
    assert eve.state(local(BERLIN, 2026, 12, 31, 14)) is ScheduleState.CLOSED
    assert eve.state(local(BERLIN, 2027, 1, 1, 10)) is ScheduleState.HOLIDAY


def test_hours_follow_the_wall_clock_over_a_change_of_time() -> None:
    # 2026-03-29 02:00 -> 03:00 in Berlin: 09:00 local is 08:00 UTC before and 07:00 after.
    always = Schedule("all", BERLIN, dict.fromkeys(range(7), OFFICE))

    assert always.state(datetime(2026, 3, 28, 8, 0, tzinfo=UTC)) is ScheduleState.OPEN
    assert always.state(datetime(2026, 3, 28, 7, 59, tzinfo=UTC)) is ScheduleState.CLOSED
    assert always.state(datetime(2026, 3, 29, 7, 0, tzinfo=UTC)) is ScheduleState.OPEN
    assert always.state(datetime(2026, 3, 29, 6, 59, tzinfo=UTC)) is ScheduleState.CLOSED


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    # 2026-10-25 03:00 -> 02:00 in Berlin: 02:30 is at 00:30 and at 01:30 UTC.
    early = Schedule("early", BERLIN, {6: (Window(time(2), time(3)),)})

    assert early.state(datetime(2026, 10, 25, 0, 30, tzinfo=UTC)) is ScheduleState.OPEN
    assert early.state(datetime(2026, 10, 25, 1, 30, tzinfo=UTC)) is ScheduleState.OPEN
    assert early.state(datetime(2026, 10, 25, 2, 30, tzinfo=UTC)) is ScheduleState.CLOSED


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        office().state(datetime(2026, 1, 1))  # noqa: DTZ001 (that is the point)


MINUTES = st.integers(0, 24 * 60 - 1)


@given(
    windows=st.lists(st.tuples(st.integers(0, 6), MINUTES, MINUTES), max_size=6),
    minute=st.integers(0, 14 * 24 * 60 - 1),
)
def test_it_agrees_with_a_timetable_of_single_minutes(
    windows: list[tuple[int, int, int]], minute: int
) -> None:
    week: dict[int, tuple[Window, ...]] = {}
    open_minutes: set[int] = set()
    for day, start, end in windows:
        window = Window(time(start // 60, start % 60), time(end // 60, end % 60))
        week[day] = (*week.get(day, ()), window)
        length = (end - start) % (24 * 60) or 24 * 60
        first = day * 24 * 60 + start
        open_minutes.update((first + n) % (7 * 24 * 60) for n in range(length))
    schedule = Schedule("any", MOSCOW, week)
    monday = datetime(2026, 11, 23, tzinfo=MOSCOW)

    state = schedule.state(monday + timedelta(minutes=minute))

    assert (state is ScheduleState.OPEN) == (minute % (7 * 24 * 60) in open_minutes)
