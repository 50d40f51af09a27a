"""The wallboard: what goes on now, and a word to a manager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse

from pbx.errors import ControlError
from pbx.web.access import Forbidden, Principal, Role, Scope, needs, still_signed_in
from pbx.web.html import page, texts_of
from pbx.web.live import EventStream
from pbx.web.state import State

router = APIRouter()
Viewer = Annotated[Principal, Depends(needs(Scope.LIVE_READ))]
LONGEST_REASON = 60


@router.get("/", response_class=HTMLResponse)
async def wall(request: Request, principal: Viewer) -> HTMLResponse:
    """What goes on now."""
    script = {
        "texts": texts_of(request).some(("wall.", "live.")),
        "may_pause": may_pause(principal),
        "may_calls": principal.may(Scope.CALLS_READ),
        "everything": principal.sees_everything(),
        "sees_menu": principal.role is not Role.MANAGER,
    }
    return page(request, "wall.html", principal, script=script)


@router.get("/live/events")
async def events(request: Request, principal: Viewer, state: State) -> EventStream:
    """What the pages are told, for as long as they look."""
    return EventStream(state.live.admit(principal, partial(still_signed_in, request)))


@router.post("/live/pause")
async def pause(
    state: State,
    principal: Annotated[Principal, Depends(needs(Scope.MANAGERS_WRITE))],
    agent: Annotated[str, Form(max_length=200)],
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
    resume: Annotated[bool, Form()] = False,
) -> JSONResponse:
    """A supervisor sends a manager into a pause, or back to work."""
    if not (may_pause(principal) and principal.sees_agent(agent)):
        raise Forbidden
    return await pause_asked(state, principal, agent, reason, resume)


async def pause_asked(
    state: State, principal: Principal, agent: str, reason: str, resume: bool
) -> JSONResponse:
    """Asked of the engine, and on record when it has done so."""
    asked: dict[str, object] = {"agent": agent, "by": principal.name}
    if resume:
        done = partial(state.audit_done, principal, "unpaused", agent)
        return await told(state, {**asked, "command": "unpause"}, done)
    reason = reason.strip()
    done = partial(state.audit_done, principal, "paused", agent, {"reason": reason})
    return await told(state, {**asked, "command": "pause", "reason": reason}, done)


async def told(
    state: State, asked: Mapping[str, object], done: Callable[[], Awaitable[None]] | None = None
) -> JSONResponse:
    """The engine's reply to a script; 409: it refuses, or is not there.  Its words may name a file:
    they stay with us.  ``done``: what follows when it has done as asked."""
    try:
        reply = await state.control.ask(dict(asked))
    except ControlError:
        return JSONResponse({"ok": False}, 409)
    if done is not None:
        await done()
    return JSONResponse(reply)


def may_pause(principal: Principal) -> bool:
    """Whether they send others into a pause; a manager does so on their own page."""
    return principal.role is not Role.MANAGER and principal.may(Scope.MANAGERS_WRITE)
