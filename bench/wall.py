"""How soon the wall shows it: from what the engine hears to what Chromium has painted.

``python -m bench.wall [--events N] [--viewers N]``.  The engine's side of the live state is this
process, the page's is the real one (``python -m pbx.web``), Chromium looks at the wall, and further
viewers read the same stream from a third process.  Meanwhile calls come and go all the time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import re
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from playwright.async_api import Page, async_playwright

from pbx.journal import port as journal
from pbx.journal.database import migrate, open_for_writing
from pbx.journal.port import Stamped
from pbx.live.figures import Calls, day
from pbx.live.server import LiveServer
from pbx.plan.load import load
from pbx.plan.model import Plan
from pbx.web.principal import Role
from routing import facts
from routing.values import AgentId, AgentState, CallId, DeviceId, LegId, OfferId, Outcome, QueueId
from tests.web.looking import CHROMIUM
from tests.web.people import PASSWORD, make_user

MANAGERS = 50
CALLS_A_SECOND = 10.0
LENGTH_S = 10.0
"""Of each call that goes by meanwhile, seconds: so a hundred are there at once."""
EVENTS = 200
VIEWERS = 200
WATCHED = AgentId("m0")

# A frame is painted after its animation callbacks: the task after them sees it done.
_WATCH = """() => {
  window.seen = [];
  const card = document.querySelector('[data-agent="m0"]');
  new MutationObserver(() => requestAnimationFrame(() =>
    setTimeout(() => window.seen.push([card.dataset.state, Date.now()]), 0),
  )).observe(card, { attributes: true, attributeFilter: ["data-state"] });
}"""
_SEEN = """(number) => new Promise((done) => {
  const look = () =>
    window.seen.length > number ? done(window.seen[number]) : setTimeout(look, 10);
  look();
})"""


@dataclass(frozen=True, slots=True)
class Measured:
    """With so many viewers.  ``cpu``: of the page's process, share of one core."""

    viewers: int
    p50_ms: float
    p99_ms: float
    cpu: float


def _plan(folder: Path) -> Plan:
    managers = "\n".join(
        f"  m{n}: {{name: Manager {n}, department: d{n % 5}}}" for n in range(MANAGERS)
    )
    members = ", ".join(f"m{n}" for n in range(MANAGERS))
    path = folder / "plan.yaml"
    path.write_text(
        "settings: {region: RU, languages: [en], time_zone: UTC}\n"
        f"managers:\n{managers}\n"
        f"queues:\n  sales: {{members: [{members}], strategy: round-robin, ring_time: 15s}}\n"
        'numbers:\n  "+78005553535": {entry: {queue: sales}}\n'
    )
    return load(path)


class _Engine:
    """What an engine tells while calls go by."""

    def __init__(self, server: LiveServer) -> None:
        self._server = server
        self._calls = 0
        self._state = AgentState.OFFLINE

    def tell(self, entry: journal.Entry) -> None:
        self._server.observe(Stamped(datetime.now(UTC), entry))

    async def calls(self) -> None:
        """Calls come at random, for ever."""
        rng = random.Random(1)
        async with asyncio.TaskGroup() as group:
            while True:
                await asyncio.sleep(rng.expovariate(CALLS_A_SECOND))
                self._calls += 1
                group.create_task(self._call(self._calls, rng.randrange(1, MANAGERS)))

    async def _call(self, number: int, manager: int) -> None:
        call, leg = CallId(f"c{number}"), LegId(f"l{number}")
        offer = OfferId(f"o{number}")
        agent, queue = AgentId(f"m{manager}"), QueueId("sales")
        client = f"+7916{number:07}"
        self.tell(journal.CallStarted(call, "+78005553535", client, "", "", "site", "en"))
        await asyncio.sleep(1.0)
        self.tell(facts.WaitStarted(call, queue, 1, 0, time.time()))
        await asyncio.sleep(1.0)
        self.tell(facts.LegStarted(leg, call, offer, agent, DeviceId(f"{agent}/1"), "PJSIP/x"))
        await asyncio.sleep(1.0)
        self.tell(facts.WaitEnded(call, queue, 2.0, "joined"))
        self.tell(facts.LegJoined(leg, call, agent))
        self.tell(facts.AgentChanged(agent, AgentState.FREE, AgentState.TALKING, "", call))
        await asyncio.sleep(LENGTH_S - 3.0)
        self.tell(facts.AgentChanged(agent, AgentState.TALKING, AgentState.FREE, ""))
        self.tell(journal.CallEnded(call, Outcome.ANSWERED, False, 2.0, 7.0, "16", "menu"))

    def change(self) -> str:
        """The watched manager's state is another one; which."""
        before = self._state
        self._state = AgentState.FREE if before is AgentState.PAUSED else AgentState.PAUSED
        self.tell(facts.AgentChanged(WATCHED, before, self._state, "bench"))
        return self._state.value


async def _latencies(engine: _Engine, page: Page, events: int) -> list[float]:
    """Milliseconds from each change to its pixels."""
    rng = random.Random(2)
    found: list[float] = []
    first = await page.evaluate("window.seen.length")
    for number in range(first, first + events):
        await asyncio.sleep(rng.uniform(0.05, 0.25))
        at = time.time() * 1000
        state = engine.change()
        shown, seen_at = await page.evaluate(_SEEN, number)
        assert shown == state
        found.append(seen_at - at)
    return found


@contextlib.asynccontextmanager
async def _web(env: dict[str, str]) -> AsyncIterator[tuple[str, int]]:
    """The page's process: its address and its id."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pbx.web",
        env={
            **os.environ,
            **env,
            "VORONKA_WEB_PORT": str(port),
            "VORONKA_WEB_METRICS_PORT": "0",
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    await page_is_there(url)
    try:
        yield url, process.pid
    finally:
        process.terminate()
        await process.wait()


def free_port() -> int:
    """One that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def page_is_there(url: str) -> None:
    """It answers."""
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                await client.get(f"{url}/healthz")
                return
            await asyncio.sleep(0.1)


async def session(url: str, name: str) -> str:
    """A signed-in browser's cookie."""
    async with httpx.AsyncClient(base_url=url) as client:
        page = (await client.get("/login")).text
        (csrf,) = re.findall(r'name="csrf" content="([0-9a-f]+)"', page)
        form = {"csrf": csrf, "name": name, "password": PASSWORD, "next": "/"}
        await client.post("/login", data=form)
        return client.cookies["voronka"]


@contextlib.asynccontextmanager
async def _viewers(url: str, cookie: str, count: int) -> AsyncIterator[None]:
    """So many more who read the stream, in a process of their own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.wall", "--read", url, "--viewers", str(count)),
        env={**os.environ, "BENCH_COOKIE": cookie},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        await process.stdout.readline()  # all have their first picture
    try:
        yield
        assert process.returncode is None, "they did not look on"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _read(url: str, cookie: str, count: int) -> None:
    host, port = url.removeprefix("http://").split(":")
    lines = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"GET /live/events HTTP/1.1\r\nHost: {host}\r\nCookie: voronka={cookie}\r\n\r\n"
        writer.write(head.encode())
        await reader.readuntil(b"event: snapshot")
        lines.append((reader, writer))  # a writer that nobody holds closes its connection
    print("ready", flush=True)

    async def drain(reader: asyncio.StreamReader) -> None:
        while await reader.read(65_536):
            pass

    tasks = [asyncio.create_task(drain(reader)) for reader, _ in lines]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    raise SystemExit("a stream has ended before its time")


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(events: int, viewers: int) -> list[Measured]:
    """With Chromium alone, then with the others beside it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan = _plan(folder)
        database = f"sqlite:///{folder / 'voronka.db'}"
        log = open_for_writing(database)
        migrate(log)
        make_user(log, "bench", Role.SUPERVISOR, departments=("*",))
        log.dispose()
        today = day({"sales": Calls(100, 90, 8, 2, 80, 98, 40.0)}, [])
        server = LiveServer(
            folder,
            plan,
            utc_now=lambda: datetime.now(UTC),
            read_today=lambda: today,
            ready=lambda: True,
            unreachable=set,
        )
        await server.start()
        engine = _Engine(server)
        calls = asyncio.create_task(engine.calls())
        env = {
            "VORONKA_STATE_DIR": name,
            "VORONKA_PLAN": str(folder / "plan.yaml"),
            "VORONKA_DB": database,
        }
        try:
            async with _web(env) as (url, pid), async_playwright() as playwright:
                cookie = await session(url, "bench")
                browser = await playwright.chromium.launch(
                    executable_path=CHROMIUM, args=["--no-sandbox"]
                )
                context = await browser.new_context(viewport={"width": 1280, "height": 800})
                await context.add_cookies([{"name": "voronka", "value": cookie, "url": url}])
                page = await context.new_page()
                await page.goto(url)
                await page.wait_for_selector('[data-agent="m0"]')
                await page.evaluate(_WATCH)
                await asyncio.sleep(LENGTH_S)  # until as many end as begin
                found = [await _one(engine, page, pid, events, 1)]
                async with _viewers(url, cookie, viewers - 1):
                    found.append(await _one(engine, page, pid, events, viewers))
                await browser.close()
        finally:
            calls.cancel()
            await asyncio.gather(calls, return_exceptions=True)
            await server.stop()
    return found


async def _one(engine: _Engine, page: Page, pid: int, events: int, viewers: int) -> Measured:
    began, cpu = time.perf_counter(), _cpu_s(pid)
    took = sorted(await _latencies(engine, page, events))
    share = (_cpu_s(pid) - cpu) / (time.perf_counter() - began)
    return Measured(viewers, took[len(took) // 2], took[int(len(took) * 0.99)], share)


def table(events: int = EVENTS, viewers: int = VIEWERS) -> str:
    """Markdown."""
    rows = asyncio.run(measure(events, viewers))
    first = rows[0]
    lines = [
        f"{MANAGERS} managers, {CALLS_A_SECOND * LENGTH_S:.0f} calls at once, "
        f"{CALLS_A_SECOND:.0f} new ones a second; a manager's state changes {events} times.",
        "",
        "| viewers | state to pixel p50 / p99, ms | p99, to one viewer "
        "| the page's process, of a core | to one viewer |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.viewers} | {one.p50_ms:.0f} / {one.p99_ms:.0f} | {one.p99_ms / first.p99_ms:.1f} x"
        f" | {one.cpu:.0%} | {one.cpu / first.cpu:.1f} x |"
        for one in rows
    ]
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.wall", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    parser.add_argument("--read", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_read(options.read, os.environ["BENCH_COOKIE"], options.viewers))
    else:
        print(table(options.events, options.viewers))


if __name__ == "__main__":
    main()
