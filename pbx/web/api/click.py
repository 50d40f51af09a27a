"""Click-to-call: the manager's phone rings, then the client is called."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from pbx.click_words import WORDS
from pbx.engine.clicks import ClickResult
from pbx.web.access import Principal, Scope, needs
from pbx.web.api.problems import problems
from pbx.web.faults import problem
from pbx.web.once import OtherRequest
from pbx.web.state import State

router = APIRouter(tags=["click"])


class ClickWanted(BaseModel):
    """Who wants to talk with whom."""

    model_config = ConfigDict(extra="forbid")

    number: str = Field(
        min_length=1,
        max_length=40,
        description="The client's, in any spelling.",
        examples=["+79161234567"],
    )
    manager: str | None = Field(
        default=None,
        max_length=100,
        description="A key of the plan; default: whose token it is.",
        examples=["ivanov"],
    )


class Clicked(BaseModel):
    """The manager's phones ring."""

    result: ClickResult = Field(examples=["ringing"])
    words: str = Field(examples=[WORDS["ringing"]])


@router.post(
    "/click",
    name="call",
    summary="Ring a manager, then call a client",
    status_code=202,
    response_model=Clicked,
    responses=problems(404, 409),
)
async def click(
    body: ClickWanted,
    state: State,
    principal: Annotated[Principal, Depends(needs(Scope.CLICK_WRITE))],
    idempotency_key: Annotated[
        str,
        Header(
            max_length=200,
            description="Yours: a request that is sent again under it within an hour, its answer "
            "having been lost, rings nobody twice.",
        ),
    ] = "",
) -> Clicked | Response:
    """Nothing is waited for: what becomes of it is a call of its own, with `origin` click.

    409 says why not: `result` by its name (docs/click.md), `detail` in words.
    """
    manager = body.manager or principal.agent_id
    if manager is None or not principal.sees_agent(manager):
        raise HTTPException(404, "there is no such manager, or it is not yours to see")
    asked: dict[str, object] = {"command": "click", "agent": manager, "number": body.number}

    async def ask() -> dict[str, Any]:
        await state.audit(principal, "called", body.number, {"manager": manager})
        return await state.control.ask({**asked, "by": principal.name})

    if idempotency_key:
        try:
            reply = await state.clicks.do(principal.name, idempotency_key, asked, ask)
        except OtherRequest:
            return problem(422, "this Idempotency-Key was another request's")
    else:
        reply = await ask()
    result = ClickResult(reply["result"])
    if not result.accepted:
        return problem(409, WORDS[result], result=result.value)
    return Clicked(result=result, words=WORDS[result])
