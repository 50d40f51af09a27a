"""Pauses as they are asked for through the control socket (``pbx pause``, the page)."""

from __future__ import annotations

import structlog

from pbx.control import Request
from pbx.engine.loop import EngineLoop
from pbx.errors import ControlError
from routing.values import AgentId

_log = structlog.get_logger(__name__)

LONGEST_REASON = 100
"""Of a pause's reason, characters."""


def answer_pause(engine: EngineLoop | None, request: Request, author: str) -> dict[str, object]:
    """``pause`` (``agent``, ``reason``) and ``unpause`` (``agent``); replies the manager's
    ``state``: in a talk a pause begins when it is over.  Raises ControlError."""
    agent = request.get("agent")
    if not isinstance(agent, str):
        raise ControlError("a pause needs an agent")
    if engine is None:
        raise ControlError("another engine leads")
    agent_id = AgentId(agent)
    if request.get("command") == "pause":
        reason = _reason(request.get("reason"))
        known = engine.pause(agent_id, reason, author)
        _log.info("paused", by=author, agent=agent, reason=reason, known=known)
    else:
        known = engine.unpause(agent_id, author)
        _log.info("unpaused", by=author, agent=agent, known=known)
    state = engine.core.dispatcher.agent_state(agent_id)
    if not known or state is None:
        raise ControlError(f"no manager {agent!r} is in the plan")
    return {"agent": agent, "state": state.value}


def _reason(given: object) -> str:
    """Raises ControlError."""
    reason = given.strip() if isinstance(given, str) else ""
    if not reason or len(reason) > LONGEST_REASON or not reason.isprintable():
        raise ControlError(f"a pause needs a reason of up to {LONGEST_REASON} characters")
    return reason
