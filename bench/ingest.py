"""The log's writer takes 1,000 legs a second while reports are open: does either feel the other?

``python -m bench.ingest [--seconds 15] [--legs 300000]``.  Calls that were really routed are told
to the journal as production does (with missed calls and facts kept beside it), at a steady rate and
then as fast as it goes, on a log of SQLite that already holds ``--legs``.  Reports run in a process
of their own, as the page's do: over the day that is being written, over 100 days and over all of
it, one after another.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Thread
from zoneinfo import ZoneInfo

from bench.logged import aware, played
from bench.replay import BEGINS, month, who_calls
from bench.synthetic import BEGAN as LOG_BEGAN
from bench.synthetic import LEGS_A_CALL, fill
from pbx.journal import port
from pbx.journal.database import migrate, open_for_reading, open_for_writing
from pbx.journal.port import Stamped
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook
from pbx.missed.owners import owner_rule
from pbx.reports.book import FactBook
from pbx.reports.columns import ColumnStore
from pbx.reports.period import Period
from pbx.reports.report import Query, report
from routing import facts
from routing.strategy import Registry

RATE = 1000.0
"""Legs a second."""
LEGS = 300_000
"""In the log before."""
ZONE = ZoneInfo("Europe/Moscow")
NOW = BEGINS + timedelta(days=1)
TODAY = Period(BEGINS, NOW)
MONTHS = Period(BEGINS - timedelta(days=100), NOW)
ALL = Period(LOG_BEGAN, NOW)
USUAL = ("offered", "answered", "service_level_of_answered", "asa_s")
QUERIES = (
    Query(TODAY, ZONE, by=("hour",)),
    Query(MONTHS, ZONE, by=("queue", "day"), measures=USUAL, compare=True),
    Query(ALL, ZONE, by=("manager",), measures=USUAL),
)
OFTEN_S = 1.0
"""So long an open page pauses between rounds of its reports, seconds."""
READERS: dict[str, float | None] = {
    "none": None,
    "one round a second": OFTEN_S,
    "round after round": 0.0,
}
_LOOK_S = 0.005
_STARTS_S = 60.0


@dataclass(frozen=True, slots=True)
class Written:
    """``late_s``: from an entry's telling to its being in the log, each; ``behind``: the most
    entries not written; ``legs_s``: legs a second."""

    legs_s: float
    late_s: list[float]
    behind: int
    processor: float


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each load")
    parser.add_argument("--legs", type=int, default=LEGS, help="in the log before")
    options = parser.parse_args()
    print(table(options.seconds, options.legs))


def table(seconds: float, legs: int) -> str:
    """Markdown."""
    told = day(round(RATE * seconds / LEGS_A_CALL))
    steady = [
        "| reports | legs/s | told to in the log p50 / p99 / most, ms | most behind, entries "
        "| processor, of a core | a report p50 / most, ms |",
        "|---|---|---|---|---|---|",
    ]
    full = ["| reports | legs/s | of none | a report p50 / most, ms |", "|---|---|---|---|"]
    with tempfile.TemporaryDirectory(prefix="voronka-ingest-") as name:
        folder = Path(name)
        before = folder / "before.db"
        engine = open_for_writing(f"sqlite:///{before}")
        migrate(engine)
        engine.dispose()
        fill(before, legs)
        idle = _Reader(before, folder, 0.0)
        time.sleep(min(seconds, 5.0))
        alone = idle.stop()
        for rate, lines in ((RATE, steady), (None, full)):
            first = 0.0
            for reader, pause_s in READERS.items():
                shutil.copyfile(before, folder / "log.db")
                found, reports = ingest(folder, told, rate, pause_s)
                (folder / "log.db").unlink()
                first = first or found.legs_s
                took = _ms(reports)
                if rate is not None:
                    late = " / ".join(f"{1000 * one:.0f}" for one in _of(found.late_s))
                    lines.append(
                        f"| {reader} | {found.legs_s:.0f} | {late} | {found.behind} "
                        f"| {found.processor:.0%} | {took} |"
                    )
                else:
                    share = found.legs_s / first
                    lines.append(f"| {reader} | {found.legs_s:.0f} | {share:.2f} | {took} |")
    nothing = f"Reports round after round while nothing is written: p50 / most {_ms(alone)} ms."
    return "\n".join((*steady, "", nothing, "", "As fast as it goes:", "", *full))


def day(calls: int) -> list[Stamped]:
    """A day of so many calls, as the journal is told it."""
    setting = month(calls, days=1, managers=max(10, calls // 100))
    found = played(
        setting,
        setting.plan.routing,
        who_calls(setting, 1),
        registry=Registry.builtin(),
        seed=1,
    )
    return [Stamped(aware(at), entry) for at, entry in found]


def is_leg(entry: port.Entry) -> bool:
    """It adds a row to the legs."""
    return isinstance(entry, port.CallStarted | facts.LegStarted | facts.LegJoined)


def ingest(
    folder: Path, told: Sequence[Stamped], rate: float | None, pause_s: float | None
) -> tuple[Written, list[float]]:
    """Write ``told`` to the log in ``folder``, so many legs a second (None: at once); what came of
    it, and how long each report took meanwhile."""
    path = folder / "log.db"
    plan = month(10, days=1, managers=10).plan
    book = MissedBook(owner_rule(plan.routing), {})
    log = SqlJournal(
        f"sqlite:///{path}", spool=folder / "spool.jsonl", followers=[book, FactBook()]
    )
    log.start()
    reader = _Reader(path, folder, pause_s) if pause_s is not None else None
    looks: list[tuple[float, int]] = []
    ends: list[float] = []

    def look() -> None:
        while not ends:
            looks.append((time.perf_counter(), log.stats().written))
            time.sleep(_LOOK_S)

    watcher = Thread(target=look)
    watcher.start()
    at: list[float] = []
    legs = 0
    processor = time.process_time()
    began = time.perf_counter()
    for stamped in told:
        legs += is_leg(stamped.entry)
        if rate is not None and (ahead_s := began + legs / rate - time.perf_counter()) > 0.002:
            time.sleep(ahead_s)
        at.append(time.perf_counter())
        log.write(stamped)
    assert log.flush(600.0), "the log does not keep up"
    took_s = time.perf_counter() - began
    processor = (time.process_time() - processor) / took_s
    ends.append(took_s)
    watcher.join()
    looks.append((time.perf_counter(), log.stats().written))
    reports = reader.stop() if reader is not None else []
    stats = log.stats()
    assert (stats.dropped, log.unfollowed) == (0, 0)
    log.close(10.0)
    late_s, behind = _lateness(at, looks)
    return Written(legs / took_s, late_s, behind, processor), reports


def _lateness(at: Sequence[float], looks: Sequence[tuple[float, int]]) -> tuple[list[float], int]:
    """How long each entry took, as far as the looks tell, and the most not written at a look."""
    late, behind, done, told = [], 0, 0, 0
    for when, written in looks:
        while told < len(at) and at[told] <= when:
            told += 1
        behind = max(behind, told - written)
        late += [when - one for one in at[done:written]]
        done = max(done, written)
    return late, behind


class _Reader:
    """A process that asks for reports until it is stopped."""

    def __init__(self, path: Path, folder: Path, pause_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        ready = context.Event()
        self._found = context.SimpleQueue()
        columns = folder / "columns"
        self._process = context.Process(
            target=_read, args=(path, columns, pause_s, ready, self._stop, self._found)
        )
        self._process.start()
        assert ready.wait(_STARTS_S), "the reader did not start"

    def stop(self) -> list[float]:
        """How long each report took, seconds."""
        self._stop.set()
        found: list[float] = self._found.get()
        self._process.join()
        return found


def _read(
    path: Path,
    columns: Path,
    pause_s: float,
    ready: Event,
    stop: Event,
    found: multiprocessing.SimpleQueue[list[float]],
) -> None:
    log, store = open_for_reading(f"sqlite:///{path}"), ColumnStore(columns)
    for query in QUERIES:  # the files of columns of all days before are made once
        report(log, store, query, NOW)
    ready.set()
    took: list[float] = []
    while not stop.is_set():
        for query in QUERIES:
            began = time.perf_counter()
            report(log, store, query, NOW)
            took.append(time.perf_counter() - began)
        stop.wait(pause_s)
    found.put(took)
    log.dispose()


def _of(values: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]


def _ms(values: Sequence[float]) -> str:
    if not values:
        return "-"
    middle, _, most = _of(values)
    return f"{1000 * middle:.0f} / {1000 * most:.0f}"


if __name__ == "__main__":
    main()
