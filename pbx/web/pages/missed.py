"""Missed calls, to be worked off: who is to be called back, and the call itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import partial
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from pbx.journal.change import text
from pbx.missed.queries import NOBODY, TaskFilter, list_tasks
from pbx.missed.rules import How, Task, TaskClass
from pbx.missed_by_hand import LONGEST_REASON
from pbx.web.access import Forbidden, Principal, Role, Scope, needs
from pbx.web.api.paging import cursor_of, place_of
from pbx.web.html import page, texts_of
from pbx.web.names import Group, Names
from pbx.web.pages.wall import told
from pbx.web.seen import tasks_seen
from pbx.web.state import State, WebState
from routing.values import AgentId

router = APIRouter()
Reader = Annotated[Principal, Depends(needs(Scope.MISSED_READ))]
Writer = Annotated[Principal, Depends(needs(Scope.MISSED_WRITE))]
Caller = Annotated[Principal, Depends(needs(Scope.CLICK_WRITE))]
TaskId = Annotated[str, Form(max_length=200)]

PAGE = 100
"""Tasks shown at once."""
STATES = ("open", "closed", "all")
PERIODS: Mapping[str, int | None] = {"today": 0, "7d": 6, "30d": 29, "all": None}
"""By name: whole days before today."""
MINE = "mine"
"""As an owner: whoever looks."""
TONES: Mapping[TaskClass | None, str] = {
    None: "warn",
    TaskClass.GOT_THROUGH: "good",
    TaskClass.WITHIN_20_MIN: "good",
    TaskClass.WITHIN_DAY: "",
    TaskClass.NEVER: "bad",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks the page shows, as its address says it."""

    state: str = STATES[0]
    owner: str = ""
    queue: str = ""
    period: str = "all"

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Wanted:
        """What makes no sense is not asked for: an address may be old, or typed."""
        words = {key: text(given.get(key, "")).strip()[:100] for key in cls.__slots__}
        state = words["state"] if words["state"] in STATES else STATES[0]
        period = words["period"] if words["period"] in PERIODS else "all"
        return cls(state, words["owner"], words["queue"], period)

    def address(self, **changes: str) -> str:
        """That of the page with these changes; what is usual is left out."""
        asked = replace(self, **changes)
        usual = Wanted()
        values = {
            key: getattr(asked, key)
            for key in self.__slots__
            if getattr(asked, key) != getattr(usual, key)
        }
        return f"/missed?{urlencode(values)}" if values else "/missed"


@dataclass(frozen=True, slots=True)
class Line:
    """A task as it is shown.  ``kind``: how well it was made good; ``by``: who closed it."""

    task: Task
    line: str
    source: str
    queue: str
    owner: str
    kind: str
    tone: str
    by: str


@router.get("/missed", response_class=HTMLResponse)
async def missed(
    request: Request, state: State, principal: Reader, before: str = ""
) -> HTMLResponse:
    """Those that are asked for, the newest first: who has just called is still there."""
    wanted = Wanted.of(request.query_params)
    try:
        place = place_of(before[:400])
    except RequestValidationError:
        place = None
    names = Names(state.plan)
    found = await state.in_thread(
        list_tasks,
        state.read,
        TaskFilter(
            open_only=wanted.state == "open",
            closed_only=wanted.state == "closed",
            owner=_owner(wanted.owner, principal),
            queue=wanted.queue or None,
            since=_since(state, wanted.period),
            sight=tasks_seen(principal, state.plan),
            newest_first=True,
            before=place,
            limit=PAGE + 1,
        ),
    )
    lines = [_line(one, state, names) for one in found[:PAGE]]
    last = lines[-1].task if len(found) > PAGE else None
    agents = names.agents_for(principal)
    script = {
        "texts": texts_of(request).some(("missed.", "live.")),
        "me": principal.agent_id,
        "choose": may_choose(principal),
    }
    return page(
        request,
        "missed.html",
        principal,
        wanted=wanted,
        states=STATES,
        periods=PERIODS,
        lines=lines,
        more=None if last is None else cursor_of(last.opened_at, last.task_id),
        first=place is None,
        owners=agents if principal.role is not Role.MANAGER else [],
        queues=names.queues_for(principal),
        managers=_who_may_be_rung(agents, principal),
        may_call=principal.may(Scope.CLICK_WRITE)
        and (may_choose(principal) or principal.agent_id is not None),
        may_close=principal.may(Scope.MISSED_WRITE),
        longest_reason=LONGEST_REASON,
        script=script,
    )


@router.post("/missed/call")
async def call(
    state: State, principal: Caller, task: TaskId, agent: Annotated[str, Form(max_length=200)] = ""
) -> JSONResponse:
    """Rings the manager, then the client: whoever asks, or for a supervisor whom they choose."""
    manager = agent or principal.agent_id
    if manager is None or not principal.sees_agent(manager):
        raise Forbidden
    found = await _task(state, principal, task)
    await state.audit(principal, "called", found.number, {"manager": manager})
    asked = {"command": "click", "agent": manager, "number": found.number, "by": principal.name}
    return await told(state, asked)


@router.post("/missed/close")
async def close(
    state: State,
    principal: Writer,
    task: TaskId,
    reason: Annotated[str, Form(max_length=LONGEST_REASON)] = "",
) -> JSONResponse:
    """Nobody needs to call back."""
    found = await _task(state, principal, task)
    reason = reason.strip()
    asked = {"command": "missed_close", "task": found.task_id, "by": principal.name}
    details = {"reason": reason}
    done = partial(state.audit_done, principal, "missed_closed", found.number, details)
    return await told(state, {**asked, "reason": reason}, done)


@router.post("/missed/reopen")
async def reopen(state: State, principal: Writer, task: TaskId) -> JSONResponse:
    """Somebody needs to, all the same."""
    found = await _task(state, principal, task)
    asked = {"command": "missed_reopen", "task": found.task_id, "by": principal.name}
    done = partial(state.audit_done, principal, "missed_reopened", found.number)
    return await told(state, asked, done)


def may_choose(principal: Principal) -> bool:
    """Whether they may have another manager's phone rung."""
    return principal.role is not Role.MANAGER


def _who_may_be_rung(agents: list[Group], principal: Principal) -> list[Group]:
    return agents if may_choose(principal) else []


def _owner(owner: str, principal: Principal) -> str | None:
    if owner == MINE:
        return principal.agent_id or NOBODY
    return owner or None


def _since(state: WebState, period: str) -> datetime | None:
    days = PERIODS[period]
    if days is None:
        return None
    first = state.now().astimezone(state.zone).date() - timedelta(days=days)
    return datetime.combine(first, time.min, state.zone)


async def _task(state: WebState, principal: Principal, task_id: str) -> Task:
    """Raises HTTPException: there is none, or it is not theirs."""
    wanted = TaskFilter(
        open_only=False, task_id=text(task_id), sight=tasks_seen(principal, state.plan)
    )
    found = await state.in_thread(list_tasks, state.read, wanted)
    if not found:
        raise HTTPException(404)
    return found[0]


def _line(task: Task, state: WebState, names: Names) -> Line:
    kind = task.classed(state.now())
    number = state.plan.numbers.get(task.did)
    by = task.closed_by or ""
    if task.closed_how != How.HAND and AgentId(by) in state.plan.routing.agents:
        by = names.agent(by)
    return Line(
        task,
        names.line(task.did),
        number.source if number is not None else "",
        names.queue(task.queue),
        names.agent(task.agent),
        kind.value if kind is not None else "open",
        TONES[kind],
        by,
    )
