"""Reports worked out the slow way, from the log's own rows, one call after another.

Nothing of pbx/reports is used: what both say alike is said twice.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Engine, select

from pbx.journal.tables import agent_states, calls, legs, missed
from pbx.numbers import region_of

Row = dict[str, Any]
Value = float | int | None
_RESULTS = (
    *("answered", "no_answer", "rejected", "busy"),
    *("failed", "answered_elsewhere", "cancelled"),
)


class Brute:
    """All rows of a log."""

    def __init__(self, engine: Engine, zone: tzinfo, departments: Mapping[str, str]) -> None:
        self._zone = zone
        self._departments = departments
        with engine.connect() as connection:
            tables = [
                [dict(row._mapping) for row in connection.execute(select(table))]
                for table in (calls, legs, agent_states, missed)
            ]
        self._calls, self._legs, self._states, self._missed = tables
        self.calls = [self._call(row) for row in self._calls if row["ended_at"] is not None]
        self.parts = [part for call in self.calls for part in self._parts(call)]

    def _when(self, at: datetime) -> Row:
        local = at.astimezone(self._zone)
        year, week, _ = local.isocalendar()
        return {
            "hour": f"{local.hour:02}",
            "weekday": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][local.weekday()],
            "day": str(local.date()),
            "week": f"{year}-W{week:02}",
            "month": str(local.date())[:7],
        }

    def _call(self, row: Row) -> Row:
        same = [
            one
            for one in self._calls
            if row["number"] and one["number"] == row["number"] and one is not row
        ]
        before = [one["started_at"] for one in same if one["started_at"] <= row["started_at"]]
        after = [one["started_at"] for one in same if one["started_at"] >= row["started_at"]]
        mine = [one for one in self._legs if one["call_id"] == row["call_id"]]
        rung = [one for one in mine if one["kind"] in ("device", "outside")]
        task = next((one for one in self._missed if one["task_id"] == row["call_id"]), None)
        region = region_of(row["number"]) if row["number"] else ""
        return row | self._when(row["started_at"]) | {
            "at": row["started_at"],
            "number": row["did"],
            "source": row["source"] or "none",
            "queue": row["queue"] or "none",
            "manager": row["agent"] or "none",
            "department": self._departments.get(row["agent"], "none"),
            "caller": ("returning" if before else "new") if row["number"] else "withheld",
            "outcome": row["outcome"],
            "menu": row["menu_path"] or "none",
            "strategy": row["strategy"] or "none",
            "region": region or "none",
            "country": region.split(" ")[0] or "none",
            "before": max(before, default=None),
            "after": min(after, default=None),
            "reached": row["queue"] is not None or bool(rung),
            "rung": rung,
            "transfers": sum(one["kind"] == "transfer" for one in mine),
            "task": task,
        }  # fmt: skip

    def _parts(self, call: Row) -> list[Row]:
        found = []
        pairs = {(one["offer_id"], one["agent"]) for one in call["rung"]}
        for offer, agent in pairs:
            phones = [
                one for one in call["rung"] if (one["offer_id"], one["agent"]) == (offer, agent)
            ]
            talked = any(one["joined_at"] for one in phones)
            wraps = [
                one["ended_at"] - one["started_at"]
                for one in self._states
                if one["state"] == "wrap_up"
                and one["call_id"] == call["call_id"]
                and one["agent"] == agent
                and one["ended_at"]
            ]
            part = {
                "manager": agent or "none",
                "department": self._departments.get(agent, "none"),
                "result": min((one["disposition"] for one in phones), key=_RESULTS.index),
                "talk": sum(one["talk_s"] for one in phones),
                "wrap": sum(wraps, timedelta()).total_seconds() if talked else 0.0,
            }
            found.append(call | part)
        return found

    def _pieces(self, since: datetime, until: datetime, now: datetime) -> list[Row]:
        """Managers' states, cut to the period and at every quarter of an hour."""
        found = []
        for row in self._states:
            at = max(row["started_at"], since)
            end = min(row["ended_at"] or now, until, now)
            while at < end:
                quarter = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
                stop = min(end, quarter + timedelta(minutes=15))
                found.append(
                    self._when(at)
                    | {
                        "manager": row["agent"],
                        "department": self._departments.get(row["agent"], "none"),
                        "state": row["state"],
                        "length": stop - at,
                    }
                )
                at = stop
        return found

    def report(
        self,
        since: datetime,
        until: datetime,
        by: Sequence[str],
        where: Mapping[str, Sequence[str]],
        now: datetime,
        within_s: float,
    ) -> dict[tuple[str, ...], dict[str, Value]]:
        """All measures of every group; () for the total."""

        def fits(row: Row) -> bool:
            return all(row[name] in labels for name, labels in where.items())

        def groups(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
            found: dict[tuple[str, ...], list[Row]] = {}
            for row in rows:
                found.setdefault(tuple(row[name] for name in by), []).append(row)
            return found

        some = [one for one in self.calls if since <= one["at"] < until and fits(one)]
        parts = [one for one in self.parts if since <= one["at"] < until and fits(one)]
        kinds: list[tuple[list[Row], Callable[[Sequence[Row]], dict[str, Value]]]] = [
            (some, lambda rows: _of_calls(rows, now, within_s)),
            (parts, _of_parts),
        ]
        if not {*by, *where} - {"manager", "department", "hour", "weekday", "day", "week", "month"}:
            kinds.append(
                ([one for one in self._pieces(since, until, now) if fits(one)], _of_states)
            )
        grouped = [(groups(rows), count) for rows, count in kinds]
        keys = {key for found, _ in grouped for key in found}
        result = {
            key: {
                name: value
                for found, count in grouped
                for name, value in count(found.get(key, [])).items()
            }
            for key in keys
        }
        return result | {
            ("total",): {
                name: value for rows, count in kinds for name, value in count(rows).items()
            }
        }


def _of_calls(rows: Sequence[Row], now: datetime, within_s: float) -> dict[str, Value]:
    answered = [one for one in rows if one["outcome"] == "answered"]
    left = [one for one in rows if one["outcome"] == "abandoned_waiting"]
    short = [one for one in left if one["short"]]
    offered = [one for one in rows if one["reached"] and one not in short]
    within = [one for one in answered if one["wait_s"] <= within_s]
    waits = sorted(one["wait_s"] for one in answered)
    week, day = timedelta(days=7), timedelta(days=1)
    again, silent = [], []
    for one in answered:
        if one["number_raw"] == "":
            continue
        if one["after"] is not None and one["after"] - one["ended_at"] <= week:
            again.append(one)
        elif _floor(one["ended_at"]) + week <= _floor(now):
            silent.append(one)
    classes: dict[str, int] = dict.fromkeys(("client", "quick", "day", "never", "undecided"), 0)
    backs = []
    for one in rows:
        task = one["task"]
        if task is None:
            continue
        how = task["closed_how"]
        if how == "manager":
            back = task["closed_at"] - task["opened_at"]
            backs.append(math.floor(back.total_seconds()))
            soon = backs[-1] <= 1200
            classes["quick" if soon else "day" if backs[-1] <= 86400 else "never"] += 1
        elif how == "client":
            classes["client"] += 1
        else:
            open_yet = how is None and _floor(one["ended_at"]) + day > _floor(now)
            classes["undecided" if open_yet else "never"] += 1
    reached = [one["wait_s"] for one in rows if one["reached"]]
    return {
        "offered": len(rows),
        "answered": len(answered),
        "lost_in_menu": _how_many(rows, "abandoned_in_menu"),
        "lost_waiting": len(left) - len(short),
        "lost_short": len(short),
        "overflow": _how_many(rows, "overflow"),
        "voicemail": _how_many(rows, "voicemail"),
        "rejected": _how_many(rows, "rejected"),
        "failed": _how_many(rows, "failed"),
        "lost_share": _ratio(len(left) - len(short), len(offered)),
        "service_level_of_answered": _ratio(len(within), len(answered)),
        "service_level_of_offered": _ratio(len(within), len(offered)),
        "asa_s": statistics.fmean(waits) if waits else None,
        "wait_p50_s": _nearest(waits, 50),
        "wait_p90_s": _nearest(waits, 90),
        "wait_p95_s": _nearest(waits, 95),
        "longest_wait_s": max(reached, default=None),
        "transferred": sum(one["transfers"] > 0 for one in rows),
        "repeated": sum(
            (one["at"] - one["before"]) // timedelta(seconds=1) <= 86400
            for one in rows
            if one["before"] is not None
        ),
        "first_call_resolution": _ratio(len(silent), len(silent) + len(again)),
        "missed": sum(classes.values()),
        "missed_got_through": classes["client"],
        "missed_within_20_min": classes["quick"],
        "missed_within_day": classes["day"],
        "missed_never": classes["never"],
        "missed_undecided": classes["undecided"],
        "callback_p50_s": _nearest(sorted(backs), 50),
        "busiest": max(
            (sum(_on(two, _floor(one["at"])) for two in rows) for one in rows), default=0
        ),
    }  # fmt: skip


def _of_parts(rows: Sequence[Row]) -> dict[str, Value]:
    managers = [one for one in rows if one["manager"] != "none"]
    taken = [one for one in rows if one["result"] == "answered"]
    talk = sum(one["talk"] for one in taken)
    rang_out = _results(managers, "no_answer")
    return {
        "rung": len(managers),
        "taken": _results(managers, "answered"),
        "no_answer": rang_out,
        "declined": _results(managers, "rejected"),
        "no_answer_share": _ratio(rang_out, len(managers)),
        "talk_s": talk,
        "att_s": _ratio(talk, len(taken)),
        "aht_s": _ratio(talk + sum(one["wrap"] for one in taken), len(taken)),
    }


def _of_states(rows: Sequence[Row]) -> dict[str, Value]:
    def length(*states: str) -> float:
        found = (one["length"] for one in rows if one["state"] in states)
        return sum(found, timedelta()).total_seconds()

    busy, ready = length("talking", "wrap_up"), length("free", "reserved", "ringing")
    return {
        "occupancy": _ratio(busy, busy + ready),
        "busy_s": busy,
        "ready_s": ready,
        "paused_s": length("paused"),
    }


def _how_many(rows: Sequence[Row], outcome: str) -> int:
    return sum(one["outcome"] == outcome for one in rows)


def _results(rows: Sequence[Row], result: str) -> int:
    return sum(one["result"] == result for one in rows)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _nearest(values: Sequence[float], percent: int) -> float | None:
    return values[max(1, math.ceil(len(values) * percent / 100)) - 1] if values else None


def _floor(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(microsecond=0)


def _on(call: Row, at: datetime) -> bool:
    begin = _floor(call["at"])
    return begin <= at < max(_floor(call["ended_at"]), begin + timedelta(seconds=1))
