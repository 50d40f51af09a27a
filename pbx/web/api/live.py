"""What goes on now, for programs: once, or as it changes."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse

from pbx.web.access import Principal, Scope, needs, still_signed_in
from pbx.web.live import EventStream
from pbx.web.state import State

router = APIRouter(tags=["live"])
Viewer = Annotated[Principal, Depends(needs(Scope.LIVE_READ))]

_STATE: dict[str, Any] = {
    "type": "snapshot",
    "at": "2026-11-18T11:06:40.123Z",
    "ready": True,
    "agents": [
        {
            "id": "ivanov",
            "name": "Иван Иванов",
            "department": "sales",
            "state": "talking",
            "reason": "",
            "since": "2026-11-18T11:05:02.004Z",
            "call_id": "1795000000.7",
            "reachable": True,
            "queues": ["sales"],
        }
    ],
    "queues": [
        {
            "id": "sales",
            "name": "Продажи",
            "waiting": 1,
            "longest_since": "2026-11-18T11:06:11.560Z",
            "free": 0,
            "on_duty": 1,
        }
    ],
    "calls": [
        {
            "id": "1795000000.9",
            "did": "+78005550100",
            "number": "+79161234567",
            "name": "",
            "stage": "waiting",
            "since": "2026-11-18T11:06:11.560Z",
            "started_at": "2026-11-18T11:05:58.101Z",
            "waiting_since": "2026-11-18T11:06:11.560Z",
            "queue": "sales",
            "agent": None,
            "agents_rung": [],
            "node": "welcome",
            "source": "site",
            "origin": "client",
        }
    ],
    "today": None,
}
_EVENTS = (
    'event: snapshot\ndata: {"type":"snapshot","at":"2026-11-18T11:06:40.123Z",...}\n\n'
    'event: change\ndata: {"type":"change","at":"2026-11-18T11:06:40.223Z","agents":[],'
    '"queues":[],"calls":[],"gone":["1795000000.9"]}\n\n'
    'event: alive\ndata: {"at":"2026-11-18T11:06:45.223Z"}\n\n'
)


@router.get(
    "/live",
    summary="What goes on, as it changes",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `snapshot` first, then `change`; `alive` when "
            "nothing changes for 5 seconds, `away` while the engine is not there. The stream ends "
            "after 5 minutes: open it again. docs/live.md tells every key.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EVENTS}},
        },
        429: {"description": "The token asks too often, or too many look at it."},
    },
)
async def events(request: Request, principal: Viewer, state: State) -> EventStream:
    """Calls, managers, queues and the day's figures, filtered by what the token may see."""
    return EventStream(state.live.admit(principal, partial(still_signed_in, request)))


@router.get(
    "/live/state",
    summary="What goes on now",
    response_class=JSONResponse,
    responses={
        200: {
            "content": {"application/json": {"schema": {"type": "object"}, "example": _STATE}},
        },
        503: {"description": "The engine is not there."},
    },
)
async def now(principal: Viewer, state: State) -> JSONResponse:
    """The same as the first event of `/live`."""
    shown = state.live.snapshot(principal)
    if shown is None:
        raise HTTPException(503, "the engine is not there")
    return JSONResponse(shown)
