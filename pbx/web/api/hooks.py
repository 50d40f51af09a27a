"""What other programs send by themselves: no token, but a signature as ours has (docs/api.md)."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from pbx.web.access import address_of
from pbx.web.api.funnel_events import NewEvents, Taken, taken
from pbx.web.api.problems import problems
from pbx.web.faults import problem
from pbx.web.state import State
from pbx.webhooks.checking import NotGenuine, check_signature

router = APIRouter(tags=["funnel"])


@router.post(
    "/hooks/funnel",
    name="signed",
    summary="Tell that stages were passed, signed",
    response_model=Taken,
    responses=problems(404, 409, 413),
    openapi_extra={
        "security": [],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewEvents"}}},
        },
        "parameters": [
            {
                "in": "header",
                "name": name,
                "required": True,
                "schema": {"type": "string"},
                "description": words,
            }
            for name, words in (
                ("webhook-id", "The message's; the same when it is sent again."),
                ("webhook-timestamp", "Seconds since 1970; five minutes off at most."),
                ("webhook-signature", "`v1,` and base64 of HMAC-SHA256 over id.timestamp.body."),
            )
        ],
    },
)
async def funnel(request: Request, state: State) -> Taken | Response:
    """The body of `POST /funnel/events`, signed with the secret of `VORONKA_CRM_SECRET` as
    Standard Webhooks says; there is no such address where none is set.

    A message that is caught and sent again tells only what is known.
    """
    secret = state.settings.crm_secret
    if secret is None:
        raise HTTPException(404)
    address = address_of(request)
    state.door.may_try(address)
    body = await request.body()
    try:
        check_signature(secret, request.headers, body, state.now().timestamp())
    except NotGenuine as error:
        state.door.heard(address, genuine=False)
        return problem(401, str(error))
    state.door.heard(address, genuine=True)
    try:
        events = NewEvents.model_validate_json(body)
    except ValidationError as error:
        wrong = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(wrong) from error
    return await taken(state, [one.told() for one in events.events])
