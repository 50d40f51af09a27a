"""A reload's effect on hand-offs under load: ``python -m bench.reload [--seconds N]``.

A talk ends at a set time while callers wait: how late is the next ring sent?  Once in quiet, once
with a large plan loaded again and again.  Without Asterisk: a switch that answers at once, in the
event loop that serves everything, so that what is late is ours.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from ivr.commands import HangUpCaller
from lab.engine import Quiet
from lab.seen import percentile
from pbx.engine.clock import SystemClock
from pbx.engine.loop import EngineLoop
from pbx.engine.tuning import tune
from pbx.logs import set_up_logs
from pbx.plan.model import Plan
from pbx.plan.versions import VersionStore
from pbx.reload import LivePlan, first_plan
from pbx.switch import port
from routing import events
from routing.dispatcher import Dispatcher
from routing.strategy import Registry
from routing.values import CallId, Disposition, LegId

NUMBERS, MANAGERS, MENUS, QUEUES = 1_000, 500, 200, 50
WAITING = 500
"""Callers who wait when a hand-off is measured."""
RATE = 100.0
"""Hand-offs a second."""
PAUSE_S = 0.5
"""Between two reloads."""


def plan_text(ring_time_s: int) -> str:
    """A large company.  Its first number leads to a queue of all managers."""
    lines = ["settings: {region: RU, time_zone: Europe/Moscow, languages: [ru]}", "managers:"]
    lines += [
        f"  m{n}: {{name: M{n}, department: d{n % QUEUES}, skills: {{tech: {1 + n % 5}}}}}"
        for n in range(MANAGERS)
    ]
    lines += ["queues:", "  all: {members: {skill: tech}, strategy: longest-idle}"]
    lines += [
        f"  q{n}: {{members: {{department: d{n}}}, strategy: round-robin,"
        f" ring_time: {ring_time_s}s}}"
        for n in range(QUEUES)
    ]
    lines += ["menus:"]
    lines += [
        f"  menu{n}: {{menu: hello, keys: {{1: {{queue: q{n % QUEUES}}}, 2: menu{(n + 1) % MENUS},"
        f" 3: {{menu: hello, keys: {{1: {{queue: all}}}}}}, 4: {{voicemail: box}}}}}}"
        for n in range(MENUS)
    ]
    lines += ["prompts: {hello: {sound: beep}}", "numbers:"]
    lines += ['  "+78005550000": {entry: {queue: all}}']
    lines += [f'  "+7495{1_000_000 + n}": {{entry: menu{n % MENUS}}}' for n in range(1, NUMBERS)]
    return "\n".join(lines)


class AtOnce:
    """A switch on which every ring is answered in the same moment.  ``rung_at``: the last one."""

    def __init__(self) -> None:
        self.tell: Callable[[port.SwitchEvent], None] = lambda event: None
        self.talks: list[tuple[LegId, CallId]] = []
        self.rung_at = 0.0

    async def start(self, on_event: Callable[[port.SwitchEvent], None]) -> None:
        self.tell = on_event

    async def stop(self) -> None:
        self.tell = lambda event: None

    def send(self, command: port.SwitchCommand) -> None:
        match command:
            case port.Ring(leg_id, call_id):
                self.rung_at = time.monotonic()
                self.talks.append((leg_id, call_id))
                self.tell(events.DeviceAnswered(leg_id))
                self.tell(events.Joined(leg_id))
            case port.ForCaller(call_id, HangUpCaller()):
                self.tell(port.CallerGone(call_id, ""))


class House:
    """An engine at work, and its live plan in a folder."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "plan.yaml"
        self.file.write_text(plan_text(20))
        store = VersionStore(folder / "plans")
        strategies = Registry.builtin()
        began = first_plan(self.file, store, strategies)
        plan = began.loaded.plan
        quiet = Quiet()
        self.switch = AtOnce()
        dispatcher = Dispatcher(plan.routing, strategies=strategies, rng=random.Random(1))
        self.engine = EngineLoop(
            plan, dispatcher, self.switch, quiet, SystemClock(), watcher=quiet, id_prefix="b"
        )
        self.swaps: list[float] = []
        self.live = LivePlan(
            self.file,
            store,
            began,
            prepare=lambda plan: [],
            put=self._put,
            strategies=strategies,
            utc_now=lambda: datetime.now(UTC),
            watcher=self,
        )
        self._calls = 0

    def _put(self, plan: Plan) -> None:
        began = time.perf_counter()
        assert self.engine.replace_plan(plan, port.Phones())
        self.swaps.append((time.perf_counter() - began) * 1000)

    def plan_loaded(self, at: float, ok: bool, digest: str = "") -> None:
        """Not counted."""

    def comes(self) -> None:
        """A caller more."""
        self._calls += 1
        self.switch.tell(port.CallArrived(CallId(f"c{self._calls}"), "78005550000", "", ""))

    def talk_ends(self) -> None:
        """The longest talk is over."""
        leg_id, call_id = self.switch.talks.pop(0)
        self.switch.tell(port.CallerGone(call_id, ""))
        self.switch.tell(events.LegEnded(leg_id, Disposition.ANSWERED))


async def hand_offs(house: House, seconds: float) -> list[float]:
    """How late the ring of each was, ms."""
    loop = asyncio.get_running_loop()
    late: list[float] = []
    began = loop.time() + 0.1
    for number in range(int(seconds * RATE)):
        due = began + number / RATE
        await asyncio.sleep(due - loop.time())
        house.talk_ends()
        late.append((house.switch.rung_at - due) * 1000)
        house.comes()
    return late


@contextlib.contextmanager
def reloading(house: House, took: list[float]) -> Iterator[None]:
    """A plan that differs, again and again; ``took``: ms each."""

    async def again() -> None:
        number = 0
        while True:
            number += 1
            house.file.write_text(plan_text(20 + number % 2))
            began = time.perf_counter()
            await house.live.reload("bench")
            took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(PAUSE_S)

    task = asyncio.create_task(again())
    try:
        yield
    finally:
        task.cancel()


async def run(seconds: float) -> str:
    """Markdown."""
    set_up_logs("console", "error")
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        tune()
        await house.engine.start()
        for _ in range(MANAGERS + WAITING):
            house.comes()
        quiet = await hand_offs(house, seconds)
        took: list[float] = []
        with reloading(house, took):
            busy = await hand_offs(house, seconds)
        await house.engine.drain()
    lines = [
        f"{RATE:.0f} hand-offs/s, {WAITING} callers waiting; a plan of {NUMBERS} numbers, "
        f"{MANAGERS} managers, {MENUS} menus, {QUEUES} queues: loaded in "
        f"{percentile(took, 0.5):.0f} ms, put in force in {percentile(house.swaps, 0.5):.1f} ms "
        f"(longest {max(house.swaps):.1f}).",
        "",
        "| | hand-offs | next ring late p50 / p99 / most, ms |",
        "|---|---|---|",
    ]
    for name, late in (("no reload", quiet), (f"{len(took)} reloads", busy)):
        lines.append(
            f"| {name} | {len(late)} | {percentile(late, 0.5):.2f} / {percentile(late, 0.99):.2f} "
            f"/ {max(late):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each half")
    print(asyncio.run(run(parser.parse_args().seconds)))


if __name__ == "__main__":
    main()
