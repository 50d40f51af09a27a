"""Facts kept by the log's own writer, on SQLite and on a real PostgreSQL alike."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pbx.funnel.book import note
from pbx.funnel.count import Reading
from pbx.funnel.report import FunnelQuery, funnel_report
from pbx.funnel.stages import Funnel, Way
from pbx.journal.database import open_for_reading, open_for_writing
from pbx.journal.follower import Follower
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook
from pbx.plan.model import FunnelPlan
from pbx.reports.book import FactBook, check, rebuild
from pbx.reports.columns import ColumnStore
from pbx.reports.measures import MEASURES
from pbx.reports.period import Period
from pbx.reports.report import Query, report
from tests.funnel import brute
from tests.funnel.test_equal import STAGES
from tests.funnel.test_equal import told as told_stages
from tests.missed.day import BEGAN, RULE
from tests.reports.brute import Brute
from tests.reports.randomlog import DEPARTMENTS, RandomLog

BERLIN = ZoneInfo("Europe/Berlin")
WHOLE = Period(BEGAN - timedelta(days=2), BEGAN + timedelta(days=3))
NOW = BEGAN + timedelta(days=12)


def test_the_writer_keeps_facts_that_equal_the_raw_rows(url: str, tmp_path: Path) -> None:
    followers: list[Follower] = [MissedBook(RULE, {}), FactBook()]
    log = SqlJournal(url, spool=tmp_path / "spool.jsonl", followers=followers)
    log.start()
    entries = RandomLog(random.Random(3), BEGAN, timedelta(days=2), 40).entries
    for begin in range(0, len(entries), 60):
        for entry in entries[begin : begin + 60]:
            log.write(entry)
        assert log.flush(10.0)
    log.close(10.0)
    assert log.unfollowed == 0

    asked, store = open_for_reading(url), ColumnStore(tmp_path / "columns")
    assert check(asked).wrong == 0
    query = Query(WHOLE, BERLIN, by=("manager",), measures=tuple(MEASURES))
    query = replace(query, departments=DEPARTMENTS)
    told = report(asked, store, query, NOW)
    right = Brute(asked, BERLIN, DEPARTMENTS).report(
        WHOLE.since, WHOLE.until, ("manager",), {}, NOW, query.within_s
    )
    for row in told.rows:
        for name, value in row.values.items():
            expected = right[row.key][name]
            if value is None or expected is None:
                assert value == expected, name
            else:
                assert abs(value - expected) < 1e-6, name
    assert {row.key for row in told.rows} == right.keys() - {("total",)}

    note(open_for_writing(url), told_stages(random.Random(3), 30, timedelta(days=2)), NOW)
    plan = FunnelPlan(dict.fromkeys(STAGES, ""), 30.0, 86400.0)
    for reading in Reading:
        asked_for = FunnelQuery(Funnel.of(plan, Way.INCOMING), WHOLE, reading, "manager")
        counted = funnel_report(asked, store, asked_for, NOW)
        assert counted == brute.funnel_report(asked, asked_for, NOW)

    assert rebuild(open_for_writing(url)) == 40
    assert report(asked, store, query, NOW) == told
    asked.dispose()
