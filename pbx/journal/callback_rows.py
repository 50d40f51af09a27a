"""Rows of callbacks that the engine makes by itself."""

from __future__ import annotations

from datetime import datetime

from pbx.journal import port
from pbx.journal.change import Change, Changed, Value, added, text
from pbx.journal.tables import callback_tasks

Entry = port.CallbackOpened | port.CallbackDialled | port.CallbackPut | port.CallbackClosed


def rows(entry: Entry, at: datetime) -> list[Change]:
    """What the entry means to the table."""
    match entry:
        case port.CallbackOpened():
            return [_opened(entry, at)]
        case port.CallbackDialled(callback_id, call_id, attempt):
            mark = {"dialled_at": at, "dialled_call": call_id, "attempts": attempt}
            return [_changed(callback_id, mark)]
        case port.CallbackPut(callback_id, next_at, reason):
            put = {"next_at": next_at, "reason": text(reason), "dialled_call": None}
            return [_changed(callback_id, put)]
        case port.CallbackClosed(callback_id, result):
            return [_changed(callback_id, {"closed_at": at, "result": result})]


def _opened(entry: port.CallbackOpened, at: datetime) -> Change:
    return added(
        callback_tasks,
        callback_id=entry.callback_id,
        call_id=entry.call_id,
        number=entry.number,
        queue=entry.queue_id,
        did=entry.did,
        name=entry.name,
        language=entry.language,
        needs=[list(need) for need in entry.needs],
        priority=entry.priority,
        since=entry.since,
        missed=entry.missed,
        opened_at=at,
        attempts=0,
        dialled_at=None,
        dialled_call=None,
        next_at=None,
        reason=None,
        closed_at=None,
        result=None,
    )


def _changed(callback_id: str, values: dict[str, Value]) -> Change:
    return Changed(callback_tasks, "callback_id", callback_id, values)
