"""How soon the wall shows what a phone does: from the SIP packet to the event, and to the pixel.

``python -m bench.phones_to_wall [--seconds N] [--rate N] [--viewers N]``.  A real Asterisk, SIPp as
callers and managers' phones, the product as it is run (``pbx run`` with its page), and viewers of
every role, who read the stream over sockets of their own in a process of their own.  Times are
SIPp's of the packet and the reader's of the event, by one clock; Chromium tells when it has
painted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from bench.wall import free_port, page_is_there, session
from lab.asterisk import AsteriskLab, LabPhone, cpu_s
from lab.seen import CallSeen, percentile
from lab.service import PbxProcess
from lab.sipp import Answer, Dialling, Load, Phone, in_turn
from pbx.journal.database import open_for_writing
from pbx.web.principal import Role
from tests.web.looking import CHROMIUM
from tests.web.people import make_user

MANAGERS = 20
DEPARTMENTS = ("north", "south")
SECONDS = 60.0
RATE = 4.0
"""New calls a second."""
VIEWERS = 200
DID = "78005553535"
PHONES = in_turn(Answer(700, 1500), Answer(1500, 2500), Answer(1100, 2000), cycle=True)
"""How long they ring and talk, ms: long enough for each state to be told apart."""
SHARES = {"root": 0.15, "head": 0.15, "north": 0.15, "south": 0.15}
"""Of the viewers; the rest are managers."""
WATCHED = {"admin": "root", "head": "head", "supervisor": "north", "manager": "a0"}
"""By role: whose events are timed."""
LATE_S = 1.0

_PAINTED = """() => {
  window.seen = [];
  const told = (list) => requestAnimationFrame(() => setTimeout(() => {
    const now = Date.now() / 1000;
    for (const [agent, state] of list) window.seen.push([now, agent, state]);
  }, 0));
  new MutationObserver((changes) => told(changes.map(({ target }) =>
    [target.dataset.agent, target.dataset.state]))).observe(document.getElementById("departments"),
    { attributes: true, subtree: true, attributeFilter: ["data-state"] });
}"""


@dataclass(frozen=True, slots=True)
class Watched:
    """What one viewer was told: times (seconds since the epoch) and states by manager, and when
    each call was first told of."""

    agents: Mapping[str, Sequence[tuple[float, str]]]
    calls: Sequence[float] = ()


@dataclass(slots=True)
class Took:
    """Seconds from packet to event, by what the phone did; ``missing``: never told."""

    ringing: list[float] = field(default_factory=list)
    talking: list[float] = field(default_factory=list)
    over: list[float] = field(default_factory=list)
    calling: list[float] = field(default_factory=list)
    missing: int = 0

    @property
    def all(self) -> list[float]:
        """Of everything."""
        return [*self.ringing, *self.talking, *self.over, *self.calling]


@dataclass(frozen=True, slots=True)
class Phase:
    """With so many viewers.  ``took``: by who looked.  Shares of one core."""

    viewers: int
    took: Mapping[str, Took]
    engine: float
    web: float
    asterisk: float


def match(calls: Sequence[CallSeen], invites: Sequence[float], watched: Watched) -> Took:
    """Each packet with the first event after it that tells of it."""
    took = Took()

    def first(agent: str, at: float, into: list[float], *states: str) -> None:
        events = watched.agents[agent]
        for told_at, state in events[bisect_left(events, (at, "")) :]:
            if state in states:
                into.append(told_at - at)
                return
        took.missing += 1

    for call in calls:
        if call.to_user not in watched.agents:
            continue
        if call.ringing_at is not None:
            first(call.to_user, call.ringing_at, took.ringing, "ringing")
        if call.answered_at is not None:
            first(call.to_user, call.answered_at, took.talking, "talking")
        if call.answered_at is not None and call.ended_at is not None:
            others = ("free", "wrap_up", "reserved", "ringing")
            first(call.to_user, call.ended_at, took.over, *others)
    if watched.calls:
        told = sorted(watched.calls)
        took.missing += abs(len(invites) - len(told))
        took.calling = [at - asked for asked, at in zip(sorted(invites), told, strict=False)]
    return took


def _plan(folder: Path) -> Path:
    people = "\n".join(
        f"  a{n}: {{name: Manager {n}, department: {DEPARTMENTS[n % 2]}}}" for n in range(MANAGERS)
    )
    path = folder / "plan.yaml"
    path.write_text(
        f"settings: {{region: RU, languages: [en], time_zone: UTC}}\nmanagers:\n{people}\n"
        f"queues:\n  sales: {{members: [{', '.join(f'a{n}' for n in range(MANAGERS))}], "
        "strategy: round-robin, ring_time: 15s}\n"
        f'numbers:\n  "+{DID}": {{entry: {{queue: sales}}}}\n'
    )
    return path


def _people(database: str) -> list[str]:
    """One of each role, and every manager."""
    log = open_for_writing(database)
    make_user(log, "root")
    make_user(log, "head", Role.SUPERVISOR, departments=("*",))
    for department in DEPARTMENTS:
        make_user(log, department, Role.SUPERVISOR, departments=(department,))
    managers = [f"a{n}" for n in range(MANAGERS)]
    for one in managers:
        make_user(log, one, Role.MANAGER, agent=one)
    log.dispose()
    return ["root", "head", *DEPARTMENTS, *managers]


def shared_out(viewers: int) -> list[str]:
    """Whose stream each viewer reads: those who are timed first."""
    names = list(WATCHED.values())
    for name, share in SHARES.items():
        names += [name] * max(0, round(viewers * share) - 1)
    rest = max(0, viewers - len(names))
    return [*names, *(f"a{n % MANAGERS}" for n in range(rest))][:viewers]


# The viewers' process ----------------------------------------------------------------------


async def _read(url: str, names: Sequence[str], cookies: Mapping[str, str]) -> None:
    """Read until the standard input ends, then print what those who are timed were told."""
    host, port = url.removeprefix("http://").split(":")
    timed: dict[str, list[tuple[float, str, Any]]] = {}
    streams = []
    for number, name in enumerate(names):
        reader, writer = await asyncio.open_connection(host, int(port))
        cookie = f"Cookie: voronka={cookies[name]}"
        writer.write(f"GET /live/events HTTP/1.1\r\nHost: {host}\r\n{cookie}\r\n\r\n".encode())
        into = timed.setdefault(name, []) if number < len(WATCHED) else None
        streams.append((reader, writer, into))
        if into is None:
            await reader.readuntil(b"event: snapshot")

    async def follow(reader: asyncio.StreamReader, into: list[tuple[float, str, Any]]) -> None:
        text = b""
        while piece := await reader.read(1 << 20):
            at = time.time()
            text += piece
            lines = text.split(b"\n")
            text = lines.pop()
            for line in lines:
                if line.startswith(b"data: {") and (b'"agents"' in line):
                    into.append((at, "", json.loads(line[6:])))

    async def drain(reader: asyncio.StreamReader) -> None:
        while await reader.read(65_536):
            pass

    tasks = [
        asyncio.create_task(drain(reader) if into is None else follow(reader, into))
        for reader, _, into in streams
    ]
    print("ready", flush=True)
    over = asyncio.create_task(asyncio.to_thread(sys.stdin.buffer.read))
    done, _ = await asyncio.wait([over, *tasks], return_when=asyncio.FIRST_COMPLETED)
    if over not in done:
        raise SystemExit("a stream has ended before its time")
    print(json.dumps({name: _told(rows) for name, rows in timed.items()}), flush=True)
    os._exit(0)


def _told(messages: Sequence[tuple[float, str, Any]]) -> dict[str, Any]:
    agents: dict[str, list[tuple[float, str]]] = {}
    calls: dict[str, float] = {}
    for number, (at, _, message) in enumerate(messages):
        for row in message["agents"]:
            agents.setdefault(row["id"], []).append((at, row["state"]))
        for row in message["calls"]:
            calls.setdefault(row["id"], at if number else 0.0)
    return {"agents": agents, "calls": sorted(at for at in calls.values() if at)}


@contextlib.asynccontextmanager
async def _viewers(
    url: str, names: Sequence[str], cookies: Mapping[str, str]
) -> AsyncIterator[dict[str, Watched]]:
    """They look on; what is given is filled at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.phones_to_wall", "--read", url),
        env={**os.environ, "BENCH_READERS": json.dumps([names, cookies])},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 28,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    found: dict[str, Watched] = {}
    try:
        async with asyncio.timeout(120):
            assert await process.stdout.readline() == b"ready\n"
        yield found
        process.stdin.close()
        async with asyncio.timeout(60):
            told = json.loads(await process.stdout.readline())
        for name, one in told.items():
            agents = {
                agent: [(at, state) for at, state in rows] for agent, rows in one["agents"].items()
            }
            found[name] = Watched(agents, one["calls"])
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        await process.wait()


# The run -----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _painted(browser: Browser, url: str, cookie: str) -> AsyncIterator[Page]:
    context = await browser.new_context(viewport={"width": 1920, "height": 1080})
    await context.add_cookies([{"name": "voronka", "value": cookie, "url": url}])
    page = await context.new_page()
    await page.goto(url)
    await page.wait_for_selector('[data-agent="a0"]')
    await page.evaluate(_PAINTED)
    yield page
    await context.close()


def _pixels(seen: Sequence[tuple[float, str, str]]) -> Watched:
    agents: dict[str, list[tuple[float, str]]] = {f"a{n}": [] for n in range(MANAGERS)}
    for at, agent, state in seen:
        agents[agent].append((at, state))
    return Watched(agents)


def _web_pid(engine: int) -> int:
    """The page's process is the engine's child."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == engine and b"pbx.web" in (entry / "cmdline").read_bytes():
                return int(entry.name)
    raise LookupError("the page does not run")


async def _phase(
    lab: AsteriskLab, phones: Phone, pids: Mapping[str, int], load: tuple[float, float]
) -> tuple[list[CallSeen], list[float], dict[str, float]]:
    """The load: what phones and callers saw, and shares of a core."""
    seconds, rate = load
    known = len(phones.calls())
    began = {name: cpu_s(pid) for name, pid in pids.items()}
    began_at = time.perf_counter()
    calls = round(seconds * rate)
    result = await Load(lab, Dialling(DID), rate=rate, calls=calls).run(seconds + 60)
    took = time.perf_counter() - began_at
    shares = {name: (cpu_s(pid) - began[name]) / took for name, pid in pids.items()}
    await asyncio.sleep(1.5)  # until the last has been told
    return phones.calls()[known:], [one.invite_at for one in result.calls], shares


async def measure(
    seconds: float = SECONDS, rate: float = RATE, viewers: Sequence[int] = (5, VIEWERS)
) -> list[Phase]:
    """One phase for each number of viewers; Chromium is one of them."""
    found: list[Phase] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        web = {"VORONKA_WEB": "on", "VORONKA_WEB_PORT": str(port)}
        sip = free_port()
        phones = [LabPhone(f"a{n}", port=sip) for n in range(MANAGERS)]
        async with (
            AsteriskLab(phones=phones) as lab,
            Phone(lab, "a0", PHONES) as phone,
            PbxProcess(lab, _plan(folder), folder / "state", settings=web) as pbx,
            async_playwright() as playwright,
        ):
            cookies = dict.fromkeys(_people(pbx.database), "")
            await page_is_there(url)
            for one in cookies:
                cookies[one] = await session(url, one)
            assert pbx.process is not None
            pids = {"engine": pbx.process.pid, "asterisk": lab.pid}
            pids["web"] = _web_pid(pids["engine"])
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox"]
            )
            for count in viewers:
                async with (
                    _painted(browser, url, cookies["root"]) as page,
                    _viewers(url, shared_out(count - 1), cookies) as watched,
                ):
                    calls, invites, shares = await _phase(lab, phone, pids, (seconds, rate))
                    pixels = _pixels(await page.evaluate("window.seen"))
                took = {role: match(calls, invites, watched[who]) for role, who in WATCHED.items()}
                took["admin, painted"] = match(calls, invites, pixels)
                found.append(
                    Phase(count, took, shares["engine"], shares["web"], shares["asterisk"])
                )
            await browser.close()
    return found


def _ms(values: Sequence[float]) -> str:
    if not values:
        return "-"
    p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
    return f"{p50 * 1000:.0f} / {p99 * 1000:.0f} / {max(values) * 1000:.0f}"


def _rows(phases: Sequence[Phase]) -> Iterator[str]:
    for phase in phases:
        for role, took in phase.took.items():
            late = sum(one > LATE_S for one in took.all)
            cells = (took.calling, took.ringing, took.talking, took.over, took.all)
            counts = f"{len(took.all)} | {late} | {took.missing}"
            yield f"| {phase.viewers} | {role} | {' | '.join(map(_ms, cells))} | {counts} |"


def table(seconds: float = SECONDS, rate: float = RATE, viewers: int = VIEWERS) -> str:
    """Markdown."""
    phases = asyncio.run(measure(seconds, rate, (5, viewers)))
    lines = [
        f"{MANAGERS} managers, {rate:g} calls a second for {seconds:g} s; p50 / p99 / most, ms.",
        "",
        "| viewers | who looks | client's INVITE | phone's 180 | phone's 200 | phone's BYE | all "
        "| events | above 1 s | never told |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *_rows(phases),
        "",
        "| viewers | engine, of a core | page | Asterisk |",
        "|---|---|---|---|",
        *(
            f"| {one.viewers} | {one.engine:.0%} | {one.web:.0%} | {one.asterisk:.0%} |"
            for one in phases
        ),
    ]
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.phones_to_wall", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of load, twice")
    parser.add_argument("--rate", type=float, default=RATE, help="calls a second")
    parser.add_argument("--viewers", type=int, default=VIEWERS)
    parser.add_argument("--read", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        names, cookies = json.loads(os.environ["BENCH_READERS"])
        asyncio.run(_read(options.read, names, cookies))
    else:
        print(table(options.seconds, options.rate, options.viewers))


if __name__ == "__main__":
    main()
