"""A burst: 500 calls within 5 s onto 10 managers, Voronka and Asterisk's own app_queue one after
the other.

``python -m bench.burst [--calls 500] [--seconds 5] [--managers 10] [--silent]`` prints the table.
Callers are answered and hear music, send RTP, and wait until somebody talks with them.  A hand-off
is from the BYE that a manager's phone sends to the next INVITE that it gets; both are on one SIPp's
clock.
``--silent``: callers send no audio, which takes SIPp's own part of the load away, and half of
Asterisk's for who waits.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.against_queue import QUEUE_NUMBER, RING_MS, bench_lab, engine_process
from lab.asterisk import AsteriskLab, cpu_s
from lab.seen import CallSeen, ShortCall, percentile
from lab.sipp import Answer, Dialling, Load, Phone
from tests.world import DID

CALLS, SECONDS, MANAGERS = 500, 5.0, 10
TALK_MS = 300
SLOWEST_HANDOFF_S = 2.0
"""app_queue looks once a second; a load that takes longer than this for each talk is given up."""
PATIENCE_S = 600.0
CALLER = "+7916777"
"""Begins each caller's number; the caller's place follows, so that a phone shows whom it got."""
SETTLE_S = 3.0

DIALPLAN = f"""
[voronka-trunk]
exten => {QUEUE_NUMBER},1,Set(WHO=${{CHANNEL(pjsip,remote_uri)}})
 same => n,Set(CALLERID(num)=${{FILTER(0-9,${{CUT(WHO,@,1)}})}})
 same => n,Answer()
 same => n,Queue(bench)
 same => n,Hangup()
"""


@dataclass(frozen=True, slots=True)
class Options:
    """The size of the burst."""

    calls: int
    seconds: float
    managers: int
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One burst: times in ms, memory in MiB (before, most, after), CPU in ms per call.

    ``out_of_turn``: for whom a phone rang after one for somebody who had come later;
    ``places_lost``: the most that one of them lost.  ``handoffs_after``: of ``handoffs``, those
    after the last caller has come.
    """

    who: str
    calls: int
    refused: int
    unserved: int
    most_waiting: int
    took_s: float
    out_of_turn: int
    places_lost: int
    handoffs: Sequence[float]
    handoffs_after: Sequence[float]
    engine_mib: tuple[float, float, float] | None
    asterisk_mib: tuple[float, float, float]
    asterisk_cpu: float
    engine_cpu: float | None


class Memory:
    """A process's resident memory from the begin to the end of a load."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.before = self.most = self.read()

    def read(self) -> float:
        """Now, MiB."""
        pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def look(self) -> None:
        """Remembers the most."""
        self.most = max(self.most, self.read())

    def over(self) -> tuple[float, float, float]:
        """(before, most, now)."""
        self.look()
        return self.before, self.most, self.read()


def handoffs(served: Sequence[CallSeen], since: float = 0.0) -> list[float]:
    """From each manager's BYE (``since`` then) to that manager's next INVITE, ms."""
    by_manager: dict[str, list[CallSeen]] = {}
    for call in sorted(served, key=lambda one: one.invite_at or 0.0):
        by_manager.setdefault(call.to_user, []).append(call)
    return [
        (after.invite_at - before.ended_at) * 1000
        for calls in by_manager.values()
        for before, after in pairwise(calls)
        if before.ended_at is not None and before.ended_at >= since and after.invite_at is not None
    ]


def places(served: Sequence[CallSeen]) -> list[int]:
    """The callers' places in the order in which phones rang for them."""
    rang = sorted(served, key=lambda one: one.invite_at or 0.0)
    return [int(call.from_user.partition(CALLER[1:])[2] or 0) for call in rang]


def out_of_turn(places: Sequence[int]) -> list[int]:
    """Places lost by each who was rung for after somebody who had come later."""
    latest, lost = 0, []
    for place in places:
        if place < latest:
            lost.append(latest - place)
        latest = max(latest, place)
    return lost


def most_waiting(came: Sequence[ShortCall], served: Sequence[CallSeen]) -> int:
    """Callers for whom no phone had rung, at most."""
    changes = [(call.invite_at, 1) for call in came]
    changes += [(call.invite_at, -1) for call in served if call.invite_at is not None]
    waiting = most = 0
    for _, change in sorted(changes):
        waiting += change
        most = max(most, waiting)
    return most


async def burst(
    lab: AsteriskLab, phone: Phone, who: str, number: str, options: Options, engine: int | None
) -> Row:
    """All callers at once, until the last has talked."""
    callers = Load(
        lab,
        Dialling(
            number,
            from_number=f"{CALLER}[call_number]",
            talk_ms=round(PATIENCE_S * 1000),
            audio=not options.silent,
        ),
        rate=options.calls / options.seconds,
        calls=options.calls,
    )
    asterisk = Memory(lab.pid)
    engines = Memory(engine) if engine is not None else None
    clock = asyncio.get_running_loop().time
    began = clock()
    asterisk_s, engine_s = lab.cpu_s(), cpu_s(engine) if engine is not None else 0.0
    talks = options.calls / options.managers
    slowest = options.seconds + talks * (SLOWEST_HANDOFF_S + (RING_MS + TALK_MS) / 1000) + 30
    load = asyncio.create_task(callers.run(slowest))
    while not load.done():
        asterisk.look()
        if engines is not None:
            engines.look()
        await asyncio.sleep(0.1)
    result = await load
    took_s = clock() - began
    await lab.nothing_left(deadline_s=30)
    await asyncio.sleep(SETTLE_S)
    asterisk_s = lab.cpu_s() - asterisk_s
    engine_s = cpu_s(engine) - engine_s if engine is not None else 0.0
    served = [call for call in phone.calls() if call.answered_at is not None]
    lost = out_of_turn(places(served))
    return Row(
        who,
        options.calls,
        sum(1 for call in result.calls if call.status >= 400),
        options.calls - len(served),
        most_waiting(result.calls, served),
        took_s,
        len(lost),
        max(lost, default=0),
        handoffs(served),
        handoffs(served, since=max((call.invite_at for call in result.calls), default=0.0)),
        engines.over() if engines is not None else None,
        asterisk.over(),
        asterisk_s / options.calls * 1000,
        engine_s / options.calls * 1000 if engine is not None else None,
    )


@contextlib.asynccontextmanager
async def nobody() -> AsyncIterator[None]:
    """No engine."""
    yield None


async def run(options: Options) -> str:
    """Both, each on an Asterisk of its own."""
    rows: list[Row] = []
    for who, number in (("app_queue", QUEUE_NUMBER), ("voronka", DID[1:])):
        async with (
            bench_lab(
                options.managers, Answer(RING_MS, talk_ms=TALK_MS), dialplan=DIALPLAN, times=False
            ) as (lab, phone),
            engine_process(lab, options.managers) if who == "voronka" else nobody() as engine,
        ):
            rows.append(await burst(lab, phone, who, number, options, engine))
    return table(rows)


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [
        "| | calls | refused | never talked | most waiting | all done after, s | "
        "out of turn, by places at most | "
        "manager's BYE to next INVITE p50 / p99 / most, ms | the same, when all have come | "
        "engine before / most / after, MiB | Asterisk, MiB | CPU per call Asterisk / engine, ms |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.who} | {row.calls} | {row.refused} | {row.unserved} | {row.most_waiting} | "
            f"{row.took_s:.1f} | {row.out_of_turn}, {row.places_lost} | "
            f"{_spread(row.handoffs)} | {_spread(row.handoffs_after)} | "
            f"{_mib(row.engine_mib)} | {_mib(row.asterisk_mib)} | "
            f"{row.asterisk_cpu:.1f} / {_ms(row.engine_cpu)} |"
        )
    return "\n".join(lines)


def _spread(times: Sequence[float]) -> str:
    times = times or [float("nan")]
    return f"{percentile(times, 0.5):.1f} / {percentile(times, 0.99):.1f} / {max(times):.1f}"


def _mib(memory: tuple[float, float, float] | None) -> str:
    return " / ".join(f"{one:.0f}" for one in memory) if memory else "-"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="in which they come")
    parser.add_argument("--managers", type=int, default=MANAGERS)
    parser.add_argument("--silent", action="store_true", help="callers send no audio")
    given = parser.parse_args()
    options = Options(given.calls, given.seconds, given.managers, given.silent)
    print(asyncio.run(run(options)))


if __name__ == "__main__":
    main()
