"""Reports for programs: the same questions, the same answers and the same limits as the page's."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pbx.errors import ReportError
from pbx.reports.asked import PERIODS, USUAL_PERIOD, Asked
from pbx.reports.export import as_json
from pbx.reports.report import MOST_ROWS, report
from pbx.reports.slices import SLICES
from pbx.web.access import Principal, Scope, needs
from pbx.web.api.problems import problems
from pbx.web.faults import problem
from pbx.web.report_data import limits
from pbx.web.state import State, TooLong, WebState

router = APIRouter(prefix="/reports", tags=["reports"])
_TOO_LONG = "it took too long: a shorter period, or fewer slices"
_VALUES = {"offered": 120, "answered": 96, "asa_s": 7.4, "service_level_of_offered": 0.81}


class Span(BaseModel):
    """``until`` is not in it any more."""

    since: datetime = Field(examples=["2026-11-15T21:00:00Z"])
    until: datetime = Field(examples=["2026-11-22T21:00:00Z"])


class Row(BaseModel):
    """`key`: a label for each slice of `by`. A value is null where it is not defined."""

    key: list[str] = Field(examples=[["sales"]])
    values: dict[str, float | int | None] = Field(examples=[_VALUES])
    before: dict[str, float | int | None] | None = Field(
        default=None, description="Of the period before; with `compare` only.", examples=[_VALUES]
    )


class Told(Span):
    """`total` is of all that fits, also of the `left_out` rows beyond `limit`."""

    before: Span | None
    by: list[str] = Field(examples=[["queue"]])
    units: dict[str, str] = Field(
        description="Of each measure: count, s (seconds), share (0 to 1).",
        examples=[{"offered": "count", "asa_s": "s", "service_level_of_offered": "share"}],
    )
    rows: list[Row]
    total: Row
    left_out: int = Field(examples=[0])


def parameter(
    name: str, description: str, *, kind: str = "string", many: bool = False, **more: Any
) -> dict[str, Any]:
    """Of a question in an address, as OpenAPI has it."""
    one = {"type": kind, **more}
    shape = {"type": "array", "items": one} if many else one
    return {"name": name, "in": "query", "description": description, "schema": shape}


def period(usual: str) -> tuple[dict[str, Any], ...]:
    """Of which time: parameters of reports and of the funnel."""
    return (
        parameter(
            "period",
            "By the company's clock; one that goes on ends now.",
            enum=list(PERIODS),
            default=usual,
        ),
        parameter(
            "since",
            "In place of `period`: a day or a time.",
            examples=["2026-11-23", "2026-11-23T09:30"],
        ),
        parameter("until", "A day: its end. Default: now.", examples=["2026-11-29"]),
    )


_PARAMETERS = (
    *period(USUAL_PERIOD),
    parameter("by", "Up to three slices, with commas.", examples=["queue,hour"]),
    parameter("measures", "With commas; default: the usual nine.", examples=["offered,asa_s"]),
    parameter("compare", "`1`: also the period before.", enum=["0", "1"], default="0"),
    parameter("within", "Target of the service level, seconds.", kind="number", default=20),
    parameter("limit", "Most rows: those with the most calls.", kind="integer", default=MOST_ROWS),
    *(
        parameter(one.name, f"Only these: {one.means}. `none`: without.", many=True)
        for one in SLICES.values()
    ),
)


@router.get(
    "",
    summary="Measures of all calls of a period, by any slices",
    response_model=Told,
    responses=problems(503),
    openapi_extra={"parameters": list(_PARAMETERS)},
)
async def told(
    request: Request,
    state: State,
    principal: Annotated[Principal, Depends(needs(Scope.REPORTS_READ))],
) -> Response:
    """Slices, measures and their definitions: docs/metrics.md.

    A supervisor's token counts what their departments' managers did, and the calls that nobody took
    in queues that these serve.
    """
    pairs = request.query_params.multi_items()
    try:
        check_names(pairs, _PARAMETERS)
        asked = Asked.read(pairs)
        departments = {one: name for one, name in state.staff.departments.items() if name}
        query = asked.query(state.now(), state.zone, departments, limits(principal))
        query = replace(query, limit=_limit(request.query_params.get("limit", "")))
        found = await state.slowly(report, state.read, state.columns, query, state.now())
    except ReportError as error:
        return problem(422, str(error))
    except TooLong:
        return too_long(state)
    return Response(as_json(found), media_type="application/json")


def too_long(state: WebState) -> Response:
    """What is answered to a question that was given up."""
    share = state.copying.share
    if share is None:
        return problem(503, _TOO_LONG)
    made = f"{_TOO_LONG}; the copies that make it quick are being made, {share:.0%} are ready"
    return problem(503, made)


def check_names(pairs: Iterable[tuple[str, str]], known: Iterable[dict[str, Any]]) -> None:
    """A slip in a name would answer another question than was asked.  Raises ReportError."""
    names: Collection[str] = {one["name"] for one in known}
    for name, _ in pairs:
        if name not in names:
            raise ReportError(f"no parameter {name!r}: {', '.join(sorted(names))}")


def _limit(text: str) -> int:
    if not text:
        return MOST_ROWS
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:9]) <= MOST_ROWS):
        raise ReportError(f"limit: {text!r} is no number from 1 to {MOST_ROWS}")
    return int(text)
