"""What the API answers when something is not to be had (RFC 9457), as its description tells it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Wrong(BaseModel):
    """One thing that is wrong with a request."""

    where: list[str] = Field(examples=[["body", "events", "3", "stage"]])
    what: str = Field(examples=["no stage 'metting'; stages are meeting, invoice"])


class Problem(BaseModel):
    """Why something was not done."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Unprocessable Entity"])
    status: int = Field(examples=[422])
    detail: str | None = Field(default=None, examples=["the request is not as it should be"])
    errors: list[Wrong] | None = None
    result: str | None = Field(default=None, description="Of a click: the reason by its name.")


_WORDS = {
    401: "No token, or one that holds no more.",
    403: "The token's scopes do not allow it.",
    404: "There is none, or it is not yours to see.",
    409: "It can't be done as things are; `detail` says why.",
    410: "It was there, and is gone.",
    413: "The request is longer than 2 MB.",
    422: "The request is not as it should be; `errors` has each mistake with its place.",
    429: "Too many requests: `Retry-After` says when to ask again.",
    503: "The engine or the log is not there: try again.",
}
_HEADERS = {
    429: {"headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}}
}
EVERYWHERE = (401, 403, 422, 429, 503)


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """For ``responses`` of a route or a router."""
    return {
        code: {"model": Problem, "description": _WORDS[code], **_HEADERS.get(code, {})}
        for code in codes
    }
