"""The list of calls, and a call's own page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from pbx.journal.queries import CallFilter, Heard, call_story, heard, list_calls, totals
from pbx.journal.story import CallRow, Totals
from pbx.web.access import Principal, Role, Scope, needs
from pbx.web.call_around import Around, around
from pbx.web.call_query import CUSTOM, OUTCOMES, PERIODS, USUAL, CallQuery
from pbx.web.call_track import draw
from pbx.web.call_words import Teller
from pbx.web.hearing import may_hear_talk
from pbx.web.html import page, texts_of
from pbx.web.names import Names, stage_titles
from pbx.web.players import Player, players_of
from pbx.web.sight import sight_of
from pbx.web.state import State, WebState
from pbx.web.texts import Texts
from pbx.web.words import Words
from routing.values import Outcome

router = APIRouter()

PAGE = 100
"""Calls shown at once."""
SUMMED_DAYS = 92
"""A longer time is not summed up here: reports do that."""
TONES: Mapping[str | None, str] = {
    None: "talk",
    Outcome.ANSWERED: "good",
    Outcome.ABANDONED_IN_MENU: "bad",
    Outcome.ABANDONED_WAITING: "bad",
    Outcome.OVERFLOW: "warn",
    Outcome.VOICEMAIL: "warn",
    Outcome.FAILED: "bad",
    Outcome.REJECTED: "",
}
Reader = Annotated[Principal, Depends(needs(Scope.CALLS_READ))]


@dataclass(frozen=True, slots=True)
class Line:
    """A call as the list shows it.  ``rung``: who did not get it, where nobody did."""

    call: CallRow
    did: str
    queue: str
    agent: str
    rung: tuple[str, ...]
    tone: str
    heard: Heard


@dataclass(frozen=True, slots=True)
class Day:
    """Calls of one day, newest first."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A filter in force; ``without``: the address without it."""

    what: str
    without: str


@router.get("/calls", response_class=HTMLResponse)
async def calls(request: Request, state: State, principal: Reader) -> HTMLResponse:
    """The list, by the filters in its address."""
    query = CallQuery.of(request.query_params)
    wanted = query.wanted(state.now(), state.zone, PAGE + 1, sight_of(principal))
    found, sounds, sums = await state.in_thread(_found, state, wanted)
    more = len(found) > PAGE
    found = found[:PAGE]
    names = Names(state.plan)
    lines = [line_of(one, names, sounds.get(one.call_id, Heard())) for one in found]
    last = found[-1] if found else None
    agents = names.agents_for(principal)
    return page(
        request,
        "calls.html",
        principal,
        query=query,
        chosen=_chosen(query, texts_of(request), names),
        days=days_of(lines, state, texts_of(request)),
        shown=len(lines),
        sums=sums,
        older=query.address(before=(last.started_at, last.call_id)) if more and last else None,
        periods=tuple(PERIODS),
        outcomes=OUTCOMES,
        agents=agents if principal.role is not Role.MANAGER else [],
        queues=names.queues_for(principal),
        numbers=names.numbers(),
        names=names,
    )


def _found(
    state: WebState, wanted: CallFilter
) -> tuple[list[CallRow], Mapping[str, Heard], Totals | None]:
    found = list_calls(state.read, wanted)
    found.reverse()
    sums = None
    if wanted.before is None and wanted.since is not None:
        until = wanted.until or state.now()
        if until - wanted.since <= timedelta(days=SUMMED_DAYS):
            sums = totals(state.read, wanted)
    return found, heard(state.read, [one.call_id for one in found]), sums


def _chosen(query: CallQuery, t: Texts, names: Names) -> list[Chosen]:
    found: list[Chosen] = []

    def add(what: str, **without: object) -> None:
        found.append(Chosen(what, query.address(before=None, **without)))

    if query.period == CUSTOM:
        add(f"{query.since or '…'} - {query.until or '…'}", period=USUAL, since=None, until=None)
    if query.number:
        add(f"{t('calls.filter.number')}: {query.number}", number="")
    if query.agent:
        add(names.agent(query.agent), agent="")
    if query.queue:
        add(f"{t('calls.filter.queue')}: {names.queue(query.queue)}", queue="")
    if query.outcome:
        add(t(f"calls.outcome.{query.outcome}"), outcome="")
    if query.did:
        add(names.number(query.did), did="")
    if query.recorded:
        add(t("calls.filter.recorded"), recorded=False)
    return found


def line_of(call: CallRow, names: Names, sounds: Heard) -> Line:
    """A row of the list."""
    rung = dict.fromkeys(names.agent(leg.agent) for leg in call.legs if leg.agent)
    return Line(
        call=call,
        did=names.line(call.did),
        queue=names.queue(call.queue),
        agent=names.agent(call.agent),
        rung=() if call.agent else tuple(rung),
        tone=TONES.get(call.outcome, ""),
        heard=sounds,
    )


def days_of(lines: list[Line], state: WebState, t: Texts) -> list[Day]:
    """Under headings."""
    words = Words(t.language, state.zone)
    today = state.now().astimezone(state.zone).date()
    found: dict[date, list[Line]] = {}
    for line in lines:
        found.setdefault(line.call.started_at.astimezone(state.zone).date(), []).append(line)
    titles = {today: t("calls.today"), today - timedelta(days=1): t("calls.yesterday")}
    return [
        Day(titles.get(day) or words.day(some[0].call.started_at), tuple(some))
        for day, some in found.items()
    ]


@router.get("/calls/{call_id}", response_class=HTMLResponse)
async def call(
    request: Request, state: State, principal: Reader, call_id: str, view: str = ""
) -> HTMLResponse:
    """One call: its timeline and its story."""
    sight = sight_of(principal)
    story = await state.in_thread(call_story, state.read, call_id)
    # What somebody may not see is not there for them.
    if story is None or (sight is not None and not sight.shows(story)):
        raise HTTPException(404)
    beside: Around = await state.in_thread(around, state.read, story.call, sight)
    t, names = texts_of(request), Names(state.plan)
    players: list[Player] = []
    if principal.may(Scope.RECORDINGS_READ):
        heard_by = partial(may_hear_talk, principal, sees_call=True)
        players = await state.in_thread(players_of, state, story, names, heard_by)
    teller = Teller(t, names, Words(t.language, state.zone).day)
    return page(
        request,
        "call.html",
        principal,
        story=story,
        call=story.call,
        track=draw(story, state.now(), lead=view == "lead"),
        moments=teller.moments(story),
        teller=teller,
        names=names,
        around=beside,
        others=[line_of(one, names, Heard()) for one in beside.others],
        stages=stage_titles(state.plan, t),
        players=players,
        tone=TONES.get(story.call.outcome, ""),
    )
