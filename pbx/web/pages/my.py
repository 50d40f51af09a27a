"""A manager's own page: what they do, their calls and what came of them, whom they call back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from pbx.engine.clicks import ClickResult
from pbx.errors import ControlError
from pbx.funnel.telling import MANAGER, EventsRefused, Told, of_talk, record
from pbx.journal.queries import call_story
from pbx.pausing import LONGEST_REASON
from pbx.web.access import Forbidden, Principal, Role, Scope, needs
from pbx.web.call_words import Teller
from pbx.web.html import page, texts_of
from pbx.web.my_data import own_page, stages
from pbx.web.names import Names, stage_titles
from pbx.web.pages.calls import TONES
from pbx.web.pages.wall import pause_asked
from pbx.web.state import State, WebState
from pbx.web.words import Words
from routing.values import AgentId

router = APIRouter(prefix="/my")
Viewer = Annotated[Principal, Depends(needs(Scope.CALLS_READ))]
REASONS = ("lunch", "break", "meeting", "training")
"""Of a pause, to choose from; any other can be written."""


@dataclass(frozen=True, slots=True)
class Whose:
    """The manager whose page it is."""

    agent_id: str
    name: str
    department: str
    extension: str


@router.get("", response_class=HTMLResponse)
async def my(
    request: Request,
    state: State,
    principal: Viewer,
    agent: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """The page; a supervisor says whose."""
    names = Names(state.plan)
    choices = names.agents_for(principal) if principal.role is not Role.MANAGER else []
    key = agent or principal.agent_id
    if key is None:
        if not choices:
            raise HTTPException(404)
        return page(request, "my_choice.html", principal, choices=choices)
    whose = _whose(state, principal, key)
    t = texts_of(request)
    script = {
        "agent": whose.agent_id,
        "query": f"?agent={whose.agent_id}" if agent else "",
        "texts": t.some(("my.", "live.state.", "live.link.")),
    }
    return page(
        request,
        "my.html",
        principal,
        whose=whose,
        own=whose.agent_id == principal.agent_id,
        choices=choices,
        reasons=[t(f"my.reason.{one}") for one in REASONS],
        may_pause=principal.may(Scope.MANAGERS_WRITE),
        script=script,
        **await _parts(request, state, principal, whose),
    )


@router.get("/parts", response_class=HTMLResponse)
async def parts(
    request: Request,
    state: State,
    principal: Viewer,
    agent: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """What of it follows from the log: a script asks anew when something has happened."""
    whose = _whose(state, principal, agent or principal.agent_id)
    shown = await _parts(request, state, principal, whose)
    return page(request, "my_parts.html", principal, whose=whose, **shown)


@router.post("/pause")
async def pause(
    state: State,
    principal: Annotated[Principal, Depends(needs(Scope.MANAGERS_WRITE))],
    agent: Annotated[str, Form(max_length=200)],
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
    resume: Annotated[bool, Form()] = False,
) -> JSONResponse:
    """No calls, or calls again; after a talk ``resume`` ends the time for it early."""
    whose = _whose(state, principal, agent)
    return await pause_asked(state, principal, whose.agent_id, reason, resume)


@router.post("/call")
async def call(
    request: Request,
    state: State,
    principal: Annotated[Principal, Depends(needs(Scope.CLICK_WRITE))],
    agent: Annotated[str, Form(max_length=200)],
    number: Annotated[str, Form(max_length=40)],
) -> JSONResponse:
    """Their phone rings, then the client's; what came of the wish, in words."""
    whose = _whose(state, principal, agent)
    asked: dict[str, object] = {"command": "click", "agent": whose.agent_id, "number": number}
    asked["by"] = principal.name
    await state.audit(principal, "called", number, {"manager": whose.agent_id})
    try:
        result = ClickResult((await state.control.ask(asked))["result"])
    except ControlError:
        result = ClickResult.NOT_READY
    words = texts_of(request)(f"my.click.{result}")
    return JSONResponse({"ok": result.accepted, "words": words})


@router.post("/stage")
async def stage(
    state: State,
    principal: Annotated[Principal, Depends(needs(Scope.FUNNEL_WRITE))],
    agent: Annotated[str, Form(max_length=200)],
    call: Annotated[str, Form(max_length=200)],
    stage: Annotated[str, Form(max_length=200)],
) -> JSONResponse:
    """The client of a call passed a stage.  Told twice, it is told once: a stage belongs to a call
    and a manager."""
    whose = _whose(state, principal, agent)
    story = await state.in_thread(call_story, state.read, call)
    talked = story is not None and any(
        leg.agent == whose.agent_id and leg.joined_at is not None for leg in story.legs
    )
    if not talked:
        raise HTTPException(404)
    event_id = of_talk(call, whose.agent_id, stage)
    event = Told(event_id, stage, manager=whose.agent_id, call_id=call)
    try:
        noted = await state.in_thread(
            record, state.write, [event], state.plan, state.now(), via=MANAGER
        )
    except EventsRefused:
        return JSONResponse({"ok": False}, 409)
    return JSONResponse({"ok": True, "new": noted.new})


def _whose(state: WebState, principal: Principal, agent: str | None) -> Whose:
    """Raises Forbidden, HTTPException: who may not see them is not told that they are there."""
    found = state.plan.routing.agents.get(AgentId(agent or ""))
    if principal.role is Role.MANAGER and agent != principal.agent_id:
        raise Forbidden
    if found is None or not principal.sees_agent(agent):
        raise HTTPException(404)
    extensions = {one: extension for extension, one in state.plan.extensions.items()}
    return Whose(
        str(found.agent_id),
        found.name or str(found.agent_id),
        found.department,
        extensions.get(found.agent_id, ""),
    )


async def _parts(
    request: Request, state: WebState, principal: Principal, whose: Whose
) -> Mapping[str, Any]:
    t, names = texts_of(request), Names(state.plan)
    wanted = stages(state, stage_titles(state.plan, t))
    return {
        "data": await state.in_thread(own_page, state, whose.agent_id, wanted),
        "names": names,
        "teller": Teller(t, names, Words(t.language, state.zone).day),
        "stages": wanted,
        "tones": TONES,
        "may_tell": principal.may(Scope.FUNNEL_WRITE),
        "may_click": principal.may(Scope.CLICK_WRITE),
    }
