"""``./run soak``: mixed calls for minutes or hours while parts fail, and every call accounted for.

The engine (``pbx run``) is killed, stopped, frozen, cut off from Asterisk, its database locked, and
Asterisk itself killed, one after another by chance.  At the end each call that SIPp made must be
in the log, once, closed, and 'answered' exactly where a manager's phone talked with that caller;
Asterisk's own records must count the same calls (but for those that Asterisk took with it when it
was killed: the log must have them all the same); nothing may be left in Asterisk, and every manager
free.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import socket
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import create_engine, select

from lab.asterisk import HOST, AsteriskLab, LabError, LabPhone
from lab.service import PbxProcess
from lab.sipp import Answer, Dialling, Load, NoAnswer, Phone, in_turn
from lab.wire import Wire
from pbx.journal import tables
from pbx.records import cdr

AGENTS = 120
RATE = 10.0
STRETCH_S = 60
"""Callers come in stretches of so many seconds, each with SIPps of its own."""
LONG_MIN, GONE_S = 30, 300
"""In a run of so many minutes the database is gone once for so many seconds."""
SETTLE_S = 90
"""How long the log may take to be complete after the last call, seconds."""
UNTOLD_S = 1.0
"""A call that reaches Asterisk so shortly before a kill may never have been told to us, seconds."""
RESTART_S = 20.0
"""After a kill of Asterisk the engine knows by then which calls are gone, seconds."""
UNRECORDED_S = 2.0
"""Asterisk writes its records once a second: a kill loses those of that time, seconds."""

SALES, DEAF, MENU = "78005550001", "78005550002", "78005550003"
PLAN = """
settings:
  region: RU
  time_zone: Europe/Moscow
  languages: [en]
  rescue: {{members: [rescue], ring_time: 5s}}
managers:
  rescue: {{name: Rescue, department: rescue}}
  deaf: {{name: Deaf, department: deaf}}
{managers}
queues:
  sales: {{members: {{department: sales}}, strategy: longest-idle, ring_time: 20s}}
  deaf: {{members: {{department: deaf}}, strategy: linear, ring_time: 20s, retry: 1s}}
prompts:
  hello: {{sound: beep}}
menus:
  welcome: {{menu: hello, timeout: 30s, keys: {{1: {{queue: sales}}}}}}
numbers:
  "+{sales}": {{entry: {{queue: sales}}}}
  "+{deaf}": {{entry: {{queue: deaf}}}}
  "+{menu}": {{entry: welcome}}
"""


@dataclass(slots=True)
class Soak:
    """One run: what is used by faults and by the accounting."""

    lab: AsteriskLab
    pbx: PbxProcess
    wire: Wire
    console: Console
    rng: random.Random
    began: float = field(default_factory=time.monotonic)
    faults: Counter[str] = field(default_factory=Counter)
    made: dict[str, datetime] = field(default_factory=dict)
    """Each caller's number, and when it called, UTC."""
    memory: list[int] = field(default_factory=list)
    crashes: list[datetime] = field(default_factory=list)
    """When Asterisk was killed, UTC."""

    def never_came(self, number: str) -> bool:
        """Asterisk took this INVITE with it before anyone could be told of a call."""
        return any(
            abs(crash - self.made[number]).total_seconds() < UNTOLD_S for crash in self.crashes
        )

    def never_joined(self, answered: datetime | None) -> bool:
        """Asterisk was killed between the phone's answer and the talk."""
        return answered is not None and any(
            0 <= (crash - answered).total_seconds() < UNTOLD_S for crash in self.crashes
        )

    def say(self, text: str) -> None:
        self.console.print(f"{time.monotonic() - self.began:6.0f} s  {text}", highlight=False)

    # Faults ------------------------------------------------------------------------------

    async def killed(self) -> None:
        """kill -9, and a start some seconds later."""
        await self.pbx.kill()
        await asyncio.sleep(self.rng.choice((0.0, 2.0, 12.0)))
        await self.pbx.start()

    async def restarted(self) -> None:
        """SIGTERM and a start."""
        await self.pbx.stop()
        await self.pbx.start()

    async def frozen(self) -> None:
        """The process stands still."""
        self.pbx.freeze()
        await asyncio.sleep(self.rng.uniform(1, 6))
        self.pbx.thaw()

    async def cut_off(self) -> None:
        """No line to Asterisk."""
        self.wire.cut()
        await asyncio.sleep(self.rng.uniform(0.5, 5))
        self.wire.mend()

    async def asterisk_killed(self) -> None:
        """kill -9 of the switch, with all its calls, and a start."""
        self.crashes.append(datetime.now(UTC))
        await self.lab.kill()
        await asyncio.sleep(self.rng.uniform(0, 3))
        await self.lab.restart()

    async def database_locked(self) -> None:
        """Another process holds the log's database for seconds."""
        await self._database_held(self.rng.uniform(2, 8))

    async def database_gone(self) -> None:
        """... for minutes."""
        await self._database_held(GONE_S)

    async def _database_held(self, seconds: float) -> None:
        path = self.pbx.database.removeprefix("sqlite:///")

        def hold() -> None:
            with sqlite3.connect(path, isolation_level=None, timeout=10) as other:
                other.execute("BEGIN EXCLUSIVE")
                time.sleep(seconds)
                other.execute("ROLLBACK")

        await asyncio.to_thread(hold)

    async def faults_by_chance(self, minutes: float, over: asyncio.Event) -> None:
        """Until it is over; a pause after each, in which all has to be well again.

        In a run of half an hour or more the database is gone for minutes once, about its middle.
        """
        known: list[tuple[str, Callable[[], Awaitable[None]]]] = [
            ("engine killed", self.killed),
            ("engine restarted", self.restarted),
            ("engine frozen", self.frozen),
            ("AMI cut", self.cut_off),
            ("database locked", self.database_locked),
            ("Asterisk killed", self.asterisk_killed),
        ]
        gone_at = minutes * 60 / 2 if minutes >= LONG_MIN else math.inf
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), self.rng.uniform(10, 20))
                return
            name, fault = self.rng.choice(known)
            if time.monotonic() - self.began > gone_at:
                name, fault, gone_at = "database gone", self.database_gone, math.inf
            self.say(name)
            self.faults[name] += 1
            await fault()
            await self.pbx.ready()
            self.memory.append(self.pbx.memory_bytes())

    # Callers -----------------------------------------------------------------------------

    async def callers(self, stretch: int, kind: int, number: str, rate: float, **how: int) -> None:
        """One SIPp's callers of a stretch; each has a number of its own."""
        # SIPp writes the call's number in the stretch where it stands.
        beginning = f"+7{stretch % 1000:03}{kind}"
        dialling = Dialling(number, from_number=f"{beginning}[call_number]", **how)  # type: ignore[arg-type]
        load = Load(self.lab, dialling, rate=rate, calls=round(rate * STRETCH_S))
        result = await load.run(STRETCH_S + 120)
        for call in result.calls:
            counted = call.call_id.rpartition("-")[2]
            self.made[f"{beginning}{counted}"] = datetime.fromtimestamp(call.invite_at, UTC)

    async def stretch(self, count: int) -> None:
        async with asyncio.TaskGroup() as group:
            # Patient ones; ones who give up while a phone rings; ones who say nothing in a menu.
            group.create_task(self.callers(count, 1, SALES, RATE * 0.7, talk_ms=60_000))
            group.create_task(self.callers(count, 2, DEAF, RATE * 0.2, talk_ms=2500))
            group.create_task(self.callers(count, 3, MENU, RATE * 0.1, talk_ms=1500))
        self.say(f"{len(self.made)} calls made")

    async def all_of_it(self, minutes: float) -> None:
        """Callers and faults.  Raises LabError when an engine did not come back after a fault."""
        over = asyncio.Event()

        async def callers() -> None:
            await self.stretches(max(1, round(minutes * 60 / STRETCH_S)))
            over.set()

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(callers())
                group.create_task(self.faults_by_chance(minutes, over))
        except* LabError as errors:
            raise errors.exceptions[0] from None

    async def stretches(self, count: int) -> None:
        """By the clock: callers of one may still be there when the next begins."""
        async with asyncio.TaskGroup() as group:
            began = time.monotonic()
            for number in range(count):
                await asyncio.sleep(began + number * STRETCH_S - time.monotonic())
                group.create_task(self.stretch(number))


async def run(minutes: float, seed: int, console: Console) -> bool:
    """True when every call is accounted for."""
    names = [f"a{n}" for n in range(AGENTS)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    phones: list[LabPhone | str] = [LabPhone(name, port=port) for name in names]
    phones += ["rescue", "deaf"]
    talks = in_turn(
        *(Answer(ring, talk_ms=talk) for ring, talk in ((100, 3000), (700, 6000), (1500, 2000))),
        cycle=True,
    )
    with tempfile.TemporaryDirectory(prefix="voronka-soak-") as folder:
        plan = Path(folder) / "plan.yaml"
        managers = "\n".join(f"  {one}: {{name: {one}, department: sales}}" for one in names)
        plan.write_text(PLAN.format(managers=managers, sales=SALES, deaf=DEAF, menu=MENU))
        async with (
            AsteriskLab(phones=phones) as lab,
            Phone(lab, "a0", talks, audio=False) as sales,
            Phone(lab, "deaf", NoAnswer()),
            Phone(lab, "rescue", Answer(300, talk_ms=1500), audio=False) as rescue,
            Wire(lab) as wire,
            PbxProcess(lab, plan, Path(folder) / "state", ami_port=wire.port) as pbx,
        ):
            soak = Soak(lab, pbx, wire, console, random.Random(seed))
            soak.say(f"{minutes:g} min at {RATE:g} calls/s, seed {seed}")
            await soak.all_of_it(minutes)
            pbx.thaw()
            wire.mend()
            await pbx.ready()
            await lab.nothing_left(60)
            talked = {
                call.from_user: datetime.fromtimestamp(call.answered_at, UTC)
                for phone in (sales, rescue)
                for call in phone.calls()
                if call.answered and call.answered_at and "cause=26" not in call.reason
            }
            return await _account(soak, talked)


async def _account(soak: Soak, talked: dict[str, datetime]) -> bool:
    """Compare, until the log is complete or has had its time; print; True when all agree.

    ``talked``: whose call a phone took, and when.
    """
    end = time.monotonic() + SETTLE_S
    while True:
        # Asterisk too writes its last records a moment after the last call.
        recorded = _recorded(soak.lab.folder.host / "log/cdr-custom/voronka.csv")
        logged = _logged(soak.pbx.database)
        wrong = _differences(soak, talked, logged, set(recorded))
        if not wrong or time.monotonic() > end:
            break
        await asyncio.sleep(1)
    free = 'voronka_agents{state="free"} ' in await soak.pbx.metrics()
    stuck = [
        line
        for line in (await soak.pbx.metrics()).splitlines()
        if line.startswith("voronka_agents{") and not line.endswith(" 0.0") and "free" not in line
    ]
    table = Table("counted", "by SIPp", "by Asterisk", "by us", "difference")
    ours = len(logged)
    taken = sum(one.number not in recorded and one.went_with(soak) for one in _all(logged))
    untold = sum(soak.never_came(one) for one in soak.made.keys() - logged.keys())
    table.add_row(
        "calls",
        str(len(soak.made)),
        str(len(recorded)),
        str(ours),
        str(max(abs(len(soak.made) - untold - ours), abs(len(recorded) + taken - ours))),
    )
    answered = sum(one.outcome == "answered" for one in _all(logged))
    here = len(talked.keys() & soak.made.keys())
    unjoined = sum(
        one.outcome != "answered" and soak.never_joined(talked.get(one.number))
        for one in _all(logged)
    )
    table.add_row("talks", str(here), "", str(answered), str(abs(here - unjoined - answered)))
    soak.console.print(table)
    if soak.crashes:
        soak.console.print(f"Asterisk took {taken} calls with it, all in the log")
        soak.console.print(f"and {untold} INVITEs of its last second, before it told of them,")
        soak.console.print(f"and {unjoined} callers whose manager picked up in that second")
    counted = Counter(one.outcome for one in _all(logged))
    soak.console.print("outcomes:", dict(counted))
    soak.console.print("faults:", dict(soak.faults))
    if soak.memory:
        kib = [one // 1024 for one in soak.memory]
        soak.console.print(f"engine memory, KiB: first {kib[0]}, most {max(kib)}, last {kib[-1]}")
    for number, what in list(wrong.items())[:20]:
        soak.console.print(f"[red]{number}: {what}[/red]")
    for line in stuck:
        soak.console.print(f"[red]not free: {line}[/red]")
    well = not wrong and not stuck and free and len(recorded) + taken == ours
    soak.console.print("every call is accounted for" if well else f"[red]{len(wrong)} wrong[/red]")
    return well


@dataclass(frozen=True, slots=True)
class Logged:
    """A call as the log has it; ``ended``: UTC."""

    number: str
    outcome: str | None
    ended: datetime | None

    def went_with(self, soak: Soak) -> bool:
        """It was up, or its record not yet written, when Asterisk was killed."""
        return self.ended is not None and any(
            abs(self.ended - crash).total_seconds() < UNRECORDED_S
            or crash < self.ended < crash + timedelta(seconds=RESTART_S)
            for crash in soak.crashes
        )


def _all(logged: dict[str, list[Logged]]) -> list[Logged]:
    return [one for calls in logged.values() for one in calls]


def _recorded(records: Path) -> Counter[str]:
    """Asterisk's calls by the caller's number."""
    lines = records.read_text().splitlines()
    parsed = [record for line in lines if (record := cdr.parse(line)) is not None]
    return Counter(call.number for call in cdr.calls_of(parsed))


def _logged(database: str) -> dict[str, list[Logged]]:
    """Calls by the caller's number."""
    engine = create_engine(database)
    calls = tables.calls.c
    found: dict[str, list[Logged]] = {}
    try:
        with engine.connect() as connection:
            query = select(calls.number_raw, calls.outcome, calls.ended_at)
            for number, outcome, ended in connection.execute(query):
                found.setdefault(number, []).append(Logged(number, outcome, ended))
    finally:
        engine.dispose()
    return found


def _differences(
    soak: Soak, talked: dict[str, datetime], logged: dict[str, list[Logged]], recorded: set[str]
) -> dict[str, str]:
    """What is wrong, by the caller's number."""
    wrong: dict[str, str] = {}
    for number in soak.made.keys() | logged.keys():
        calls = logged.get(number, [])
        outcome = calls[0].outcome if calls else None
        if number not in soak.made:
            wrong[number] = f"in the log ({outcome}), not called"
        elif not calls and soak.never_came(number):
            continue
        elif len(calls) != 1:
            wrong[number] = f"{len(calls)} times in the log"
        elif outcome is None:
            wrong[number] = "never closed"
        elif outcome != "answered" and soak.never_joined(talked.get(number)):
            continue
        elif (outcome == "answered") != (number in talked):
            spoke = "talked" if number in talked else "did not talk"
            wrong[number] = f"{outcome}, but {spoke}"
        elif number not in recorded and not calls[0].went_with(soak):
            wrong[number] = "not in Asterisk's records"
    return wrong


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="./run soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    console = Console()
    try:
        return 0 if asyncio.run(run(options.minutes, options.seed, console)) else 1
    except LabError as error:
        console.print(f"[red]{escape(str(error))}[/red]")
        return 1


if __name__ == "__main__":
    sys.exit(main())
