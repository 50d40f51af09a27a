"""Missed calls: who is to be called back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from pbx.errors import ControlError
from pbx.missed.queries import NOBODY, TaskFilter, list_tasks
from pbx.missed.rules import How, Task, TaskClass
from pbx.missed_by_hand import LONGEST_REASON
from pbx.numbers import normalise
from pbx.web.access import Principal, Scope, needs
from pbx.web.api.paging import FIT, USUAL, Cursor, Limit, Moment, Word, cursor_of, place_of
from pbx.web.api.problems import problems
from pbx.web.faults import problem
from pbx.web.seen import tasks_seen
from pbx.web.state import State, WebState

router = APIRouter(prefix="/missed", tags=["missed"])
Reader = Annotated[Principal, Depends(needs(Scope.MISSED_READ))]
Writer = Annotated[Principal, Depends(needs(Scope.MISSED_WRITE))]
Id = Annotated[str, Path(description="The missed call's.", examples=["1795463763.12"]), FIT]


class Which(StrEnum):
    """Of missed calls."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


class Missed(BaseModel):
    """A number that somebody is to call back, however often it called."""

    id: str = Field(examples=["1795463763.12"])
    number: str = Field(examples=["+79161234567"])
    name: str = Field(examples=["Иван"])
    did: str = Field(
        description="The number of ours that was called last.", examples=["+78005553535"]
    )
    queue: str | None = Field(examples=["sales"])
    manager: str | None = Field(description="Whose it is; null: the queue's.", examples=[None])
    opened_at: datetime = Field(examples=["2026-11-23T09:00:30Z"])
    first_at: datetime = Field(
        description="When the first of the calls began.", examples=["2026-11-23T09:00:00Z"]
    )
    last_at: datetime = Field(examples=["2026-11-23T09:12:41Z"])
    calls: int = Field(examples=[2])
    last_call: str = Field(description="The last call's id.", examples=["1795464761.31"])
    outcome: str = Field(description="Of the last call.", examples=["abandoned_waiting"])
    closed_at: datetime | None = Field(examples=[None])
    closed_how: How | None = Field(examples=[None])
    closed_by: str | None = Field(examples=[None])
    reason: str | None = Field(description="Of who closed it by hand.", examples=[None])
    reopened_at: datetime | None = Field(examples=[None])
    reopened_by: str | None = Field(examples=[None])
    made_good: TaskClass | None = Field(
        description="How well; null while that is open.", examples=[None]
    )

    @classmethod
    def of(cls, task: Task, now: datetime) -> Self:
        """As the API tells it."""
        fields = asdict(task)
        del fields["task_id"], fields["agent"]
        return cls(id=task.task_id, manager=task.agent, made_good=task.classed(now), **fields)


class MissedPage(BaseModel):
    """``next``: where the page after this one begins; null: there is none."""

    items: list[Missed]
    next: str | None = Field(examples=[None])


class ClosingWanted(BaseModel):
    """Why nobody needs to call back."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        default="",
        max_length=LONGEST_REASON,
        description="`spam`: the number opens no further tasks until somebody has talked with it.",
        examples=["answered by mail"],
    )


@router.get("", name="list", summary="Missed calls", response_model=MissedPage)
async def missed(
    state: State,
    principal: Reader,
    which: Which = Which.OPEN,
    owner: Annotated[Word, Query(description=f"A manager's or a queue's key, or {NOBODY}.")] = "",
    number: Annotated[Word, Query(description="The client's, in any spelling.")] = "",
    since: Annotated[Moment | None, Query(description="Missed then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Missed before then.")] = None,
    limit: Limit = USUAL,
    after: Cursor = "",
) -> MissedPage:
    """The newest first. A supervisor sees those of their people and queues; a manager their own,
    and those of their queues that are no other manager's."""
    wanted = TaskFilter(
        open_only=which is Which.OPEN,
        closed_only=which is Which.CLOSED,
        owner=owner or None,
        number=normalise(number, state.plan.region).e164 or number or None,
        since=since,
        until=until,
        sight=tasks_seen(principal, state.plan),
        newest_first=True,
        before=place_of(after),
        limit=limit + 1,
    )
    found = await state.in_thread(list_tasks, state.read, wanted)
    shown, now = found[:limit], state.now()
    last = shown[-1] if len(found) > limit else None
    return MissedPage(
        items=[Missed.of(one, now) for one in shown],
        next=None if last is None else cursor_of(last.opened_at, last.task_id),
    )


@router.get("/{task}", summary="A missed call", response_model=Missed, responses=problems(404))
async def one(state: State, principal: Reader, task: Id) -> Missed:
    """Open or closed."""
    return Missed.of(await _task(state, principal, task), state.now())


@router.post(
    "/{task}/close",
    summary="Nobody needs to call back",
    response_model=Missed,
    responses=problems(404, 409),
)
async def close(
    state: State, principal: Writer, task: Id, body: ClosingWanted | None = None
) -> Missed | Response:
    """Closed by hand, on record with who did it; 409 where it is closed already."""
    reason = body.reason if body is not None else ""
    asked: dict[str, object] = {"command": "missed_close", "task": task, "by": principal.name}
    asked["reason"] = reason
    closed = await _by_hand(state, principal, task, asked, closed=False)
    if isinstance(closed, Missed):
        await state.audit_done(principal, "missed_closed", closed.number, {"reason": reason})
    return closed


@router.post(
    "/{task}/reopen",
    summary="Somebody needs to call back all the same",
    response_model=Missed,
    responses=problems(404, 409),
)
async def reopen(state: State, principal: Writer, task: Id) -> Missed | Response:
    """Whatever closed it; talks of before close it no more. 409 where it is open, or where the
    number has called again since: then that call is the one to work off."""
    asked: dict[str, object] = {"command": "missed_reopen", "task": task, "by": principal.name}
    opened = await _by_hand(state, principal, task, asked, closed=True)
    if isinstance(opened, Missed):
        await state.audit_done(principal, "missed_reopened", opened.number)
    return opened


async def _by_hand(
    state: WebState, principal: Principal, task_id: str, asked: dict[str, object], *, closed: bool
) -> Missed | Response:
    task = await _task(state, principal, task_id)
    if (task.closed_at is not None) is not closed:
        return problem(409, f"it is {'open' if closed else 'closed'} already")
    try:
        await state.control.ask(asked)
    except ControlError as error:
        # The engine knows better; or it is not there, which is no conflict.
        if not state.live.there:
            raise
        return problem(409, str(error))
    return Missed.of(await _task(state, principal, task_id), state.now())


async def _task(state: WebState, principal: Principal, task_id: str) -> Task:
    """Raises HTTPException."""
    wanted = TaskFilter(open_only=False, task_id=task_id, sight=tasks_seen(principal, state.plan))
    found = await state.in_thread(list_tasks, state.read, wanted)
    if not found:
        raise HTTPException(404, "there is no such missed call, or it is not yours to see")
    return found[0]
