"""Engine memory for each waiting and each talking call: the core with its walk and distribution."""

from __future__ import annotations

import gc
import random
import tracemalloc

from pbx.engine.virtual import VirtualWorld
from pbx.switch.script import CallerScript, PhoneAct, Reaction, Script
from routing.dispatcher import Dispatcher
from routing.strategy import Registry
from tests.world import DID, START, agent, plan, sales

CALLS = 2_000


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


def table() -> str:
    """Markdown."""
    return "\n".join(
        (
            "| call | engine memory, KiB |",
            "|---|---|",
            f"| waiting | {per_call(talking=False) / 1024:.1f} |",
            f"| talking | {per_call(talking=True) / 1024:.1f} |",
        )
    )


if __name__ == "__main__":
    print(table())
