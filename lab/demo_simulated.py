"""The demo's morning on the simulated switch: the same core, the same log, no Asterisk."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from lab.morning import LENGTH_S, MORNING
from pbx.engine.virtual import VirtualWorld
from pbx.journal import port as journal
from pbx.journal.port import Stamped
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook
from pbx.missed.owners import owner_rule
from pbx.plan.load import load
from pbx.reports.book import FactBook
from pbx.reports.contacts import CallerBook
from routing import facts
from routing.dispatcher import Dispatcher
from routing.strategy import Registry

LONGEST_S = 300.0
"""All calls are over long before, seconds."""
CLOSE_S = 10.0


def play_simulated(
    config: Path, database: str, folder: Path, speed: float, console: Console
) -> None:
    """Play the morning ``speed`` times as fast as life, then show the log."""
    plan = load(config)
    # As the engine does: reports and missed calls are kept as calls end.
    followers = (MissedBook(owner_rule(plan.routing), {}), CallerBook(), FactBook())
    log = SqlJournal(database, spool=folder / "spool.jsonl", followers=followers)
    log.start()
    began = time.time()
    total, over = len(MORNING.callers), 0

    def told(stamped: Stamped) -> None:
        nonlocal over
        log.write(stamped)
        at = f"{stamped.at.timestamp() - began:5.1f} s"
        match stamped.entry:
            case journal.CallStarted() as call:
                who = f"{call.name or 'withheld'} {call.number}"
                console.print(f"{at}  {who} calls {call.did}", highlight=False)
            case facts.LegJoined(_, call_id, agent_id):
                console.print(f"{at}    {agent_id} talks with {call_id}", highlight=False)
            case journal.CallEnded() as call:
                over += 1
                console.print(
                    f"{at}  {call.call_id} is over: {call.outcome.value}  [{over}/{total}]",
                    highlight=False,
                )
            case _:
                pass

    world = VirtualWorld(
        plan,
        Dispatcher(plan.routing, strategies=Registry.builtin(), rng=random.Random(1)),
        MORNING,
        start=began,
        on_entry=told,
    )
    console.print(f"{total} callers within about {LENGTH_S:.0f} s, {speed:g} times as fast:")
    try:
        paced = time.monotonic()
        while (at := world.next_at) is not None and at < began + LONGEST_S:
            pause = (at - began) / speed - (time.monotonic() - paced)
            if pause > 0 and over < total:
                time.sleep(pause)
            world.step()
    finally:
        log.close(CLOSE_S)
    console.print()
    pbx = str(Path(sys.executable).with_name("pbx"))
    subprocess.run([pbx, "calls", "--db", database, "--limit", "200"], check=False)
    console.print(f"\n./run pbx calls --db {database}    shows this again", soft_wrap=True)
