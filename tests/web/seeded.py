"""Weeks of calls as a company has them, written to the log as facts: quick to make, right to
count."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert

from pbx.journal.tables import agent_states, call_facts, calls, fact_days
from pbx.reports.contacts import know_all
from pbx.reports.facts import CallFact, Part, milliseconds

DAY_S = 86_400
_SOURCES = {"+78005553535": "site", "+74951234567": "radio", "+78121234567": "yandex"}
_HOUR_WEIGHTS = (
    *(0, 0, 0, 0, 0, 0, 0, 1, 4, 12, 18, 19, 16, 12, 15, 17, 16, 13, 8, 4, 2, 1, 0, 0),
)


def seed(
    engine: Engine,
    staff: Mapping[str, str],
    queues: Sequence[str],
    first: datetime,
    days: int,
    calls_a_day: int,
    rng: random.Random,
) -> None:
    """``staff``: managers and their queues."""
    found: list[CallFact] = []
    for day in range(days):
        begin = first + timedelta(days=day)
        weekend = (begin + timedelta(hours=12)).weekday() >= 5
        for _ in range(calls_a_day // 5 if weekend else calls_a_day):
            hour = rng.choices(range(24), _HOUR_WEIGHTS)[0]
            at = begin + timedelta(hours=hour, seconds=rng.randrange(3600))
            found.append(_call(f"c{len(found):06}", at, staff, queues, rng))
    found.sort(key=lambda one: one.began_ms)
    states = _states(staff, first, days, rng)
    with engine.begin() as connection:
        for begin_ in range(0, len(found), 2000):
            some = found[begin_ : begin_ + 2000]
            connection.execute(insert(call_facts), [one.row() for one in some])
            connection.execute(insert(calls), [_row(one) for one in some])
        know_all(connection)
        if states:
            connection.execute(insert(agent_states), states)
        day_numbers = {one.began_ms // (DAY_S * 1000) for one in found}
        day_numbers |= {int(one["started_at"].timestamp()) // DAY_S for one in states}
        connection.execute(
            insert(fact_days),
            [
                {"kind": kind, "day": day, "version": 1}
                for kind in ("calls", "states")
                for day in sorted(day_numbers)
            ],
        )


def _call(
    call_id: str,
    at: datetime,
    staff: Mapping[str, str],
    queues: Sequence[str],
    rng: random.Random,
) -> CallFact:
    did = rng.choices(list(_SOURCES), (5, 3, 2))[0]
    outcome = rng.choices(
        ("answered", "abandoned_waiting", "abandoned_in_menu", "voicemail"), (78, 11, 8, 3)
    )[0]
    queue = "" if outcome == "abandoned_in_menu" else rng.choice(queues)
    wait_ms = 0 if not queue else round(rng.expovariate(1 / 14_000))
    talk_ms = 0
    agent = ""
    parts: tuple[Part, ...] = ()
    able = [one for one, theirs in staff.items() if theirs == queue] or list(staff)
    if queue and rng.random() < 0.2:
        parts = (Part(rng.choice(able), "no_answer", 15_000, 0, 0),)
    if outcome == "answered":
        agent = rng.choice(able)
        talk_ms = round(rng.expovariate(1 / 160_000)) + 4_000
        parts = (*parts, Part(agent, "answered", 5_000, talk_ms, rng.randrange(40_000)))
    began = milliseconds(at)
    returning = rng.random() < 0.35
    return CallFact(
        call_id,
        began,
        began + 12_000 + wait_ms + talk_ms,
        did,
        _SOURCES[did],
        queue,
        agent,
        outcome,
        rng.choice(("welcome 1", "welcome 2 › service 1", "welcome 3")),
        "longest-idle" if queue else "",
        rng.choice(("RU 495", "RU 812", "RU", "RU 343", "KZ")),
        "returning" if returning else "new",
        outcome == "abandoned_waiting" and wait_ms < 5000,
        bool(queue),
        rng.randrange(200_000) if returning else None,
        None,
        wait_ms,
        talk_ms,
        int(rng.random() < 0.07),
        rng.choice(("manager", "client", "open")) if outcome == "abandoned_waiting" else "",
        None,
        parts,
    )


def _row(fact: CallFact) -> dict[str, Any]:
    return {
        "call_id": fact.call_id,
        "started_at": datetime.fromtimestamp(fact.began_ms / 1000, UTC),
        "ended_at": datetime.fromtimestamp(fact.ended_ms / 1000, UTC),
        "did": fact.did,
        "number": f"+7916{int(fact.call_id[1:]) % 9000:07}",
        "number_raw": "",
        "name": "",
        "source": fact.source,
        "language": "ru",
        "outcome": fact.outcome,
        "short": fact.short,
        "wait_s": fact.wait_ms / 1000,
        "talk_s": fact.talk_ms / 1000,
        "queue": fact.queue or None,
        "agent": fact.agent or None,
        "menu_path": fact.menu,
        "reconstructed": False,
    }


def _states(
    staff: Mapping[str, str], first: datetime, days: int, rng: random.Random
) -> list[dict[str, Any]]:
    """Each manager is free, talking, in wrap-up and paused in turn, through each working day."""
    found: list[dict[str, Any]] = []
    for agent in staff:
        for day in range(days):
            at = first + timedelta(days=day, hours=9)
            end = at + timedelta(hours=9)
            while at < end:
                for state, mean_s in (
                    ("free", 900),
                    ("talking", 700),
                    ("wrap_up", 120),
                    ("paused", 300),
                ):
                    until = at + timedelta(seconds=round(rng.expovariate(1 / mean_s)) + 1)
                    found.append(
                        {
                            "interval_id": f"s{len(found)}",
                            "agent": agent,
                            "state": state,
                            "reason": "",
                            "call_id": None,
                            "started_at": at,
                            "ended_at": until,
                        }
                    )
                    at = until
    return found
