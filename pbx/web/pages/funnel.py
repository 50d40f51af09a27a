"""The funnel: where sales narrow, and what has fallen."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import JSONResponse, Response

from pbx.errors import FunnelError
from pbx.funnel.asked import AskedFunnel
from pbx.funnel.count import WEAK_FROM, Reading
from pbx.funnel.export import as_csv
from pbx.funnel.report import SLICES, FunnelQuery, FunnelReport, funnel_report
from pbx.funnel.stages import Way
from pbx.reports.asked import PERIODS
from pbx.web.access import Principal, Role, Scope, needs
from pbx.web.attachment import attachment, marked
from pbx.web.funnel_sheet import sheet
from pbx.web.funnel_view import PATH, Viewer, address, ask
from pbx.web.html import page, texts_of
from pbx.web.labels import Labels
from pbx.web.report_data import MAKING
from pbx.web.seen import agents_seen
from pbx.web.state import State, TooLong, WebState
from pbx.web.words import Words

router = APIRouter(prefix=PATH)
Reader = Annotated[Principal, Depends(needs(Scope.FUNNEL_READ))]


@router.get("", response_class=HTMLResponse)
async def funnel(request: Request, state: State, principal: Reader) -> Response:
    """The page.  An address that says it in other words leads to the one that is a link."""
    asked = _asked(request)
    if asked.pairs() != request.query_params.multi_items():
        return RedirectResponse(address(asked), 303)
    t = texts_of(request)
    words = Words(t.language, state.zone)
    labels = Labels(t, words, state.plan)
    viewer = Viewer(asked, labels, words, t)
    status, note, view, query = 200, "", None, None
    try:
        query = query_of(asked, state, principal)
        found = await state.slowly(ask, state.read, state.columns, query, principal, state.now())
        view = viewer.view(found)
    except FunnelError:
        status, note = 400, "reports.note.period"
    except TooLong:
        status, note = 503, "reports.note.long" if state.copying.share is None else MAKING
    return page(
        request,
        "funnel.html",
        principal,
        status=status,
        asked=asked,
        chips=viewer.chips(),
        note=note,
        copied=Words(texts_of(request).language, state.zone).percent(state.copying.share or 0.0),
        view=view,
        query=query,
        labels=labels,
        limited=_limited(principal),
        weak_from=WEAK_FROM,
        periods={
            name: address(
                replace(asked, period=replace(asked.period, name=name, since="", until=""))
            )
            for name in PERIODS
        },
        readings={one.value: address(replace(asked, reading=one)) for one in Reading},
        ways={one.value: address(replace(asked, way=one)) for one in Way},
        labels_href=address(asked, f"{PATH}/labels"),
        exports={kind: address(asked, f"{PATH}/export.{kind}") for kind in ("csv", "xlsx")},
        slices=SLICES,
        words_of_script=t.some(("reports.script.",)),
    )


@router.get("/labels")
async def labels_of(request: Request, state: State, principal: Reader, slice: str) -> JSONResponse:
    """The labels that a slice has in the period, those in which the most entered first, each with
    the address that adds it to the filters."""
    asked = _asked(request)
    if slice not in SLICES:
        raise HTTPException(400)
    others = {name: labels for name, labels in asked.where.items() if name != slice}
    query = query_of(replace(asked, by=slice, where=others), state, principal)
    found = await state.slowly(funnel_report, state.read, state.columns, query, state.now())
    t = texts_of(request)
    words = Words(t.language, state.zone)
    shown = Labels(t, words, state.plan)
    chosen = asked.where.get(slice, ())
    counts = {label: sum(one.count for one in group.steps) for label, group in found.groups.items()}
    return JSONResponse(
        [
            {
                "label": shown.label(slice, label),
                "calls": words.number(found.groups[label].steps[0].count),
                "href": address(replace(asked, where={**others, slice: (*chosen, label)})),
            }
            for label in sorted(counts, key=lambda one: (-counts[one], one))
            if label not in chosen
        ]
    )


@router.get("/export.csv")
async def as_text(request: Request, state: State, principal: Reader) -> Response:
    """All of it as CSV: names as in the API, for programs."""
    return text_of(await _exported(request, state, principal, "csv"), state)


@router.get("/export.xlsx")
async def as_sheet(request: Request, state: State, principal: Reader) -> Response:
    """All of it for Excel, in the page's language."""
    found = await _exported(request, state, principal, "xlsx")
    t = texts_of(request)
    labels = Labels(t, Words(t.language, state.zone), state.plan)
    content = await state.in_thread(sheet, found, labels, t)
    return attachment(content, "funnel", found.query.period, state.zone, "xlsx")


async def _exported(
    request: Request, state: WebState, principal: Principal, kind: str
) -> FunnelReport:
    asked = _asked(request)
    try:
        query = query_of(asked, state, principal)
    except FunnelError as error:
        raise HTTPException(400, str(error)) from error
    return await taken_away(asked, query, state, principal, kind)


async def taken_away(
    asked: AskedFunnel, query: FunnelQuery, state: WebState, principal: Principal, kind: str
) -> FunnelReport:
    """The funnel, once it is on record that somebody takes it away.  Raises TooLong, JournalError:
    then it is not to be given."""
    found = await state.slowly(funnel_report, state.read, state.columns, query, state.now())
    details = {"format": kind, "rows": (1 + len(found.groups)) * len(query.funnel.stages)}
    await state.audit(principal, "exported", address(asked), details)
    return found


def text_of(found: FunnelReport, state: WebState) -> Response:
    """As CSV."""
    return attachment(marked(as_csv(found)), "funnel", found.query.period, state.zone, "csv")


def query_of(asked: AskedFunnel, state: WebState, principal: Principal) -> FunnelQuery:
    """What somebody may ask of the log.  Raises FunnelError."""
    plan = state.plan.funnel
    assert plan is not None, "a plan from YAML has one"
    departments = {one: name for one, name in state.staff.departments.items() if name}
    return asked.query(plan, state.now(), state.zone, departments, agents_seen(principal))


def _limited(principal: Principal) -> str:
    """What the page says of what it does not show."""
    if principal.sees_everything():
        return ""
    return "funnel.own" if principal.role is Role.MANAGER else "reports.limited"


def _asked(request: Request) -> AskedFunnel:
    try:
        return AskedFunnel.read(request.query_params.multi_items())
    except FunnelError as error:
        raise HTTPException(400, str(error)) from error
