"""The day's figures are those of a report of the day."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pbx.days import day_began
from pbx.journal.database import open_for_reading
from pbx.live.figures import Calls, added
from pbx.live.today import TodayReader
from pbx.missed.queries import TaskFilter, list_tasks
from pbx.reports.columns import ColumnStore
from pbx.reports.period import Period
from pbx.reports.report import Query, report
from tests.reports.randomlog import RandomLog, keep, opened

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
FIGURES = {
    "offered": "offered",
    "answered": "answered",
    "short": "lost_short",
    "service_level_of_offered": "service_level_of_offered",
    "service_level_of_answered": "service_level_of_answered",
    "longest_wait_s": "longest_wait_s",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        (MOSCOW, datetime(2026, 11, 18, 18, 0, tzinfo=UTC)),
        (BERLIN, datetime(2026, 10, 25, 20, 0, tzinfo=UTC)),  # a day of 25 hours
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_they_are_those_of_a_report(
    zone: ZoneInfo, day: datetime, seed: int, tmp_path: Path
) -> None:
    log = RandomLog(random.Random(seed), day - timedelta(days=1), timedelta(days=2), 200)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    keep(opened(tmp_path), log.entries, random.Random(seed))
    read = open_for_reading(url)
    reader = TodayReader(read)
    for now in (day, day, day + timedelta(hours=12)):
        figures = reader.read(zone, now)
        # Calls that began later are not in that day's report; in life there are none.
        period = Period.of(day_began(now, zone), day + timedelta(days=30))
        query = Query(period, zone, measures=(*FIGURES.values(), "lost_in_menu", "lost_waiting"))
        found = report(read, ColumnStore.beside(tmp_path, url), query, now).total.values
        for name, measure in FIGURES.items():
            assert figures[name] == pytest.approx(found[measure]), name
        lost = (found["lost_in_menu"] or 0) + (found["lost_waiting"] or 0)
        assert figures["lost"] == lost
        waiting = list_tasks(read, TaskFilter())
        assert figures["open_missed"] == len(waiting)
        of_each = [figures["queues"][name] for name in figures["queues"]]
        assert added(map(Calls.of, of_each)) == Calls.of(figures), "the parts are the whole"
        assert {(one["queue"], one["agent"]) for one in figures["missed"]} == {
            (task.queue or "", task.agent) for task in waiting
        }
        for queue in filter(None, figures["queues"]):
            asked = Query(period, zone, measures=("offered",), where={"queue": (queue,)})
            of_queue = report(read, ColumnStore.beside(tmp_path, url), asked, now).total.values
            assert figures["queues"][queue]["offered"] == of_queue["offered"]


def test_what_is_new_in_the_log_is_counted(tmp_path: Path) -> None:
    day = datetime(2026, 11, 18, 18, 0, tzinfo=UTC)
    rng = random.Random(3)
    engine = opened(tmp_path)
    reader = TodayReader(open_for_reading(f"sqlite:///{tmp_path / 'log.db'}"))
    offered = [reader.read(MOSCOW, day)["offered"]]
    entries = RandomLog(rng, day - timedelta(hours=12), timedelta(hours=12), 60).entries
    half = len(entries) // 2
    for part in (entries[:half], entries[half:]):
        keep(engine, part, rng)
        offered.append(reader.read(MOSCOW, day)["offered"])
    assert offered[0] == 0
    assert offered[0] < offered[1] < offered[2]
