"""``./run bench``: everything, as Markdown for docs/performance.md."""

from __future__ import annotations

import argparse
import asyncio

from bench import (
    against_queue,
    ami,
    burst,
    core,
    ingest,
    memory,
    phones_to_wall,
    plan,
    reload,
    replay,
    simulate,
    trial,
    wall,
)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load")
    parser.add_argument(
        "--rates",
        default=",".join(f"{rate:g}" for rate in against_queue.RATES + against_queue.FIND_RATES),
        help="calls a second, one load each",
    )
    options = parser.parse_args()
    rates = [float(rate) for rate in options.rates.split(",")]
    print("## Decisions\n")
    print(core.table())
    print("\n## AMI\n")
    print(ami.table())
    print("\n## Loading a plan\n")
    print(plan.table())
    print("\n## Simulated calls\n")
    print(simulate.table())
    print("\n## Replay of a month\n")
    print(replay.table())
    print("\n## Dial-plan tests\n")
    print(trial.table())
    print("\n## The wall\n")
    print(wall.table())
    print("\n## From the phone to the wall\n")
    print(phones_to_wall.table(options.seconds))
    print("\n## Memory\n")
    print(memory.table())
    print("\n## The log while reports are open\n")
    print(ingest.table(min(options.seconds, 15.0), ingest.LEGS))
    print("\n## Reload\n")
    print(asyncio.run(reload.run(min(options.seconds, 20.0))))
    print("\n## Beside app_queue\n")
    print(asyncio.run(against_queue.run(options.seconds, rates)))
    print("\n## A burst\n")
    print(asyncio.run(burst.run(burst.Options(burst.CALLS, burst.SECONDS, burst.MANAGERS))))


if __name__ == "__main__":
    main()
