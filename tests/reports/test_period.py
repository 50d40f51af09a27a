"""Hours and days are those of the company's clock, also when it changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.reports.period import LocalTimes, Period

BERLIN, MOSCOW = ZoneInfo("Europe/Berlin"), ZoneInfo("Europe/Moscow")
ZONES = st.sampled_from(
    ("Europe/Berlin", "Europe/Moscow", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca")
).map(ZoneInfo)
MOMENTS = st.integers(1_262_304_000, 1_798_761_600).map(
    lambda second: datetime.fromtimestamp(second, UTC)  # 2010 to 2026
)


@settings(max_examples=40, deadline=None)
@given(ZONES, MOMENTS, st.integers(0, 500 * 86400), st.lists(st.integers(0, 500 * 86400)))
def test_local_times_are_those_of_the_zone(
    zone: ZoneInfo, since: datetime, length: int, offsets: list[int]
) -> None:
    begin = int(since.timestamp())
    at = np.array([begin + min(one, length) for one in offsets], np.int64)
    found = LocalTimes(zone, begin, begin + length + 1).seconds(at)
    naive = [datetime.fromtimestamp(int(one), zone).replace(tzinfo=UTC).timestamp() for one in at]
    assert found.tolist() == naive


@pytest.mark.parametrize(
    ("zone", "since", "until", "before"),
    [
        # The clocks went back on 2026-10-25: the week before is as many days, not seconds.
        (BERLIN, "2026-10-23", "2026-10-30", "2026-10-16"),
        (BERLIN, "2026-10-25", "2026-10-26", "2026-10-24"),
        (BERLIN, "2026-03-29", "2026-03-30", "2026-03-28"),
        (MOSCOW, "2014-10-26", "2014-10-27", "2014-10-25"),
    ],
)
def test_the_period_before_is_as_many_days(
    zone: ZoneInfo, since: str, until: str, before: str
) -> None:
    def day(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=zone)

    period = Period.of(day(since), day(until))
    assert period.before(zone) == Period(day(before), day(since))


def test_the_period_before_a_part_of_a_day_is_as_long() -> None:
    since = datetime(2026, 10, 25, 8, tzinfo=UTC)
    assert Period(since, since + timedelta(hours=5)).before(BERLIN).since == since - timedelta(
        hours=5
    )
