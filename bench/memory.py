"""Engine memory for each waiting and each talking call, and after a start by the size of the log.

``python -m bench.memory [CALLS ...]``: sizes of the logs; default 5,000, 50,000 and 500,000 calls.
"""

from __future__ import annotations

import gc
import json
import random
import subprocess
import sys
import tempfile
import time
import tracemalloc
from datetime import timedelta
from pathlib import Path

from bench.synthetic import BEGAN, DAYS, LEGS_A_CALL, fill
from pbx.engine.virtual import VirtualWorld
from pbx.journal.database import migrate, open_for_writing
from pbx.switch.script import CallerScript, PhoneAct, Reaction, Script
from routing.dispatcher import Dispatcher
from routing.strategy import Registry
from tests.journal import busy
from tests.world import DID, START, agent, plan, sales

CALLS = 2_000
LOGS = (5_000, 50_000, 500_000)
HALF_HOUR = 18_000
"""Calls of the last half hour in each log: ten a second."""
NOW = BEGAN + timedelta(days=DAYS)
_START = "--start"


def per_call(*, talking: bool) -> float:
    """Bytes for each call that waits, or talks (its agent's share and leg included).

    The simulated switch's own share of a call is in it, so it is an upper bound.
    """
    team = [agent(f"a{n}") for n in range(CALLS if talking else 1)]
    company = plan(team, [sales(*team, strategy="longest-idle")])
    callers = tuple(CallerScript("", 0.001 * n, DID, f"+7916{n:07}") for n in range(CALLS))
    act = PhoneAct(Reaction.ANSWER if talking else Reaction.UNREACHABLE, 0.1)
    phones = {one.devices[0].address: (act,) for one in team}
    world = VirtualWorld(
        company,
        Dispatcher(company.routing, strategies=Registry.builtin(), rng=random.Random(1)),
        Script(callers, phones),
        start=START,
        on_entry=lambda stamped: None,
    )
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    world.run(START + 10)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(world.core.calls.by_id) == CALLS
    return (after - before) / CALLS


def after_start(calls: int, folder: Path) -> str:
    """A line of the table of starts: a process of its own takes over from a log of 600 days with so
    many calls, and then a busy half hour."""
    database = folder / f"{calls}.db"
    log = open_for_writing(f"sqlite:///{database}")
    migrate(log)
    fill(database, round(calls * LEGS_A_CALL))
    busy.fill(log, HALF_HOUR, NOW)
    log.dispose()
    command = (sys.executable, "-m", "bench.memory", _START, str(database))
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    database.unlink()
    found = json.loads(said)
    mib = (found[name] / 1024 for name in ("before", "most", "after"))
    told = " / ".join(f"{one:.0f}" for one in mib)
    return f"| {calls} | {found['numbers']} | {told} | {found['seconds']:.1f} |"


def start(database: Path) -> dict[str, float]:
    """In a process of its own: what ``pbx run`` takes over before it serves calls, and the memory
    of the process, KiB."""
    import pbx.wiring  # noqa: F401 (all that the engine consists of is in memory)
    from pbx.journal.writer import SqlJournal
    from pbx.taking_over import take_over

    company = plan([agent("m01")], [sales(agent("m01"), strategy="longest-idle")])
    journal = SqlJournal(f"sqlite:///{database}", spool=database.with_suffix(".spool"))
    journal.start()
    before, began = _status("VmRSS"), time.process_time()
    known = take_over(journal, company, NOW)
    numbers = len(known.memory.last_talks)
    dispatcher = Dispatcher(
        company.routing, strategies=Registry.builtin(), rng=random.Random(1), memory=known.memory
    )
    del known
    seconds = time.process_time() - began
    gc.collect()
    after, most = _status("VmRSS"), _status("VmHWM")
    del dispatcher
    journal.close(10.0)
    return {
        "numbers": numbers, "before": before, "most": most, "after": after, "seconds": seconds
    }  # fmt: skip


def _status(name: str) -> int:
    """Of this process, KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def table(logs: tuple[int, ...] = LOGS) -> str:
    """Markdown."""
    with tempfile.TemporaryDirectory(prefix="voronka-memory-") as folder:
        starts = [after_start(calls, Path(folder)) for calls in logs]
    return "\n".join(
        (
            "| call | engine memory, KiB |",
            "|---|---|",
            f"| waiting | {per_call(talking=False) / 1024:.1f} |",
            f"| talking | {per_call(talking=True) / 1024:.1f} |",
            "",
            "| calls in the log | numbers remembered | memory before / most / after, MiB "
            "| processor, s |",
            "|---|---|---|---|",
            *starts,
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == [_START]:
        print(json.dumps(start(Path(sys.argv[2]))))
    else:
        print(table(tuple(map(int, sys.argv[1:])) or LOGS))
