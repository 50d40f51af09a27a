"""The last half hour of a busy company's log: all that a start looks at."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Engine, insert

from pbx.journal import tables
from pbx.switch.port import UNSEEN

BUSY = timedelta(minutes=29)
PEOPLE = 50


def fill(log: Engine, calls: int, now: datetime, *, crashed: bool = False) -> None:
    """Add so many calls of ``PEOPLE`` numbers, answered; or each of a number of its own, such that
    a crash left open and the start has closed."""
    rows: dict[str, list[dict[str, object]]] = {}
    for n in range(calls):
        began, call_id = now - BUSY + n * (BUSY / calls), f"busy{n:06}"
        ended = began + timedelta(seconds=20)
        rows.setdefault("calls", []).append(
            {
                **dict.fromkeys(("did", "name", "source", "language", "menu_path"), ""),
                "call_id": call_id,
                "started_at": began,
                "ended_at": ended,
                "number": _number(n if crashed else n % PEOPLE),
                "number_raw": "",
                "outcome": "failed" if crashed else "answered",
                "cause": UNSEEN if crashed else "16",
                "short": False,
                "reconstructed": crashed,
            }
        )
        if crashed:
            continue
        rows.setdefault("waits", []).append(
            {
                "wait_id": call_id,
                "call_id": call_id,
                "queue": "sales",
                "position": 1,
                "priority": 0,
                "started_at": began,
                "ended_at": ended,
                "reason": "joined",
            }
        )
        rows.setdefault("offers", []).append(
            {
                **dict.fromkeys(("row_id", "offer_id", "call_id"), call_id),
                **dict.fromkeys(("strategy", "why"), ""),
                "queue": "sales",
                "chosen": ["anna"],
                "left_out": [],
                "at": began,
                "ended_at": ended,
                "result": "joined",
            }
        )
        rows.setdefault("agent_states", []).append(
            {
                "interval_id": call_id,
                "agent": "anna",
                "state": "free",
                "reason": "",
                "started_at": began,
                "ended_at": began + BUSY / calls,
            }
        )
        rows.setdefault("legs", []).append(
            {
                "leg_id": call_id,
                "call_id": call_id,
                "kind": "device",
                "agent": "anna",
                "address": "",
                "started_at": began,
                "joined_at": began,
                "ended_at": ended,
                "talk_s": 20.0,
            }
        )
    with log.begin() as connection:
        for name, some in rows.items():
            connection.execute(insert(tables.metadata.tables[name]), some)


def _number(n: int) -> str:
    return f"+7916{n:07}"
