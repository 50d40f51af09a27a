"""How long reports take: engines beside each other, and our own at 0.1, 1 and 10 million legs.

``python -m bench.reports --legs 100000,1000000,10000000 --folder /tmp/reports-bench`` prints the
tables of docs/decisions/0010-report-engine.md.  10 million legs take about 8 GB of disk and
ten minutes.  ``--postgres`` and an installed DuckDB are measured too.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from bench.synthetic import BEGAN, DAYS, fill
from pbx.journal.database import migrate, open_for_reading, open_for_writing
from pbx.reports.book import check, rebuild
from pbx.reports.columns import ColumnStore
from pbx.reports.measures import MEASURES, Of
from pbx.reports.period import Period
from pbx.reports.report import Query, report
from pbx.reports.source import CALLS

ZONE = ZoneInfo("Europe/Moscow")
NOW = BEGAN + timedelta(days=DAYS + 30)
WHOLE = Period(BEGAN, BEGAN + timedelta(days=DAYS))
CHECKED_UP_TO = 1_000_000
"""Legs up to which every fact is made anew and compared: it takes minutes beyond."""

_SUMS = (
    "count(*), sum(case when outcome='answered' then 1 else 0 end),"
    " sum(case when outcome='answered' and wait_ms<=20000 then 1 else 0 end),"
    " sum(case when outcome='answered' then wait_ms else 0 end)"
)
_RAW = _SUMS.replace("wait_ms<=20000", "wait_s<=20").replace("wait_ms", "wait_s")
_HOUR = "(began_ms/3600000+3)%24"
QUESTIONS = {
    "by queue and hour": f"select queue, {_HOUR}, {_SUMS} from {{t}} group by 1, 2",
    "by manager, region, caller, menu": (
        f"select agent, region, caller, menu, {_SUMS} from {{t}} group by 1, 2, 3, 4"
    ),
}
RAW_QUESTIONS = {
    "by queue and hour": (
        f"select queue, strftime('%H', started_at, '+3 hours'), {_RAW} from calls"
        " where ended_at is not null group by 1, 2"
    ),
    "by manager, region, caller, menu": (
        f"select agent, substr(number, 1, 5), exists(select 1 from calls b where b.number=a.number"
        f" and b.started_at<a.started_at), menu_path, {_RAW} from calls a"
        " where ended_at is not null group by 1, 2, 3, 4"
    ),
    "rung and not answered, by manager": (
        "select agent, count(*), sum(disposition='no_answer') from legs where kind='device'"
        " group by 1"
    ),
}
_ALL = tuple(one.name for one in MEASURES.values() if one.of is not Of.STATES)
OURS: dict[str, tuple[tuple[str, ...], tuple[str, ...], dict[str, tuple[str, ...]], bool]] = {
    "by queue and hour": (
        ("queue", "hour"),
        ("offered", "answered", "service_level_of_answered", "asa_s"),
        {},
        False,
    ),
    "by manager, region, caller, menu": (
        ("manager", "region", "caller", "menu"),
        ("offered", "answered", "service_level_of_answered", "asa_s"),
        {},
        False,
    ),
    "wait percentiles by source, weekday": (
        ("source", "weekday"),
        ("wait_p50_s", "wait_p90_s", "wait_p95_s", "longest_wait_s"),
        {},
        False,
    ),
    "rung and not answered, by manager": (
        ("manager",),
        ("rung", "no_answer", "no_answer_share"),
        {},
        False,
    ),
    "busiest, by number": (("number",), ("busiest",), {}, False),
    "occupancy by manager and hour": (("manager", "hour"), ("occupancy",), {}, False),
    "usual nine by day, one queue": (
        ("day",),
        Query(WHOLE, ZONE).measures,
        {"queue": ("q3",)},
        False,
    ),
    "usual nine, total, and the period before": ((), Query(WHOLE, ZONE).measures, {}, True),
    f"all {len(_ALL)} of calls by department": (("department",), _ALL, {}, False),
}


def timed(what: Callable[[], object], times: int = 3) -> float:
    """The best of some runs, milliseconds."""
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        what()
        best = min(best, time.perf_counter() - began)
    return best * 1000


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.reports", description=__doc__)
    parser.add_argument("--legs", default="100000,1000000")
    parser.add_argument("--folder", type=Path, default=Path("var/reports-bench"))
    parser.add_argument("--postgres", action="store_true", help="start one and measure it, too")
    options = parser.parse_args()
    for legs in map(int, options.legs.split(",")):
        folder = options.folder / str(legs)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        free = shutil.disk_usage(folder).free
        if free < legs * 1_500:
            raise SystemExit(f"{free >> 20} MiB of disk are free: too little for {legs} legs")
        for line in measured(legs, folder, postgres=options.postgres):
            print(line, flush=True)
        shutil.rmtree(folder)


def measured(legs: int, folder: Path, *, postgres: bool) -> Iterator[str]:
    """Lines of Markdown."""
    path = folder / "log.db"
    url = f"sqlite:///{path}"
    engine = open_for_writing(url)
    migrate(engine)
    engine.dispose()
    began = time.perf_counter()
    sizes = fill(path, legs)
    took = time.perf_counter() - began
    yield f"\n## {sizes.legs:,} legs, {sizes.calls:,} calls, {sizes.states:,} states\n"
    yield f"{DAYS} days; made in {took:.0f} s, {path.stat().st_size >> 20} MiB with indexes.\n"
    log = open_for_reading(url)
    if legs <= CHECKED_UP_TO:
        began = time.perf_counter()
        found = check(log)
        took = time.perf_counter() - began
        speed = found.calls / took
        yield f"Every fact compared with the log: {found.wrong} wrong; {speed:,.0f} calls/s."
        again = open_for_writing(url)
        took = timed(lambda: rebuild(again), 1)
        yield f"Rebuilt: {found.calls / took * 1000:,.0f} calls/s.\n"
    departments = {f"m{n:02}": f"d{n % 5}" for n in range(100)}
    store = ColumnStore(folder / "columns")

    def ours(name: str) -> Callable[[], object]:
        by, measures, where, compare = OURS[name]
        period = WHOLE
        if compare:  # the second half, and the first
            period = Period(BEGAN + timedelta(days=DAYS // 2), WHOLE.until)
        query = Query(
            period,
            ZONE,
            by=by,
            where=where,
            measures=measures,
            compare=compare,
            departments=departments,
        )
        return lambda: report(log, store, query, NOW)

    first = timed(ours("by queue and hour"), 1)
    yield f"The first report of all, which makes the files of columns: {first / 1000:.1f} s.\n"
    yield "| report over everything | ours, ms |"
    yield "|---|---|"
    for name in OURS:
        if "occupancy" in name:
            timed(ours(name), 1)  # its own files
        yield f"| {name} | {timed(ours(name)):.0f} |"
    yield "\n| question as plain SQL | engine | ms |"
    yield "|---|---|---|"
    with closing(sqlite3.connect(path)) as plain:
        for name, sql in RAW_QUESTIONS.items():
            took = timed(lambda sql=sql: plain.execute(sql).fetchall(), 1)  # type: ignore[misc]
            yield f"| {name} | SQLite, raw rows | {took:.0f} |"
        for name, sql in QUESTIONS.items():
            ask = sql.format(t="call_facts")
            took = timed(lambda ask=ask: plain.execute(ask).fetchall(), 1)  # type: ignore[misc]
            yield f"| {name} | SQLite, a row a call | {took:.0f} |"
        cube = (
            "select count(*) from (select 1 from call_facts group by began_ms/900000, did, queue,"
            " agent, outcome, menu, strategy, region, caller)"
        )
        cells = plain.execute(cube).fetchone()[0]
        yield f"\nA cube of all slices by quarter hours: {cells:,} cells, {sizes.calls:,} calls.\n"
    yield from _duckdb(path, folder)
    if postgres:
        yield from _postgres(path)
    log.dispose()


def _duckdb(path: Path, folder: Path) -> Iterator[str]:
    try:
        duckdb: Any = importlib.import_module("duckdb")
    except ImportError:
        yield "DuckDB is not installed: not measured.\n"
        return
    names = [*CALLS.texts, "began_ms", "wait_ms"]
    with closing(sqlite3.connect(path)) as plain:
        rows = plain.execute(f"select {', '.join(names)} from call_facts order by began_ms")
        lists = list(zip(*rows, strict=True))
    columns = {
        name: np.array(values, object if name in CALLS.texts else np.int64)
        for name, values in zip(names, lists, strict=True)
    }
    del lists
    with closing(duckdb.connect(str(folder / "facts.duckdb"))) as duck:
        duck.execute("create table facts as select * from columns")
        del columns
        for name, sql in QUESTIONS.items():
            ask = sql.format(t="facts").replace("/3600000", "//3600000")
            took = timed(lambda ask=ask: duck.execute(ask).fetchall())  # type: ignore[misc]
            yield f"| {name} | DuckDB, a row a call | {took:.0f} |"


def _postgres(path: Path) -> Iterator[str]:
    import psycopg

    from tests.journal.databases import postgres

    names = "began_ms, queue, agent, outcome, menu, region, caller, wait_ms"
    with (
        postgres() as server,
        closing(sqlite3.connect(path)) as plain,
        psycopg.connect(server.url.replace("+psycopg", "")) as connection,
    ):
        connection.execute(
            "create table call_facts (began_ms bigint, queue text, agent text, outcome text,"
            " menu text, region text, caller text, wait_ms int)"
        )
        with (
            connection.cursor() as cursor,
            cursor.copy(f"copy call_facts ({names}) from stdin") as copy,
        ):
            for row in plain.execute(f"select {names} from call_facts"):
                copy.write_row(row)
        connection.execute("analyze call_facts")
        for name, sql in QUESTIONS.items():
            ask = sql.format(t="call_facts")
            took = timed(lambda ask=ask: connection.execute(ask).fetchall())  # type: ignore[misc]
            yield f"| {name} | PostgreSQL, a row a call | {took:.0f} |"


if __name__ == "__main__":
    main()
