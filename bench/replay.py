"""Replay of a month of 200,000 calls: made, written to a log of SQLite, read, replayed.

``python -m bench.replay [CALLS DAYS [STRATEGY]]``; default 200,000, 30 and skill-priority.  Days of
ten hours, 60 managers, busy for about 80 % of them; another strategy is replayed beside the one
that ran, once each: one after the other, and side by side as ``pbx replay`` does it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.logged import route
from bench.simulate import ANSWER_S, DAY_S, QUEUE, WRAP_UP_S
from bench.simulate import setting as day_of
from ivr.nodes import HangUp, Menu, ToQueue
from pbx.journal.database import migrate, open_for_reading, open_for_writing
from pbx.plan.model import Number
from pbx.simulate.apart import processors
from pbx.simulate.callers import Caller, Demand, Rate, Stream, Target, callers
from pbx.simulate.draws import LogNormal
from pbx.simulate.experiment import with_strategy
from pbx.simulate.presence import Presence, attendance
from pbx.simulate.recorded import recorded
from pbx.simulate.replay import Alternative, replay
from pbx.simulate.world import Setting
from routing.strategy import Registry

CALLS, DAYS = 200_000, 30
NIGHT_S = 86_400.0
MANAGERS = 60
DID = "+78005553535"
BEGINS = datetime(2026, 11, 1, tzinfo=UTC)
MORNING_S = 8 * 3600.0
MENU_S = 12.0
RAN, INSTEAD = "longest-idle", "skill-priority"


def month(calls: int, *, days: int = DAYS, managers: int = MANAGERS, ran: str = RAN) -> Setting:
    """Of one number, one menu and one queue; all managers are there in the hours."""
    plan = replace(
        day_of(ran, calls, managers).plan,
        numbers={DID: Number(DID, "main", "ru")},
        tree={
            "main": Menu("main", (), {"1": "sales"}, 5.0, 2.0, 1, True, (), (), "sales", "sales"),
            "sales": ToQueue("sales", QUEUE, 0, (), "end"),
            "end": HangUp("end"),
        },
    )
    hours = [(day * NIGHT_S + MORNING_S, day * NIGHT_S + MORNING_S + DAY_S) for day in range(days)]
    rates = tuple(Rate(begins, ends - 600.0, calls / days / DAY_S * 3600) for begins, ends in hours)
    talk_s = 0.85 * managers * DAY_S * days / calls - WRAP_UP_S - ANSWER_S
    demand = Demand((Stream(Target(did=DID), rates),), talk=LogNormal(talk_s, 0.6), clients=calls)
    start, length_s = BEGINS.timestamp(), days * NIGHT_S
    there = Presence(there=[(start + begins, start + ends) for begins, ends in hours])
    return replace(
        day_of(ran, calls, managers),
        plan=plan,
        demand=demand,
        start=start,
        length_s=length_s,
        attendance=attendance(dict.fromkeys(plan.routing.agents, there), start, start + length_s),
    )


def who_calls(setting: Setting, seed: int) -> Sequence[Caller]:
    """As the log is to know them: each presses 1."""
    made = callers(setting.demand, seed)
    return [replace(one, keys=("1",), menu_s=MENU_S) for one in made]


def table(calls: int = CALLS, days: int = DAYS, instead: str = INSTEAD) -> str:
    """Markdown."""
    setting, registry = month(calls, days=days), Registry.builtin()
    until = datetime.fromtimestamp(setting.start + setting.length_s, UTC)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'log.db'}"
        log = open_for_writing(url)
        migrate(log)
        who = who_calls(setting, 1)
        route(log, setting, setting.plan.routing, who, registry=registry, seed=1)
        reads = _Took()
        found = recorded(open_for_reading(url), BEGINS, until, dids=[DID])
        read_s = reads.so_far()
        other = with_strategy(setting.plan.routing, instead)
        took = {}
        for processes in (1, max(2, processors())):
            replays = _Took()
            replayed = replay(
                found,
                setting.plan,
                [Alternative(instead, setting.plan, other, found.presence)],
                registry=registry,
                runs=1,
                seed=1,
                target_s=20.0,
                processes=processes,
            )
            took[processes] = replays.so_far()
    same = replayed.fidelity
    lines = [
        "| calls | instead | at once | read the log, s | replay of two, s | in all, s "
        "| by the clock, s | same end | same manager |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {same.calls} | {instead} | {processes} | {read_s[0]:.1f} | {ran_s:.1f} "
        f"| {read_s[0] + ran_s:.1f} | {read_s[1] + clock_s:.1f} "
        f"| {same.same_ending.mean:.2%} | {same.same_manager.mean:.2%} |"
        for processes, (ran_s, clock_s) in took.items()
    ]
    return "\n".join(lines)


class _Took:
    """Processor time, also of processes that have ended, and the clock's."""

    def __init__(self) -> None:
        self._began = self._now()

    def so_far(self) -> tuple[float, float]:
        """Since the begin, seconds."""
        used_s, clock_s = self._now()
        return used_s - self._began[0], clock_s - self._began[1]

    @staticmethod
    def _now() -> tuple[float, float]:
        times = os.times()
        return sum(times[:4]), time.monotonic()


if __name__ == "__main__":
    given = sys.argv[1:]
    print(table(int(given[0]), int(given[1]), *given[2:3]) if len(given) > 1 else table())
