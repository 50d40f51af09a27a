"""Reports: any period, any slices, as a table and plots; and the same for a spreadsheet."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import JSONResponse, Response

from pbx.errors import ReportError
from pbx.reports.asked import MOST_SLICES, PERIODS, Asked
from pbx.reports.export import as_csv
from pbx.reports.report import Query, Report, report
from pbx.reports.slices import NOTHING, SLICES
from pbx.web.access import Principal, Scope, needs
from pbx.web.attachment import attachment, marked
from pbx.web.html import page, texts_of
from pbx.web.labels import Labels
from pbx.web.report_data import MAKING, ask, limits
from pbx.web.report_sheet import sheet
from pbx.web.report_view import PATH, Viewer, address, measures_by_kind
from pbx.web.state import State, TooLong, WebState
from pbx.web.words import Words

router = APIRouter(prefix=PATH)
Reader = Annotated[Principal, Depends(needs(Scope.REPORTS_READ))]

FIRST = Asked(by=("queue",), compare=True)
"""What is shown to who asks for nothing."""
MOST_LABELS = 1000
"""Of a slice, offered for filtering: those with the most calls."""


_OF_PEOPLE = frozenset({"manager", "department"})


def _nobodys(asked: Asked, principal: Principal) -> str:
    """Where the calls are that nobody talked to, where one may miss them; "": all are told."""
    filters = [labels for name, labels in asked.where.items() if name in _OF_PEOPLE]
    if any(NOTHING not in labels for labels in filters):
        return "reports.nobodys.filtered"
    if _OF_PEOPLE & set(asked.by):
        return "reports.nobodys.cut"
    return "" if principal.sees_everything() else "reports.nobodys.limited"


@router.get("", response_class=HTMLResponse)
async def reports(request: Request, state: State, principal: Reader) -> Response:
    """The page.  An address that says it in other words leads to the one that is a link."""
    asked = _asked(request) if request.query_params else FIRST
    if asked.pairs() != request.query_params.multi_items():
        return RedirectResponse(address(asked), 303)
    untold = asked.untold()
    told = _told(asked)
    labels = _labels(request, state)
    t = texts_of(request)
    viewer = Viewer(told, labels, lambda name: t(f"reports.measure.{name}.means"))
    status, note, view, query = 200, "", None, None
    try:
        query = _query(told, state, principal)
        found = await state.slowly(ask, state.read, state.columns, told, query, state.now())
        view = viewer.view(found)
    except ReportError:
        status, note = 400, "reports.note.period"
    except TooLong:
        status, note = 503, "reports.note.long" if state.copying.share is None else MAKING
    return page(
        request,
        "reports.html",
        principal,
        status=status,
        asked=asked,
        chips=viewer.chips(),
        note=note,
        copied=Words(texts_of(request).language, state.zone).percent(state.copying.share or 0.0),
        view=view,
        query=query,
        untold=[labels.measure(name) for name in untold],
        nobodys=_nobodys(told, principal),
        labels=labels,
        limited="" if principal.sees_everything() else "reports.limited",
        periods={name: address(_of_period(asked, name)) for name in PERIODS},
        plots={name: address(replace(asked, plot=name)) for name in told.measures},
        drawn=told.plot or told.measures[0],
        compared=address(replace(asked, compare=not asked.compare)),
        exports={kind: address(asked, f"{PATH}/export.{kind}") for kind in ("csv", "xlsx")},
        labels_href=address(asked, f"{PATH}/labels"),
        slices=tuple(SLICES),
        most_slices=MOST_SLICES,
        kinds=measures_by_kind(),
        words_of_script=t.some(("reports.script.",)),
    )


@router.get("/labels")
async def labels_of(request: Request, state: State, principal: Reader, slice: str) -> JSONResponse:
    """The labels that a slice has in the period, those with the most calls first, each with the
    address that adds it to the filters."""
    asked = _asked(request)
    if slice not in SLICES:
        raise HTTPException(400)
    others = {name: labels for name, labels in asked.where.items() if name != slice}
    some = replace(asked, by=(slice,), where=others, measures=("offered",), compare=False)
    query = replace(_query(some, state, principal), limit=MOST_LABELS)
    found = await state.slowly(report, state.read, state.columns, query, state.now())
    shown = _labels(request, state)
    chosen = asked.where.get(slice, ())
    rows = sorted(found.rows, key=lambda row: -(row.values["offered"] or 0))
    return JSONResponse(
        [
            {
                "label": shown.label(slice, row.key[0]),
                "calls": shown.value("offered", row.values["offered"]),
                "href": address(replace(asked, where={**others, slice: (*chosen, row.key[0])})),
            }
            for row in rows
            if row.key[0] not in chosen
        ]
    )


@router.get("/export.csv")
async def as_text(request: Request, state: State, principal: Reader) -> Response:
    """The whole table as CSV: names as in the API, for programs."""
    found = await _exported(request, state, principal, "csv")
    return attachment(marked(as_csv(found)), "report", found.query.period, state.zone, "csv")


@router.get("/export.xlsx")
async def as_sheet(request: Request, state: State, principal: Reader) -> Response:
    """The whole table for Excel, in the page's language."""
    found = await _exported(request, state, principal, "xlsx")
    content = await state.in_thread(sheet, found, _labels(request, state), texts_of(request))
    return attachment(content, "report", found.query.period, state.zone, "xlsx")


async def _exported(request: Request, state: WebState, principal: Principal, kind: str) -> Report:
    """The report, once it is on record that somebody takes it away."""
    asked = _told(_asked(request))
    try:
        query = _query(asked, state, principal)
    except ReportError as error:
        raise HTTPException(400, str(error)) from error
    found = await state.slowly(report, state.read, state.columns, query, state.now())
    details = {"format": kind, "rows": len(found.rows)}
    await state.audit(principal, "exported", address(asked), details)
    return found


def _asked(request: Request) -> Asked:
    try:
        return Asked.read(request.query_params.multi_items())
    except ReportError as error:
        raise HTTPException(400, str(error)) from error


def _told(asked: Asked) -> Asked:
    """Without the measures that can't be told by these slices."""
    untold = asked.untold()
    left = tuple(name for name in asked.measures if name not in untold) or ("offered",)
    plot = asked.plot if asked.plot in left else ""
    return replace(asked, measures=left, plot=plot)


def _of_period(asked: Asked, name: str) -> Asked:
    return replace(asked, period=replace(asked.period, name=name, since="", until=""))


def _query(asked: Asked, state: WebState, principal: Principal) -> Query:
    departments = {one: name for one, name in state.staff.departments.items() if name}
    return asked.query(state.now(), state.zone, departments, limits(principal))


def _labels(request: Request, state: WebState) -> Labels:
    t = texts_of(request)
    return Labels(t, Words(t.language, state.zone), state.plan)
