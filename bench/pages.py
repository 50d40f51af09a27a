"""How long pages and the API take over a log of 10 million legs, asked as a browser asks them.

``python -m bench.pages --folder /var/tmp/voronka-pages`` makes the log once (10 million legs: 8 GB
of disk and about ten minutes; ``--legs`` for another size) and asks the page's own application over
HTTP, in this process: a page, or a resource, with all that goes with it.  Each is asked as often as
``--times`` says; the best counts, in seconds by the clock and of the processor.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from bench.synthetic import BEGAN, DAYS, fill
from pbx.funnel.passed import FUNNEL as FUNNEL_FILES
from pbx.journal.database import migrate, open_for_reading, open_for_writing
from pbx.logs import set_up_logs
from pbx.reports.columns import ColumnStore
from pbx.reports.copies import REPORTS as REPORT_FILES
from pbx.reports.copies import make_all
from pbx.settings import WebSettings, read_web_settings
from pbx.web.access import SCOPES, Kind, Principal, Role, Staff, signed_in
from pbx.web.app import build_app
from pbx.web.state import WebState

LEGS = 10_000_000
_BYTES_A_LEG = 1_500
_END = BEGAN + timedelta(days=DAYS)
_ALL = f"since={BEGAN:%Y-%m-%d}&until={_END:%Y-%m-%d}"
_MONTH = f"since={_END - timedelta(days=30):%Y-%m-%d}&until={_END:%Y-%m-%d}"
_EVERY_MEASURE = (
    "offered,answered,lost_in_menu,lost_waiting,lost_short,lost_share,service_level_of_offered,"
    "asa_s,wait_p90_s,longest_wait_s,repeated,first_call_resolution,busiest,no_answer_share,aht_s"
)
REPORTS = {
    "a month, as the page opens": f"/reports?{_MONTH}&by=queue&compare=1",
    "everything by queue": f"/reports?{_ALL}&by=queue",
    "everything by queue and hour": f"/reports?{_ALL}&by=queue,hour",
    "everything by manager, source, weekday": f"/reports?{_ALL}&by=manager,source,weekday",
    "everything, one queue and one source, by day": f"/reports?{_ALL}&by=day&queue=q3&source=s2",
    "everything, 15 measures, by region": f"/reports?{_ALL}&by=region&measures={_EVERY_MEASURE}",
    "the last 300 days with those before": (
        f"/reports?since={_END - timedelta(days=300):%Y-%m-%d}&until={_END:%Y-%m-%d}"
        "&by=queue&compare=1"
    ),
    "API: everything by queue and hour": f"/api/v1/reports?{_ALL}&by=queue,hour",
    "API: everything by manager, region, menu": f"/api/v1/reports?{_ALL}&by=manager,region,menu",
    "API: everything, 15 measures, by menu": (
        f"/api/v1/reports?{_ALL}&by=menu&measures={_EVERY_MEASURE}"
    ),
}
FUNNELS = {
    f"{kind}{way}, {reading}, {name}{', ' + cut if cut else ''}": (
        f"{path}?{span}&way={way}&reading={reading}" + (f"&{cut}" if cut else "")
    )
    for way in ("incoming", "sales")
    for reading in ("events", "cohort")
    for name, span in (("everything", _ALL), ("a month", _MONTH))
    for kind, path, cut in (
        ("", "/funnel", ""),
        ("", "/funnel", "by=manager"),
        ("", "/funnel", "by=source&manager=m07&manager=m08"),
        ("API: ", "/api/v1/funnel", "by=source"),
    )
} | {
    "API: what has fallen, incoming": "/api/v1/funnel/falls?way=incoming",
    "API: what has fallen, sales": "/api/v1/funnel/falls?way=sales",
    "everything as CSV by manager": f"/funnel/export.csv?{_ALL}&way=incoming&by=manager",
    "everything as XLSX by manager": f"/funnel/export.xlsx?{_ALL}&way=incoming&by=manager",
}
_NEVER = "outcome=failed"
CALLS = {
    "the week, as the page opens": "/calls",
    "all time": "/calls?period=all",
    "30 days with sums": "/calls?period=30d",
    "all time, one number": "/calls?period=all&number=%2B79161000056",
    "all time, last digits of a number": "/calls?period=all&number=1000056",
    "all time, a number that never called": "/calls?period=all&number=%2B79990000000",
    "all time, one manager": "/calls?period=all&agent=m07",
    "all time, a manager who has no calls": "/calls?period=all&agent=nobody",
    "all time, one queue": "/calls?period=all&queue=q3",
    "all time, a queue without calls": "/calls?period=all&queue=nowhere",
    "all time, a number of ours": "/calls?period=all&did=78005550003",
    "all time, an outcome": "/calls?period=all&outcome=abandoned_in_menu",
    "all time, an outcome that never was": f"/calls?period=all&{_NEVER}",
    "all time, recorded (none is)": "/calls?period=all&recorded=1",
    "all time, a queue, a manager, an outcome": (
        "/calls?period=all&agent=m07&queue=q3&outcome=abandoned_waiting"
    ),
    "API: all time": "/api/v1/calls?limit=500",
    "API: one number": "/api/v1/calls?number=%2B79161000056",
    "API: one manager": "/api/v1/calls?manager=m07&limit=500",
    "API: an outcome that never was": f"/api/v1/calls?{_NEVER}",
}
PAGED = {
    "API: all time, the 40th page": "/api/v1/calls?limit=500",
    "API: one manager, the 40th page": "/api/v1/calls?limit=500&manager=m07",
    "API: one queue, the 40th page": "/api/v1/calls?limit=500&queue=q3",
}


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds: by the clock, of the processor."""

    wall: float
    processor: float


class StandingClock:
    """When the log ends."""

    def now(self) -> float:
        """As a core's clock."""
        return _END.timestamp()

    def ahead_s(self) -> float:
        """Nobody puts it forward."""
        return 0.0

    def utc(self, at: float) -> datetime:
        """The wall's."""
        return datetime.fromtimestamp(at, UTC)


def made(folder: Path, legs: int) -> Path:
    """The log, made where it is not there."""
    path = folder / str(legs) / "log.db"
    ready = path.with_name("whole")
    if ready.exists():
        engine = open_for_writing(f"sqlite:///{path}")
        migrate(engine)
        engine.dispose()
        return path
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir(parents=True)
    free = shutil.disk_usage(folder).free
    if free < legs * _BYTES_A_LEG:
        raise SystemExit(f"{free >> 20} MiB of disk are free: too little for {legs} legs")
    engine = open_for_writing(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()
    sizes = fill(path, legs)
    ready.write_text(str(sizes), encoding="utf-8")
    return path


def settings_of(path: Path) -> WebSettings:
    """A page over this log and the shipped plan."""
    folder = str(path.parent)
    return read_web_settings(
        {"VORONKA_PLAN": "config", "VORONKA_DB": f"sqlite:///{path}", "VORONKA_STATE_DIR": folder}
    )


@asynccontextmanager
async def asked(path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The page's application, and somebody who sees everything in it."""
    state = WebState(settings_of(path), clock=StandingClock())
    app = build_app(state)
    everything = Principal(
        Kind.USER, "bench", Role.ADMIN, frozenset(), None, SCOPES[Role.ADMIN], Staff({}, {})
    )
    app.dependency_overrides[signed_in] = lambda: everything
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        yield client
    state.read.dispose()
    state.write.dispose()


def copied(path: Path) -> str:
    """Make the files that the page makes from its start on, as far as they are missing."""
    settings = settings_of(path)
    log = open_for_reading(settings.database)
    store = ColumnStore.beside(settings.state_dir, settings.database)
    wall, processor = time.perf_counter(), time.process_time()
    files = make_all(log, store, (REPORT_FILES, FUNNEL_FILES))
    log.dispose()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return f"{files} files of columns made in {wall:.0f} s, {processor:.0f} s of the processor.\n"


async def took(client: httpx.AsyncClient, address: str, times: int) -> Took:
    """The best of some."""
    found = []
    for _ in range(times):
        wall, processor = time.perf_counter(), time.process_time()
        answer = await client.get(address, follow_redirects=True)
        found.append((time.perf_counter() - wall, time.process_time() - processor))
        if answer.status_code != 200:
            return Took(float("nan"), float("nan"))
    return Took(*(min(column) for column in zip(*found, strict=True)))


async def page_after(client: httpx.AsyncClient, address: str, pages: int) -> str:
    """The address of a page so many after the first."""
    cursor = ""
    for _ in range(pages):
        after = f"&after={cursor}" if cursor else ""
        told = (await client.get(address + after)).json()
        cursor = told["next"]
    return f"{address}&after={cursor}"


def lines(title: str, found: Mapping[str, Took]) -> Iterator[str]:
    """A table of Markdown."""
    yield f"\n| {title} | s | of the processor |"
    yield "|---|---|---|"
    for name, one in found.items():
        told = "no answer | -" if one.wall != one.wall else f"{one.wall:.2f} | {one.processor:.2f}"
        yield f"| {name} | {told} |"
    answered = {name: one for name, one in found.items() if one.wall == one.wall}
    if answered:
        worst = max(answered, key=lambda name: answered[name].wall)
        yield f"\nThe slowest: {worst}, {answered[worst].wall:.2f} s."


async def run(path: Path, times: int, only: str) -> None:
    """Ask everything, and print."""
    parts = {"reports": REPORTS, "funnel": FUNNELS, "calls": CALLS}
    async with asked(path) as client:
        await client.get("/preferences")  # FastAPI reads all signatures at the first request
        if only in ("", "reports", "funnel"):
            first = await took(client, REPORTS["a month, as the page opens"], 1)
            print(f"The first report after the start: {first.wall:.2f} s.")
        for name, addresses in parts.items():
            if only in ("", name):
                found = {
                    what: await took(client, address, times) for what, address in addresses.items()
                }
                print("\n".join(lines(name, found)), flush=True)
        if only in ("", "calls"):
            found = {
                what: await took(client, await page_after(client, address, 39), times)
                for what, address in PAGED.items()
            }
            print("\n".join(lines("further pages", found)), flush=True)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--legs", type=int, default=LEGS)
    parser.add_argument("--folder", type=Path, default=Path("var/pages-bench"))
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--only", choices=["", "reports", "funnel", "calls"], default="")
    options = parser.parse_args()
    set_up_logs("json", "error")
    path = made(options.folder, options.legs)
    print(copied(path), flush=True)
    asyncio.run(run(path, options.times, options.only))


if __name__ == "__main__":
    main()
