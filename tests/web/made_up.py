"""A live state that a test makes up, and an engine that answers as it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pbx.errors import ControlError
from pbx.live.figures import Calls, Missed, day
from pbx.live.rows import stamp
from pbx.web.access import SCOPES, Kind, Principal, Role

QUEUES = {"sales": "Продажи", "support": "Поддержка"}


def ago(seconds: float) -> str:
    return stamp(datetime.now(UTC) - timedelta(seconds=seconds)) or ""


def agent(
    agent_id: str, name: str, department: str = "Отдел продаж", state: str = "free", **more: Any
) -> dict[str, Any]:
    return {
        "id": agent_id,
        "name": name,
        "department": department,
        "state": state,
        "reason": "",
        "pause": None,
        "since": ago(65),
        "call_id": None,
        "reachable": True,
        "queues": ["sales"],
        **more,
    }


def call(call_id: str, stage: str, seconds: float = 5, **more: Any) -> dict[str, Any]:
    waits = stage in ("waiting", "ringing")
    return {
        "id": call_id,
        "did": "+78005550100",
        "number": "+79161234567",
        "name": "Иван",
        "stage": stage,
        "since": ago(seconds),
        "started_at": ago(seconds + 5),
        "waiting_since": ago(seconds) if waits else None,
        "queue": None if stage == "menu" else "sales",
        "agent": None,
        "agents_rung": [],
        "node": "welcome",
        "source": "Сайт",
        "origin": "client",
        **more,
    }


def queue(queue_id: str, waiting: int = 0, longest: float | None = None) -> dict[str, Any]:
    return {
        "id": queue_id,
        "name": QUEUES[queue_id],
        "waiting": waiting,
        "longest_since": None if longest is None else ago(longest),
        "free": 1,
        "on_duty": 2,
    }


TODAY = day(
    {"sales": Calls(20, 15, 4, 1, 12, 19, 93.0)},
    [Missed("sales", None, 3, ago(2 * 3600 + 60))],
)


def whole(
    agents: list[dict[str, Any]], calls: list[dict[str, Any]], queues: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "type": "snapshot",
        "at": ago(0),
        "ready": True,
        "agents": agents,
        "queues": queues,
        "calls": calls,
        "today": TODAY,
    }


def change(**rows: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {"agents": [], "queues": [], "calls": [], "gone": []}
    return {"type": "change", "at": ago(0), **nothing, **rows}


ANNA = agent("anna", "Анна Ким")
BORIS = agent("boris", "Борис Лу", "Поддержка", "paused", reason="Обед", since=ago(600))
FIRST = whole([ANNA, BORIS], [], [queue("sales"), queue("support")])


class Asked:
    """Stands for the engine's control socket."""

    def __init__(self) -> None:
        self.requests: list[dict[str, object]] = []
        self.reply: dict[str, Any] | None = {"ok": True, "state": "paused"}

    async def ask(self, request: dict[str, object]) -> dict[str, Any]:
        self.requests.append(request)
        if self.reply is None:
            raise ControlError("/var/lib/voronka/control.sock: no engine listens")
        return self.reply


def who(role: Role, *departments: str, agent_id: str | None = None) -> Principal:
    return Principal(Kind.USER, "maria", role, frozenset(departments), agent_id, SCOPES[role])
