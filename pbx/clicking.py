"""Click-to-call as it is asked for through the control socket (``pbx click``)."""

from __future__ import annotations

import structlog

from pbx.control import Request
from pbx.engine.loop import EngineLoop
from pbx.errors import ControlError
from routing.values import AgentId

_log = structlog.get_logger(__name__)


async def answer_click(
    engine: EngineLoop | None, request: Request, author: str
) -> dict[str, object]:
    """``agent`` and ``number``; replies ``result``, a ``ClickResult``.  Raises ControlError for a
    request that is none."""
    agent, number = request.get("agent"), request.get("number")
    if not isinstance(agent, str) or not isinstance(number, str):
        raise ControlError("a click needs an agent and a number")
    if engine is None:
        raise ControlError("another engine leads")
    result = await engine.click_to_call(AgentId(agent), number)
    _log.info("click_to_call", by=author, agent=agent, result=result.value)
    return {"result": result.value, "accepted": result.accepted}
