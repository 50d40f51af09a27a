"""What people say of missed calls through the control socket (the page)."""

from __future__ import annotations

import structlog

from pbx.control import Request
from pbx.errors import ControlError
from pbx.missed.service import MissedService

_log = structlog.get_logger(__name__)

LONGEST_REASON = 200
"""Of a closing's reason, characters."""


async def answer_missed(service: MissedService, request: Request, author: str) -> dict[str, object]:
    """``missed_close`` (``task``, ``reason`` if there is one) and ``missed_reopen`` (``task``);
    replies the task's ``number`` and ``calls``.  Raises ControlError, JournalError."""
    task_id, reason = request.get("task"), request.get("reason", "")
    if not isinstance(task_id, str) or not isinstance(reason, str):
        raise ControlError("which task? and a reason is a text")
    if request.get("command") == "missed_close":
        task = await service.close(task_id, author, reason.strip()[:LONGEST_REASON])
    else:
        task = await service.reopen(task_id, author)
    _log.info("missed_by_hand", what=request.get("command"), by=author, task=task_id)
    return {"task": task.task_id, "number": task.number, "calls": task.calls}
