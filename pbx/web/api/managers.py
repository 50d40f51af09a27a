"""Managers: what they do, and their pauses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Path
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pbx.days import day_began
from pbx.journal.agent_day import AgentDay, agent_days
from pbx.journal.port import OpenPause
from pbx.journal.recall import open_pauses
from pbx.pausing import LONGEST_REASON
from pbx.web.access import Principal, Scope, needs
from pbx.web.api.paging import USUAL, Limit, Word
from pbx.web.api.problems import problems
from pbx.web.state import State, WebState
from routing.plan import Agent
from routing.values import AgentId, AgentState

router = APIRouter(prefix="/managers", tags=["managers"])
Reader = Annotated[Principal, Depends(needs(Scope.MANAGERS_READ))]
Writer = Annotated[Principal, Depends(needs(Scope.MANAGERS_WRITE))]
Key = Annotated[str, Path(description="The manager's key in the plan.", examples=["ivanov"])]


class Pause(BaseModel):
    """From the moment it was asked for; in a talk the state follows when that is over."""

    reason: str = Field(examples=["lunch"])
    by: str = Field(description='Who asked for it; "": the engine.', examples=["maria (web)"])
    since: datetime = Field(examples=["2026-11-23T12:00:00Z"])


class Today(BaseModel):
    """Since midnight, by the company's clock; only calls that we gave them."""

    talks: int = Field(examples=[12])
    talk_s: float = Field(description="Of the talks that are over.", examples=[2710.4])
    no_answer: int = Field(description="Rang until their time was over.", examples=[1])
    rejected: int = Field(description="Declined on the phone.", examples=[0])


class Manager(BaseModel):
    """``state`` and what follows it are null while the engine is not there."""

    id: str = Field(examples=["ivanov"])
    name: str = Field(examples=["Иван Иванов"])
    department: str = Field(examples=["sales"])
    extension: str | None = Field(examples=["101"])
    queues: list[str] = Field(examples=[["sales"]])
    state: AgentState | None = Field(examples=["free"])
    since: datetime | None = Field(examples=["2026-11-23T11:58:02.120Z"])
    call_id: str | None = Field(examples=[None])
    reachable: bool | None = Field(description="One of their phones can be rung.", examples=[True])
    pause: Pause | None = Field(examples=[None])
    today: Today


class ManagerPage(BaseModel):
    """``next``: where the page after this one begins; null: there is none."""

    items: list[Manager]
    next: str | None = Field(examples=[None])


class PauseWanted(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=LONGEST_REASON, examples=["lunch"])

    @field_validator("reason")
    @classmethod
    def said(cls, reason: str) -> str:
        """As the engine takes it."""
        if not reason.strip() or not reason.isprintable():
            raise ValueError("say why, in printable characters")
        return reason.strip()


class StateNow(BaseModel):
    """The state at once after it: a pause in a talk begins when that is over."""

    id: str = Field(examples=["ivanov"])
    state: AgentState = Field(examples=["paused"])


@router.get("", name="list", summary="Managers", response_model=ManagerPage)
async def managers(
    state: State, principal: Reader, limit: Limit = USUAL, after: Word = ""
) -> ManagerPage:
    """Those whom one may see, by their key; `after` is the last key of the page before."""
    keys = sorted(
        str(key)
        for key in state.plan.routing.agents
        if principal.sees_agent(key) and str(key) > after
    )
    shown = keys[:limit]
    items = await _managers(state, principal, shown)
    return ManagerPage(items=items, next=shown[-1] if len(keys) > limit else None)


@router.get(
    "/{manager}", name="one", summary="A manager", response_model=Manager, responses=problems(404)
)
async def manager(state: State, principal: Reader, manager: Key) -> Manager:
    """What they do now, their pause, their day."""
    _seen(state, principal, manager)
    (found,) = await _managers(state, principal, [manager])
    return found


@router.post(
    "/{manager}/pause",
    summary="Give a manager no calls",
    response_model=StateNow,
    responses=problems(404),
)
async def pause(state: State, principal: Writer, manager: Key, body: PauseWanted) -> StateNow:
    """On record at once, with the reason and who asked; in a talk it begins when that is over.

    It lasts until `unpause`, whatever happens to the engine meanwhile. A manager who is paused gets
    another reason by it.
    """
    _seen(state, principal, manager)
    asked = {"command": "pause", "agent": manager, "by": principal.name}
    now = await _asked(state, {**asked, "reason": body.reason})
    await state.audit_done(principal, "paused", manager, {"reason": body.reason})
    return now


@router.post(
    "/{manager}/unpause",
    summary="Give a manager calls again",
    response_model=StateNow,
    responses=problems(404),
)
async def unpause(state: State, principal: Writer, manager: Key) -> StateNow:
    """Ends a pause, or a wrap-up early; of who has neither, nothing changes."""
    _seen(state, principal, manager)
    now = await _asked(state, {"command": "unpause", "agent": manager, "by": principal.name})
    await state.audit_done(principal, "unpaused", manager)
    return now


def _seen(state: WebState, principal: Principal, manager: str) -> Agent:
    """Raises HTTPException: who may not see them is not told that they are there."""
    found = state.plan.routing.agents.get(AgentId(manager))
    if found is None or not principal.sees_agent(manager):
        raise HTTPException(404, "there is no such manager, or it is not yours to see")
    return found


async def _asked(state: WebState, request: dict[str, object]) -> StateNow:
    reply = await state.control.ask(request)
    return StateNow(id=str(reply["agent"]), state=AgentState(reply["state"]))


async def _managers(state: WebState, principal: Principal, keys: list[str]) -> list[Manager]:
    now = day_began(state.now(), state.zone)
    days = await state.in_thread(agent_days, state.read, keys, now)
    pauses = {one.agent_id: one for one in await state.in_thread(open_pauses, state.read)}
    live = state.live.snapshot(principal)
    rows = {} if live is None else {row["id"]: row for row in live["agents"]}
    plan = state.plan
    extensions = {agent: extension for extension, agent in plan.extensions.items()}
    queues: dict[str, list[str]] = {}
    for queue_id, queue in plan.routing.queues.items():
        for one in queue.members:
            queues.setdefault(one, []).append(queue_id)
    return [
        _manager(
            plan.routing.agents[AgentId(key)],
            extensions.get(AgentId(key)),
            queues.get(key, []),
            rows.get(key),
            pauses.get(AgentId(key)),
            days.get(key, AgentDay()),
        )
        for key in keys
    ]


def _manager(
    agent: Agent,
    extension: str | None,
    queues: list[str],
    row: Mapping[str, Any] | None,
    pause: OpenPause | None,
    day: AgentDay,
) -> Manager:
    live = row or {}
    return Manager(
        id=agent.agent_id,
        name=agent.name,
        department=agent.department,
        extension=extension,
        queues=queues,
        state=live.get("state"),
        since=live.get("since"),
        call_id=live.get("call_id"),
        reachable=live.get("reachable"),
        pause=None if pause is None else Pause(reason=pause.reason, by=pause.by, since=pause.since),
        today=Today(
            talks=day.talks, talk_s=day.talk_s, no_answer=day.no_answer, rejected=day.rejected
        ),
    )
