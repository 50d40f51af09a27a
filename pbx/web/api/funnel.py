"""The funnel for programs: the same questions, the same answers and the same limits as the
page's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pbx.errors import FunnelError, ReportError
from pbx.funnel.asked import USUAL_PERIOD, AskedFunnel
from pbx.funnel.count import Reading
from pbx.funnel.export import as_json, as_xlsx
from pbx.funnel.report import SLICES, funnel_report
from pbx.funnel.sag import Judged, Verdict
from pbx.funnel.stages import Way
from pbx.web.access import Principal, Scope, needs
from pbx.web.api.problems import problems
from pbx.web.api.reports import Span, check_names, parameter, period, too_long
from pbx.web.attachment import KINDS, attachment
from pbx.web.faults import problem
from pbx.web.funnel_view import look_for_falls
from pbx.web.pages.funnel import query_of, taken_away, text_of
from pbx.web.state import State, TooLong, WebState

router = APIRouter(prefix="/funnel", tags=["funnel"])
Reader = Annotated[Principal, Depends(needs(Scope.FUNNEL_READ))]


class Step(BaseModel):
    """`to_previous`, `to_top`: the count divided by that of the stage before, of the first; null:
    of none. `open`: passed the stage before and may still come here; `decided` leaves them out."""

    stage: str = Field(examples=["meeting"])
    title: str = Field(examples=["meeting"])
    count: int = Field(examples=[22])
    to_previous: float | None = Field(examples=[0.11])
    to_top: float | None = Field(examples=[0.11])
    open: int = Field(examples=[0])
    decided: float | None = Field(examples=[0.11])
    median_s: float | None = Field(description="From the stage before.", examples=[345600.0])


class Counted(BaseModel):
    """`weak`: the stage with the lowest conversion, null where too few came to say."""

    reading: Reading = Field(examples=["events"])
    steps: list[Step]
    weak: str | None = Field(examples=["meeting"])


class Told(Span):
    """`groups`: by label of `by`."""

    total: Counted
    groups: dict[str, Counted] = Field(examples=[{}])


class Fall(BaseModel):
    """A stage of a slice, looked at for a fall. `had`: passed the stage before; of these `came`
    came further: in the eight weeks before, and in the `recent` one."""

    slice: str = Field(description='"": the whole company.', examples=["manager"])
    label: str = Field(examples=["ivanov"])
    stage: str = Field(examples=["meeting"])
    verdict: Verdict = Field(examples=["fell"])
    p: float | None = Field(description="By chance; null: too few data.", examples=[0.0004])
    before_had: int = Field(examples=[425])
    before_came: int = Field(examples=[100])
    recent_had: int = Field(examples=[55])
    recent_came: int = Field(examples=[2])

    @classmethod
    def of(cls, judged: Judged) -> Self:
        """As the API tells it."""
        trial = judged.trial
        name, _, label = trial.label.partition("=")
        return cls(
            slice=name,
            label=label,
            stage=trial.stage,
            verdict=judged.verdict,
            p=judged.p,
            before_had=trial.before_had,
            before_came=trial.before_came,
            recent_had=trial.recent_had,
            recent_came=trial.recent_came,
        )


class Falls(BaseModel):
    """`since` and `until`: the last settled week."""

    since: datetime = Field(examples=["2026-11-09T00:00:00Z"])
    until: datetime = Field(examples=["2026-11-16T00:00:00Z"])
    items: list[Fall]


_PARAMETERS = (
    *period(USUAL_PERIOD.name),
    parameter("way", "Which funnel.", enum=[one.value for one in Way], default="sales"),
    parameter("reading", "docs/funnel.md.", enum=[one.value for one in Reading], default="events"),
    parameter("by", "One funnel for each label of it.", enum=list(SLICES)),
    *(parameter(name, "Only these. `none`: without.", many=True) for name in SLICES),
)


@router.get(
    "",
    summary="How many came how far, and where most are lost",
    response_model=Told,
    responses=problems(503),
    openapi_extra={"parameters": list(_PARAMETERS)},
)
async def told(request: Request, state: State, principal: Reader) -> Response:
    """Both readings and what they mean: docs/funnel.md.

    A manager's token counts their own events, a supervisor's those of their departments' managers.
    """
    pairs = request.query_params.multi_items()
    try:
        check_names(pairs, _PARAMETERS)
        query = query_of(AskedFunnel.read(pairs), state, principal)
        found = await state.slowly(funnel_report, state.read, state.columns, query, state.now())
    except (FunnelError, ReportError) as error:
        return problem(422, str(error))
    except TooLong:
        return too_long(state)
    return Response(as_json(found), media_type="application/json")


def _file(kind: str, schema: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {
        200: {
            "content": {kind: {"schema": schema}},
            "description": "A row for each stage of each label of `by`, then of all together.",
        },
        **problems(503),
    }


@router.get(
    "/export.csv",
    name="csv",
    summary="The same as CSV",
    response_class=Response,
    responses=_file("text/csv", {"type": "string"}),
    openapi_extra={"parameters": list(_PARAMETERS)},
)
async def as_text(request: Request, state: State, principal: Reader) -> Response:
    """Names as in JSON; no cell is a formula to a spreadsheet. Written down in the audit log."""
    return await _exported(request, state, principal, "csv")


@router.get(
    "/export.xlsx",
    name="xlsx",
    summary="The same as an Excel file",
    response_class=Response,
    responses=_file(KINDS["xlsx"], {"type": "string", "format": "binary"}),
    openapi_extra={"parameters": list(_PARAMETERS)},
)
async def as_sheet(request: Request, state: State, principal: Reader) -> Response:
    """Names as in JSON; texts stay texts. Written down in the audit log."""
    return await _exported(request, state, principal, "xlsx")


async def _exported(request: Request, state: WebState, principal: Principal, kind: str) -> Response:
    pairs = request.query_params.multi_items()
    try:
        check_names(pairs, _PARAMETERS)
        asked = AskedFunnel.read(pairs)
        query = query_of(asked, state, principal)
        found = await taken_away(asked, query, state, principal, kind)
    except (FunnelError, ReportError) as error:
        return problem(422, str(error))
    except TooLong:
        return too_long(state)
    if kind == "csv":
        return text_of(found, state)
    content = await state.in_thread(as_xlsx, found)
    return attachment(content, "funnel", query.period, state.zone, kind)


@router.get(
    "/falls",
    summary="Stages whose conversion fell",
    response_model=Falls,
    responses=problems(503),
)
async def falls(
    state: State,
    principal: Reader,
    way: Annotated[Way, Query(description="Which funnel.")] = Way.SALES,
) -> Falls | Response:
    """All stages of all slices that were looked at: fallen, steady, or too few data to say."""
    query = query_of(AskedFunnel(way=way), state, principal)
    try:
        judged, (since, until) = await state.slowly(
            look_for_falls, state.read, state.columns, query, principal, state.now()
        )
    except TooLong:
        return too_long(state)
    return Falls(since=since, until=until, items=[Fall.of(one) for one in judged])
