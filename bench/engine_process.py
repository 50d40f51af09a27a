"""The engine alone in a process, for a bench that reads its CPU and memory."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path

from lab.engine import Quiet, beep
from lab.seen import percentile
from pbx.ami.switch import AmiSettings, AsteriskSwitch
from pbx.ami.translate import MessageFolder
from pbx.engine.clock import SystemClock
from pbx.engine.loop import EngineLoop
from pbx.engine.tuning import tune
from pbx.journal.writer import SqlJournal
from pbx.realtime import RealTime
from pbx.recordings.keeper import Keeper
from routing.dispatcher import Dispatcher
from routing.strategy import Registry
from tests.world import agent, plan, sales


class HandOffs(Quiet):
    """Keeps the engine's own part of each hand-off, seconds: from the news that an agent is free
    to the command that rings them for the next caller."""

    def __init__(self) -> None:
        super().__init__()
        self.took: list[float] = []

    def handoff_seconds(self, seconds: float) -> None:
        self.took.append(seconds)

    def __str__(self) -> str:
        p50, p99 = (percentile(self.took, share) * 1000 for share in (0.5, 0.99))
        return (
            f"the engine's own part of {len(self.took)} hand-offs: "
            f"p50 {p50:.2f}, p99 {p99:.2f}, most {max(self.took) * 1000:.2f} ms"
        )


async def serve(options: dict[str, object]) -> None:
    """Until SIGTERM, with the real journal on SQLite."""
    import random

    team = [agent(f"a{n}") for n in range(int(str(options["agents"])))]
    company = plan(team, [sales(*team, strategy="round-robin")])
    quiet = HandOffs()
    with tempfile.TemporaryDirectory() as folder:
        journal = SqlJournal(f"sqlite:///{folder}/log.db", spool=Path(folder) / "spool.jsonl")
        journal.start()
        switch = AsteriskSwitch(
            AmiSettings(
                "127.0.0.1",
                int(str(options["port"])),
                str(options["user"]),
                str(options["secret"]),
            ),
            beep,
            messages=MessageFolder(Path(folder), folder),
            recorder=Keeper(Path(folder), folder),
            rng=random.Random(1),
            addresses={one.devices[0].address for one in team},
            watcher=quiet,
        )
        engine = EngineLoop(
            company,
            Dispatcher(company.routing, strategies=Registry.builtin(), rng=random.Random(1)),
            switch,
            journal,
            SystemClock(),
            watcher=quiet,
            id_prefix="b",
        )
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        tune()
        RealTime().ask()
        await engine.start()
        print("ready", flush=True)
        await stop.wait()
        await engine.drain()
        journal.close(10.0)
        if quiet.took:
            print(quiet, file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
