"""The engine alone in a process, for a bench that reads its CPU and memory."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from pathlib import Path

from lab.engine import Quiet, beep
from pbx.ami.switch import AmiSettings, AsteriskSwitch
from pbx.ami.translate import MessageFolder
from pbx.engine.clock import SystemClock
from pbx.engine.loop import EngineLoop
from pbx.engine.tuning import tune
from pbx.journal.writer import SqlJournal
from pbx.recordings.keeper import Keeper
from routing.dispatcher import Dispatcher
from routing.strategy import Registry
from tests.world import agent, plan, sales


async def serve(options: dict[str, object]) -> None:
    """Until SIGTERM, with the real journal on SQLite."""
    import random

    team = [agent(f"a{n}") for n in range(int(str(options["agents"])))]
    company = plan(team, [sales(*team, strategy="round-robin")])
    quiet = Quiet()
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
        await engine.start()
        print("ready", flush=True)
        await stop.wait()
        await engine.drain()
        journal.close(10.0)


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
