"""A log of years, made in seconds: calls, legs, waits, managers' states, stages, calls' facts.

The facts are made of the same numbers as the rows; up to a million legs the bench proves that
they are what pbx/reports would have made of the rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Table

from pbx.journal import tables
from pbx.numbers import region_of
from pbx.reports.book import DAY_MS
from pbx.reports.facts import RESOLVED_WITHIN

DAYS = 600
BEGAN = datetime(2025, 1, 1, tzinfo=UTC)
LEGS_A_CALL = 2.9
_OUTCOMES = ("answered", "abandoned_waiting", "abandoned_in_menu")
_SHARES = (0.72, 0.15, 0.13)
_PREFIXES = ("+7916", "+7495", "+7812", "+4930", "+7903", "+7343", "+77272", "+4989")
_MENUS = tuple(f"main › {key} › {word}" for key in "123456" for word in ("sales", "help", "order"))
_EPOCH_MS = int(BEGAN.timestamp()) * 1000
_AT_ONCE = 50_000
_STAGES = ("qualified", "meeting", "need", "invoice", "payment", "delivery", "repeat-order")
_PASSED = (0.86, 0.05, 0.03, 0.02, 0.015, 0.01, 0.01, 0.005)
"""Which part of the calls goes no further, so far, and so on."""
_FACT_COLUMNS = 22


@dataclass(frozen=True, slots=True)
class Sizes:
    """What was made."""

    calls: int
    legs: int
    states: int
    events: int


def fill(path: Path, legs: int) -> Sizes:
    """Fill the empty log at ``path`` with about so many legs."""
    calls = round(legs / LEGS_A_CALL)
    made = _Made(calls)
    with closing(sqlite3.connect(path, isolation_level=None)) as log:
        log.execute("PRAGMA synchronous = OFF")
        indexes = log.execute(
            "select name, sql from sqlite_master where type = 'index' and sql is not null"
        ).fetchall()
        for name, _ in indexes:
            log.execute(f"drop index {name}")
        log.execute("begin")
        number_of_legs = number_of_states = number_of_events = 0
        for begin in range(0, calls, _AT_ONCE):
            some = range(begin, min(begin + _AT_ONCE, calls))
            rows = made.rows(some)
            _insert(log, tables.calls, 20, rows.calls)
            _insert(log, tables.legs, 16, rows.legs)
            _insert(log, tables.agent_states, 7, rows.states)
            _insert(log, tables.call_facts, _FACT_COLUMNS, rows.facts)
            _insert(log, tables.waits, 9, rows.waits)
            _insert(log, tables.stage_events, 11, rows.events)
            number_of_legs += len(rows.legs)
            number_of_states += len(rows.states)
            number_of_events += len(rows.events)
        log.executemany("insert into contacts (subject) values (?)", made.subjects())
        first = _EPOCH_MS // DAY_MS
        days = [
            (kind, day, 1)
            for kind in ("calls", "states", "stages")
            for day in range(first, first + DAYS + 60)
        ]
        _insert(log, tables.fact_days, 3, days)
        log.execute("commit")
        for _, sql in indexes:
            log.execute(sql)
        # No statistics: the product's log has none either.
    return Sizes(calls, number_of_legs, number_of_states, number_of_events)


def _insert(log: sqlite3.Connection, table: Table, columns: int, rows: Iterable[Any]) -> None:
    """Rows of the first so many columns; the rest is left open."""
    names = ", ".join(table.columns.keys()[:columns])
    log.executemany(f"insert into {table} ({names}) values ({', '.join('?' * columns)})", rows)


@dataclass(slots=True)
class _Rows:
    calls: list[tuple[Any, ...]]
    legs: list[tuple[Any, ...]]
    states: list[tuple[Any, ...]]
    waits: list[tuple[Any, ...]]
    events: list[tuple[Any, ...]]
    facts: list[tuple[Any, ...]]


class _Made:
    """Calls as numbers."""

    def __init__(self, calls: int) -> None:
        rng = np.random.default_rng(1)
        # A working day of ten hours, in milliseconds.
        day = rng.integers(0, DAYS, calls)
        began = day * DAY_MS + 6 * 3_600_000 + rng.integers(0, 10 * 3_600_000, calls)
        self.began: list[int] = (np.sort(began) + _EPOCH_MS).tolist()
        people = max(10, min(calls // 3, 500_000))
        self.numbers = [
            f"{_PREFIXES[n % len(_PREFIXES)]}{1_000_000 + n * 7}" for n in range(people)
        ]
        self.regions = [region_of(one) for one in self.numbers]
        who = rng.integers(0, people, calls)
        self.who: list[int] = who.tolist()
        self.outcome: list[int] = rng.choice(3, calls, p=_SHARES).tolist()
        self.queue: list[int] = rng.integers(0, 10, calls).tolist()
        self.did: list[int] = rng.integers(0, 8, calls).tolist()
        self.menu: list[int] = rng.integers(0, len(_MENUS), calls).tolist()
        self.agent: list[int] = rng.integers(0, 100, calls).tolist()
        self.second: list[bool] = (rng.random(calls) < 0.4).tolist()
        self.wait: list[int] = (
            np.minimum(rng.exponential(18_000, calls), 600_000).astype(int).tolist()
        )
        self.talk: list[int] = (
            np.minimum(rng.exponential(140_000, calls), 3_600_000).astype(int).tolist()
        )
        self.wrap: list[int] = rng.integers(1, 30_000, calls).tolist()
        self.stages: list[int] = rng.choice(len(_STAGES) + 1, calls, p=_PASSED).tolist()
        self.before, self.after = _around(np.array(self.began), who)

    def subjects(self) -> Iterable[tuple[str]]:
        """Who has an id of their own."""
        called = sorted(set(self.who))
        return ((self.numbers[one],) for one in called)

    def rows(self, some: range) -> _Rows:
        rows = _Rows([], [], [], [], [], [])
        for n in some:
            self._call(n, rows)
        return rows

    def _call(self, n: int, rows: _Rows) -> None:
        call_id, began = f"c{n:09}", self.began[n]
        outcome = _OUTCOMES[self.outcome[n]]
        in_menu, answered = self.outcome[n] == 2, self.outcome[n] == 0
        wait = 0 if in_menu else self.wait[n]
        talk = self.talk[n] if answered else 0
        ended = began + 8_000 + wait + talk
        at, end = _text(began), _text(ended)
        number, region = self.numbers[self.who[n]], self.regions[self.who[n]]
        did = f"+7800555000{self.did[n]}"
        source = f"s{self.did[n] % 5}"
        queue = None if in_menu else f"q{self.queue[n]}"
        strategy = None if in_menu else "longest-idle"
        agent = f"m{self.agent[n]:02}" if answered else None
        menu = _MENUS[self.menu[n]]
        short = not answered and not in_menu and wait < 5_000
        rows.calls.append(
            (call_id, at, end, did, number, number, "", source, "ru", outcome, short,
             wait / 1000, talk / 1000, "16", "main", queue, strategy, agent, menu, False)
        )  # fmt: skip
        rows.legs.append(
            _leg(call_id, "in", "inbound", None, None, at, None, end, "answered", 0, talk)
        )
        parts = []
        if not in_menu:
            rung = _text(began + 8_000)
            left = _text(began + 8_000 + wait)
            why = "joined" if answered else "left"
            rows.waits.append((f"{call_id}w", call_id, queue, 1, 0, rung, left, wait / 1000, why))
            if self.second[n]:
                other = f"m{(self.agent[n] + 1) % 100:02}"
                rows.legs.append(
                    _leg(
                        call_id,
                        "1",
                        "device",
                        "o1",
                        other,
                        rung,
                        None,
                        rung,
                        "no_answer",
                        12_000,
                        0,
                    )
                )
                parts.append(f'["{other}","no_answer",12000,0,0]')
            who = f"m{self.agent[n]:02}"
            result = "answered" if answered else "cancelled"
            joined = _text(began + 8_000 + wait) if answered else None
            wrap = self.wrap[n] if answered else 0
            rows.legs.append(
                _leg(call_id, "2", "device", "o2", who, rung, joined, end, result, 5_000, talk)
            )
            parts.append(f'["{who}","{result}",5000,{talk},{wrap}]')
            if answered:
                rows.legs.append(
                    _leg(
                        call_id, "t", "bridge", None, who, joined, joined, end, "answered", 0, talk
                    )
                )
                over = _text(ended + wrap)
                rows.states += (
                    (f"{call_id}t", who, "talking", "joined", call_id, joined, end),
                    (f"{call_id}w", who, "wrap_up", "talk_ended", call_id, end, over),
                )
        for place, stage in enumerate(_STAGES[: self.stages[n] if answered else 0]):
            passed = _text(ended + place * 86_400_000 * 4)
            key = f"{call_id}/{stage}"
            rows.events.append(
                (key, key, stage, number, number, passed, passed, agent, source, call_id, "crm")
            )
        before, after = self.before[n], self.after[n]
        rows.facts.append(
            (call_id, began, ended, did, source, queue or "", agent or "", outcome, menu,
             strategy or "", region, "new" if before < 0 else "returning", short, not in_menu,
             None if before < 0 else before // 1000, _after_s(after, ended), wait, talk, 0, "",
             None, f"[{','.join(parts)}]")
        )  # fmt: skip


def _leg(
    call_id: str,
    name: str,
    kind: str,
    offer: str | None,
    agent: str | None,
    at: str | None,
    joined: str | None,
    end: str,
    result: str,
    ring: int,
    talk: int,
) -> tuple[Any, ...]:
    leg_id = f"{call_id}/{name}"
    offer_id = None if offer is None else f"{call_id}/{offer}"
    return (leg_id, call_id, kind, offer_id, None, agent, agent, "PJSIP/x", at, at, joined, end,
            result, "16", ring / 1000, talk / 1000)  # fmt: skip


def _around(began: Any, who: Any) -> tuple[list[int], list[int]]:
    """Since the call before of the same number (-1: none), and when the next one begins."""
    order = np.lexsort((began, who))
    times, same = began[order], who[order]
    gap = np.diff(times)
    again = np.diff(same) == 0
    before = np.full(len(began), -1)
    before[order[1:]] = np.where(again, gap, -1)
    after = np.full(len(began), -1)
    after[order[:-1]] = np.where(again, times[1:], -1)
    return before.tolist(), after.tolist()


def _after_s(after: int, ended: int) -> int | None:
    if after < 0 or after - ended > RESOLVED_WITHIN // timedelta(milliseconds=1):
        return None
    return max(0, (after - ended) // 1000)


def _text(ms: int) -> str:
    """As SQLite keeps times."""
    at = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{ms % 1000:03}000"
