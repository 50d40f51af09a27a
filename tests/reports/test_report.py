"""Reports say what the log says: any measure, any slices, any zone."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, select, update

from pbx.cli import main
from pbx.errors import ReportError
from pbx.journal.closing import close_open
from pbx.journal.port import CallEnded, CallStarted, Stamped
from pbx.journal.tables import call_facts, calls, contacts
from pbx.missed.book import close_by_hand
from pbx.missed.queries import TaskFilter, list_tasks
from pbx.reports.book import FactBook, check, rebuild
from pbx.reports.columns import ColumnStore
from pbx.reports.measures import MEASURES, Of
from pbx.reports.period import Period
from pbx.reports.report import Query, Report, report
from pbx.reports.report import check as check_question
from pbx.reports.slices import SLICES
from routing.values import CallId
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


@pytest.mark.slow
@settings(
    max_examples=5,
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
        store = ColumnStore(
            folder / "columns", block_days=rng.choice((1, 2, 32)), settled_s=rng.choice((0, 600))
        )
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


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    engine = opened(folder)
    rng = random.Random(7)
    keep(engine, RandomLog(rng, DST_ENDS, timedelta(days=2), 40).entries, rng)
    engine.dispose()
    return folder / "log.db"


WHOLE = Period(DST_ENDS, DST_ENDS + timedelta(days=4))
NOW = DST_ENDS + timedelta(days=5)


def usual(**more: Any) -> Query:
    return Query(WHOLE, ZoneInfo("Europe/Berlin"), **more)


def test_the_hour_that_comes_twice_is_one_hour(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    rng = random.Random(1)
    twice = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 in summer time, an hour later again
    for n in range(2):
        entries = RandomLog(rng, twice + timedelta(hours=n), timedelta(minutes=1), 10).entries
        # The ids of one log would be those of the other.
        late = [one for one in entries if isinstance(one.entry, CallStarted | CallEnded)]
        keep(engine, [_renamed(one, n) for one in late], rng)
    query = usual(by=("day", "hour"), measures=("offered",))
    found = report(engine, ColumnStore(tmp_path / "c"), query, NOW)
    assert [row.key for row in found.rows] == [("2026-10-25", "02")]
    moscow = replace(query, zone=ZoneInfo("Europe/Moscow"))
    found = report(engine, ColumnStore(tmp_path / "c"), moscow, NOW)
    assert [row.key for row in found.rows] == [("2026-10-25", "03"), ("2026-10-25", "04")]
    engine.dispose()


def _renamed(one: Stamped, n: int) -> Stamped:
    entry = one.entry
    assert isinstance(entry, CallStarted | CallEnded)
    return Stamped(one.at, replace(entry, call_id=CallId(f"{entry.call_id}-{n}")))


def test_a_time_without_calls_has_no_row_and_a_total(log: Engine, tmp_path: Path) -> None:
    quiet = Period(DST_ENDS - timedelta(days=9), DST_ENDS - timedelta(days=8))
    query = replace(usual(measures=("offered", "asa_s", "busiest")), period=quiet)
    for by in ((), ("queue",)):
        found = report(log, ColumnStore(tmp_path / "c"), replace(query, by=by), NOW)
        assert found.rows == ()
        assert found.total.values == {"offered": 0, "asa_s": None, "busiest": 0}


def test_the_period_before_stands_beside(log: Engine, tmp_path: Path) -> None:
    middle = DST_ENDS + timedelta(days=1)
    second = Period(middle, middle + timedelta(days=1))
    store = ColumnStore(tmp_path / "c")
    query = replace(usual(by=("queue",), compare=True), period=second)
    found = report(log, store, query, NOW)
    alone = report(log, store, replace(query, compare=False), NOW)
    earlier = Period(DST_ENDS, middle)
    before = report(log, store, replace(query, compare=False, period=earlier), NOW)
    assert found.before == earlier
    assert (found.total.values, found.total.before) == (alone.total.values, before.total.values)
    assert {row.key for row in found.rows} == {row.key for row in (*alone.rows, *before.rows)}
    beside = {row.key: row.before for row in found.rows}
    assert all(beside[row.key] == row.values for row in before.rows)


def test_small_rows_are_left_out_and_the_total_is_whole(log: Engine, tmp_path: Path) -> None:
    store = ColumnStore(tmp_path / "c")
    all_rows = report(log, store, usual(by=("hour",), measures=tuple(MEASURES)), NOW)
    few = report(log, store, usual(by=("hour",), measures=("offered", "wait_p90_s"), limit=3), NOW)
    assert (len(few.rows), few.left_out) == (
        3,
        len([row for row in all_rows.rows if row.values["offered"]]) - 3,
    )
    assert few.total.values["wait_p90_s"] == all_rows.total.values["wait_p90_s"]
    most = sorted((row.values["offered"] or 0 for row in all_rows.rows), reverse=True)[:3]
    assert sorted((row.values["offered"] or 0 for row in few.rows), reverse=True) == most


@pytest.mark.parametrize("more", [{}, {"settled_s": 0.0, "block_days": 2}])
def test_files_of_columns_are_never_believed_over_the_log(
    log: Engine, tmp_path: Path, more: dict[str, Any]
) -> None:
    folder = tmp_path / "c"
    query = usual(by=("queue",), measures=tuple(name for name in MEASURES if name != "busiest"))
    query = replace(query, by=("manager",))
    right = report(log, ColumnStore(folder, **more), query, NOW)
    assert any(path.suffix == ".block" for path in folder.iterdir()) == bool(more)
    for place, path in enumerate(sorted(folder.iterdir())):
        path.write_bytes((b"", b"\xff" * 99, path.read_bytes()[:-4], b"{}\n")[place % 4])
    assert report(log, ColumnStore(folder, **more), query, NOW) == right
    assert report(log, ColumnStore(folder, **more), query, NOW) == right
    assert report(log, ColumnStore(Path("/proc/no/such/folder")), query, NOW) == right


def test_what_is_closed_by_hand_is_in_the_next_report(log: Engine, tmp_path: Path) -> None:
    store = ColumnStore(tmp_path / "c")
    early = DST_ENDS + timedelta(days=2)
    query = usual(measures=("missed_never", "missed_undecided"))
    before = report(log, store, query, early).total.values
    open_tasks = list_tasks(log, TaskFilter(since=early - timedelta(hours=20)))
    close_by_hand(log, open_tasks[0].task_id, at=early, by="anna", reason="by mail")
    after = report(log, store, query, early).total.values
    assert after["missed_never"] == (before["missed_never"] or 0) + 1
    assert after["missed_undecided"] == (before["missed_undecided"] or 0) - 1


def test_the_check_finds_what_is_wrong_and_the_rebuild_mends_it(
    log: Engine, tmp_path: Path
) -> None:
    query, store = usual(by=("outcome",)), ColumnStore(tmp_path / "c")
    right = report(log, store, query, NOW)
    with log.begin() as connection:
        ids = connection.execute(select(call_facts.c.call_id).limit(3)).scalars().all()
        connection.execute(
            update(call_facts).where(call_facts.c.call_id == ids[0]).values(wait_ms=1)
        )
        connection.execute(delete(call_facts).where(call_facts.c.call_id == ids[1]))
        connection.execute(
            update(call_facts).where(call_facts.c.call_id == ids[2]).values(call_id="gone")
        )
        connection.execute(delete(contacts))
        of_contacts = select(calls).where(calls.c.number != "")
        strangers = len(connection.execute(of_contacts).all())
    found = check(log)
    # A fact that has moved is missing where it was.
    assert found.wrong == 4 + strangers
    assert any("wait_ms is 1, not" in one for one in found.examples)
    assert rebuild(log) > 0
    assert check(log).wrong == 0
    assert report(log, store, query, NOW) == right


def test_what_a_crash_left_open_is_in_reports_after_the_start(log: Engine, tmp_path: Path) -> None:
    with log.begin() as connection:
        closed = close_open(connection, NOW)
    assert closed
    before = check(log)
    FactBook().catch_up(log, NOW)
    assert (before.wrong, check(log).wrong) == (closed, 0)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"by": ("queu",)}, "no slice 'queu'"),
        ({"measures": ("asa",)}, "no measure 'asa'"),
        ({"by": ("queue",), "measures": ("occupancy",)}, "occupancy can't be told by queue"),
        ({"by": ("hour", "hour")}, "named twice"),
    ],
)
def test_a_question_without_sense_is_refused(more: dict[str, Any], told: str) -> None:
    with pytest.raises(ReportError, match=told):
        check_question(usual(**more))


def test_every_measure_and_slice_is_explained() -> None:
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
    assert [name for name in (*MEASURES, *SLICES) if f"`{name}`" not in page] == []


def test_the_command_prints_tables_csv_and_sheets(log: Engine, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    sheet = tmp_path / "r.xlsx"
    common = ["--db", url, "--since", "2026-10-24", "--until", "2026-10-28", "--by", "queue,hour"]
    env = {"VORONKA_STATE_DIR": str(tmp_path), "VORONKA_PLAN": "config"}

    def told(*arguments: str) -> str:
        result = CliRunner().invoke(main, list(arguments), env=env)
        assert result.exit_code == 0, result.output
        return result.output

    assert "service level" in told("report", *common, "--compare")
    lines = told("report", *common, "--csv").splitlines()
    assert lines[0].startswith("queue,hour,offered,answered,")
    assert lines[-1].startswith("total,,38,")
    assert '"left_out": 0' in told("report", *common, "--json", "--where", "manager=anna")
    told("report", *common, "--xlsx", str(sheet))
    assert sheet.stat().st_size > 1000
    assert "0 of them with wrong facts" in told("reports", "rebuild", "--db", url)
    assert "events in the period" in told("funnel", "--db", url, "--incoming", "--since", "9w")
    assert "too few data" in told("funnel", "sag", "--db", url)
    events = tmp_path / "e.csv"
    events.write_text("stage,number,at\ncold-call,+79161234567,2026-10-25 12:00\n")
    assert "1 events would be new" in told(
        "funnel", "import", str(events), "--dry-run", "--db", url
    )
    assert "1 events new" in told("funnel", "import", str(events), "--db", url)
