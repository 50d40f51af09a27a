"""What the plan in force names: numbers and queues."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from pbx.web.access import Principal, Scope, needs
from pbx.web.seen import queues_seen
from pbx.web.state import State

router = APIRouter(tags=["company"])
Reader = Annotated[Principal, Depends(needs(Scope.CALLS_READ))]

_LIVE = ("waiting", "free", "on_duty")


class Number(BaseModel):
    """A number of the company's that clients call."""

    number: str = Field(examples=["+78005553535"])
    source: str = Field(description="The advertising source it stands for.", examples=["site"])
    language: str = Field(examples=["ru"])
    lines: int | None = Field(description="Calls at once; null: no limit.", examples=[None])


class Numbers(BaseModel):
    """All of them."""

    items: list[Number]


class Queue(BaseModel):
    """What is seen of it now is null while the engine is not there."""

    id: str = Field(examples=["sales"])
    name: str = Field(examples=["Продажи"])
    strategy: str = Field(examples=["longest-idle"])
    members: list[str] = Field(
        description="Managers' keys, those whom one may see.", examples=[["ivanov", "petrova"]]
    )
    waiting: int | None = Field(description="Clients in its line.", examples=[1])
    free: int | None = Field(description="Managers whom it would ring now.", examples=[2])
    on_duty: int | None = Field(description="Managers at work.", examples=[5])


class Queues(BaseModel):
    """All that one may see."""

    items: list[Queue]


@router.get("/numbers", summary="The company's numbers", response_model=Numbers)
async def numbers(state: State, principal: Reader) -> Numbers:
    """Those of the plan in force."""
    plan = state.plan
    return Numbers(
        items=[
            Number(number=one.did, source=one.source, language=one.language, lines=one.lines)
            for _, one in sorted(plan.numbers.items())
        ]
    )


@router.get("/queues", summary="Queues", response_model=Queues)
async def queues(state: State, principal: Reader) -> Queues:
    """Those that somebody serves whom one may see."""
    plan = state.plan
    live = state.live.snapshot(principal)
    rows = {} if live is None else {row["id"]: row for row in live["queues"]}
    seen = queues_seen(principal, plan)
    return Queues(
        items=[
            Queue(
                id=queue_id,
                name=plan.queue_titles.get(queue_id) or queue_id,
                strategy=queue.strategy.name,
                members=[one for one in queue.members if principal.sees_agent(one)],
                **{name: rows[queue_id][name] if queue_id in rows else None for name in _LIVE},
            )
            for queue_id, queue in sorted(plan.routing.queues.items())
            if queue_id in seen
        ]
    )
