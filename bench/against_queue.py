"""Voronka beside Asterisk's own app_queue: same Asterisk, same SIPp load, same members, one run.

``python -m bench.against_queue [--seconds N] [--rates 20,50,80]`` prints the table.  Times between
two SIPp processes on one clock; callers send RTP.  Agents are one SIPp that rings 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

from lab.asterisk import AsteriskLab, LabPhone, cpu_s
from lab.seen import percentile
from lab.sipp import Answer, Dialling, Load, Phone
from tests.world import DID

AGENTS = 300
QUEUE_NUMBER = "9500"
RING_MS = 50
TALK_MS = 1000
RATES = (20.0, 50.0, 80.0)
FIND_RATES = (120.0, 150.0, 180.0, 210.0, 240.0)
HANDOFFS = 20

DIALPLAN = f"""
[voronka-trunk]
exten => {QUEUE_NUMBER},1,Queue(bench)
 same => n,Hangup()
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One load: times in ms, CPU in ms per call.

    ``messages``: between Asterisk's threads, per call.  Most of its processor time goes into waking
    those who get them, and other work on the machine does not change their number.
    """

    who: str
    rate: float
    calls: int
    failed: int
    to_ring_p50: float
    to_ring_p99: float
    asterisk_cpu: float
    engine_cpu: float
    messages: float


@dataclass(frozen=True, slots=True)
class Handoff:
    """An agent hangs up to the next caller's ring, ms."""

    who: str
    p50: float
    p99: float
    count: int


def queues_conf(agents: int) -> str:
    """The same members, in turn, as soon as they are free."""
    members = "".join(f"member => PJSIP/a{n}\n" for n in range(agents))
    return (
        "[general]\nautofill = yes\n[bench]\nstrategy = rrmemory\nautofill = yes\nringinuse = no\n"
        f"timeout = 20\nretry = 1\nwrapuptime = 0\n{members}"
    )


@asynccontextmanager
async def bench_lab(
    agents: int, behaviour: Answer, *, dialplan: str = DIALPLAN, times: bool = True
) -> AsyncIterator[tuple[AsteriskLab, Phone]]:
    """Asterisk with so many agents, all behind one SIPp.  ``times``: it keeps only times (cheaper),
    not whom it got.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    phones = [LabPhone(f"a{n}", port=port) for n in range(agents)]
    async with (
        AsteriskLab(
            phones=phones, dialplan=dialplan, extra={"queues.conf": queues_conf(agents)}
        ) as lab,
        Phone(lab, "a0", behaviour, load=times, audio=False) as phone,
    ):
        yield lab, phone


@asynccontextmanager
async def engine_process(lab: AsteriskLab, agents: int) -> AsyncIterator[int]:
    """The engine in a process of its own, so that its CPU is its own; gives its pid.

    In a session of its own, too, as Asterisk and SIPp have: Linux shares the processor out between
    sessions (autogroup), and whoever runs a bench may have a session that is behind all others.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.engine_process",
        json.dumps(
            {
                "port": lab.ami_port,
                "user": lab.ami_user,
                "secret": lab.ami_secret,
                "agents": agents,
            }
        ),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            await process.stdout.readline()
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def load(
    lab: AsteriskLab,
    phone: Phone,
    who: str,
    number: str,
    rate: float,
    calls: int,
    engine_cpu: Callable[[], float],
) -> Row:
    """One load, and what it cost."""
    seen_before = len(phone.short_calls())
    messages_before = await bus_messages(lab)
    asterisk_before, engine_before = lab.cpu_s(), engine_cpu()
    result = await Load(
        lab, Dialling(number, talk_ms=TALK_MS + RING_MS), rate=rate, calls=calls
    ).run()
    await asyncio.sleep(1.0)
    asterisk_s, engine_s = lab.cpu_s() - asterisk_before, engine_cpu() - engine_before
    messages = await bus_messages(lab) - messages_before
    # First come, first served on both sides: the n-th caller is the n-th ring.
    came = sorted(call.invite_at for call in result.calls)
    rang = sorted(call.invite_at for call in phone.short_calls()[seen_before:])
    times = [(b - a) * 1000 for a, b in zip(came, rang, strict=False)]
    return Row(
        who,
        rate,
        calls,
        calls - min(len(rang), result.answered),
        percentile(times, 0.5) if times else float("nan"),
        percentile(times, 0.99) if times else float("nan"),
        asterisk_s / calls * 1000,
        engine_s / calls * 1000,
        messages / calls,
    )


async def bus_messages(lab: AsteriskLab) -> int:
    """What the subscribers of Asterisk's event bus have been handed so far."""
    told = await lab.cli("core show taskprocessors like stasis/m:")
    return sum(int(n) for n in re.findall(r"^stasis/m:\S+ +(\d+) ", told, re.MULTILINE))


async def rates(seconds: float, wanted: Sequence[float]) -> list[Row]:
    """Both at each rate, one after the other on the same Asterisk."""
    rows: list[Row] = []
    async with bench_lab(AGENTS, Answer(RING_MS)) as (lab, phone):
        for rate in wanted:
            calls = round(rate * seconds)
            rows.append(await load(lab, phone, "app_queue", QUEUE_NUMBER, rate, calls, lambda: 0.0))
            _say(rows[-1])
            await _clear(lab, rows[-1])
            async with engine_process(lab, AGENTS) as pid:
                rows.append(
                    await load(lab, phone, "voronka", DID[1:], rate, calls, lambda: cpu_s(pid))
                )
            _say(rows[-1])
            await _clear(lab, rows[-1])
    return rows


async def _clear(lab: AsteriskLab, row: Row) -> None:
    """Nothing of this load is there in the next."""
    if row.failed:  # SIPp had its time and went without a BYE
        await lab.cli("channel request hangup all")
    await lab.nothing_left(deadline_s=30)


async def handoffs() -> list[Handoff]:
    """One agent who talks 300 ms, and callers who wait for them."""
    found: list[Handoff] = []
    for who, number in (("app_queue", QUEUE_NUMBER), ("voronka", DID[1:])):
        async with (
            bench_lab(1, Answer(RING_MS, talk_ms=300)) as (lab, phone),
            engine_process(lab, 1),
        ):
            waiting = Load(lab, Dialling(number, talk_ms=60_000), rate=20, calls=HANDOFFS)
            await waiting.run(deadline_s=HANDOFFS * 1.5 + 5)
            calls = phone.short_calls()
        times = [
            (after.invite_at - before.ended_at) * 1000
            for before, after in pairwise(calls)
            if before.ended_at is not None
        ]
        found.append(Handoff(who, percentile(times, 0.5), percentile(times, 0.99), len(times)))
        print(found[-1], flush=True)
    return found


def _say(row: Row) -> None:
    print(
        f"{row.who:10} {row.rate:5.0f}/s {row.calls:6} calls {row.failed:4} failed  "
        f"ring p50 {row.to_ring_p50:7.1f} p99 {row.to_ring_p99:8.1f} ms  "
        f"CPU asterisk {row.asterisk_cpu:5.1f} engine {row.engine_cpu:5.1f} ms/call  "
        f"{row.messages:5.0f} messages/call",
        flush=True,
    )


def table(rows: Sequence[Row], found: Sequence[Handoff]) -> str:
    """Markdown."""
    lines = [
        "| | calls/s | calls | failed | INVITE to agent's INVITE p50 / p99, ms | "
        "CPU per call Asterisk / engine, ms | messages between Asterisk's threads, per call |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.who} | {row.rate:.0f} | {row.calls} | {row.failed} | "
            f"{row.to_ring_p50:.1f} / {row.to_ring_p99:.1f} | "
            f"{row.asterisk_cpu:.1f} / {row.engine_cpu:.1f} | {row.messages:.0f} |"
        )
    lines += ["", "| | agent hangs up to next ring p50 / p99, ms | samples |", "|---|---|---|"]
    for one in found:
        lines.append(f"| {one.who} | {one.p50:.1f} / {one.p99:.1f} | {one.count} |")
    return "\n".join(lines)


async def run(seconds: float, wanted: Sequence[float]) -> str:
    """All of it."""
    found = await handoffs()
    rows = await rates(seconds, wanted)
    return table(rows, found)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rates", default=",".join(str(rate) for rate in RATES + FIND_RATES))
    options = parser.parse_args()
    began = time.monotonic()
    wanted = [float(rate) for rate in options.rates.split(",")]
    print(asyncio.run(run(options.seconds, wanted)))
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
