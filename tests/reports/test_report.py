"""Reports say what the log says: any measure, any slices, any zone."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pbx.reports.book import check
from pbx.reports.columns import ColumnStore
from pbx.reports.measures import MEASURES, Of
from pbx.reports.period import Period
from pbx.reports.report import Query, Report, report
from pbx.reports.slices import SLICES
from tests.reports.brute import Brute, Value
from tests.reports.randomlog import DEPARTMENTS, RandomLog, keep, opened

ZONES = ("Europe/Berlin", "Europe/Moscow", "Asia/Kathmandu", "America/St_Johns", "UTC")
DST_ENDS = datetime(2026, 10, 24, 9, tzinfo=UTC)
"""The day before Berlin's clocks go back."""


def same(told: Report, brute: dict[tuple[str, ...], dict[str, Value]]) -> None:
    total = brute.pop(("total",))
    assert told.left_out == 0
    assert {row.key for row in told.rows} == brute.keys()
    for row in told.rows:
        assert row.values == pytest.approx({name: brute[row.key][name] for name in row.values})
    assert told.total.values == pytest.approx({name: total[name] for name in told.total.values})


@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a smaller seed is no simpler log
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 2**32), st.data())
def test_any_report_equals_the_raw_rows_counted_one_by_one(seed: int, data: st.DataObject) -> None:
    rng = random.Random(seed)
    zone = ZoneInfo(rng.choice(ZONES))
    log = RandomLog(rng, DST_ENDS, timedelta(days=3), rng.randrange(50))
    now = DST_ENDS + timedelta(days=rng.choice((1, 3, 12)), seconds=rng.randrange(99))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = opened(folder)
        keep(engine, log.entries, rng)
        assert check(engine).wrong == 0
        brute = Brute(engine, zone, DEPARTMENTS)
        store = ColumnStore(folder / "columns")
        for _ in range(4):  # from the log, then from the files
            by = data.draw(st.lists(st.sampled_from(sorted(SLICES)), max_size=3, unique=True))
            of_states = all(SLICES[one].of_states for one in by)
            where = {}
            if brute.calls and rng.random() < 0.5:
                one = rng.choice([*by, "manager"])
                some = rng.sample(brute.calls, min(2, len(brute.calls)))
                where[one] = tuple({call[one] for call in some})
            since = DST_ENDS + timedelta(hours=rng.randrange(-2, 40), milliseconds=rng.random())
            period = Period.of(since, since + timedelta(hours=rng.randrange(80)))
            measures = [
                one.name for one in MEASURES.values() if of_states or one.of is not Of.STATES
            ]
            query = Query(
                period,
                zone,
                by=tuple(by),
                where=where,
                measures=tuple(rng.sample(measures, len(measures))),
                within_s=rng.choice((5.0, 20.0)),
                departments=DEPARTMENTS,
            )
            right = brute.report(period.since, period.until, by, where, now, query.within_s)
            same(report(engine, store, query, now), right)
        engine.dispose()
