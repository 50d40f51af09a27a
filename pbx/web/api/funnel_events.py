"""Events of the funnel: a contact or a deal passed a stage."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from pbx.funnel import telling
from pbx.funnel.book import Noted
from pbx.funnel.events import EventFilter, list_events
from pbx.funnel.stages import StageEvent
from pbx.funnel.telling import LONGEST, MOST, EventsRefused, Slip, Told
from pbx.numbers import normalise
from pbx.web.access import Principal, Role, Scope, needs
from pbx.web.api.paging import USUAL, Cursor, Limit, Moment, Word, cursor_of, place_of
from pbx.web.api.problems import problems
from pbx.web.faults import problem
from pbx.web.seen import agents_seen
from pbx.web.state import State, WebState

router = APIRouter(tags=["funnel"])
CRM = "crm"
"""``via`` of what programs tell."""
_DEAL = "deal:"
_Text = Annotated[str, Field(max_length=LONGEST)]


class NewEvent(BaseModel):
    """A contact (by number) or a deal passed a stage."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "id": "deal-17-invoice",
                    "stage": "invoice",
                    "at": "2026-11-23T12:00:00+03:00",
                    "number": "+79161234567",
                    "deal": "17",
                    "manager": "ivanov",
                    "source": "site",
                    "call_id": "1795463763.12",
                }
            ]
        },
    )

    id: str = Field(
        min_length=1,
        max_length=LONGEST,
        description="Yours; the same again with the same content changes nothing.",
    )
    stage: _Text = Field(description="A stage of the plan, or `qualified`.")
    at: Moment | None = Field(default=None, description="With its time zone; default: now.")
    number: _Text = Field(default="", description="The contact's, in any spelling.")
    deal: _Text = Field(default="", description="Its id in the CRM.")
    manager: _Text = Field(default="", description="A key of the plan.")
    source: _Text = ""
    call_id: _Text = Field(
        default="",
        description="Of the call it came of. Without number and deal, that call's caller.",
    )

    def told(self) -> Told:
        """As the funnel takes it."""
        return Told(
            self.id,
            self.stage,
            self.at,
            self.number,
            self.deal,
            self.manager,
            self.source,
            self.call_id,
        )


class NewEvents(BaseModel):
    """All of them are taken, or none."""

    model_config = ConfigDict(extra="forbid")

    events: list[NewEvent] = Field(min_length=1, max_length=MOST)


class Taken(BaseModel):
    """How many were new, and how many had been told before."""

    new: int = Field(examples=[1])
    known: int = Field(examples=[0])

    @classmethod
    def of(cls, noted: Noted) -> Self:
        """What the funnel says."""
        return cls(new=noted.new, known=noted.known)


class KnownEvent(BaseModel):
    """An event that is written; it never changes."""

    id: str = Field(examples=["deal-17-invoice"])
    stage: str = Field(examples=["invoice"])
    at: datetime = Field(examples=["2026-11-23T09:00:00Z"])
    number: str = Field(examples=["+79161234567"])
    deal: str = Field(examples=["17"])
    manager: str = Field(examples=["ivanov"])
    source: str = Field(examples=["site"])
    call_id: str = Field(examples=["1795463763.12"])
    via: str = Field(description="Who told it: crm, manager, csv.", examples=["crm"])

    @classmethod
    def of(cls, event: StageEvent) -> Self:
        """As the API tells it."""
        subject = event.subject
        return cls(
            id=event.key,
            stage=event.stage,
            at=event.at,
            number=event.number,
            deal=subject.removeprefix(_DEAL) if subject.startswith(_DEAL) else "",
            manager=event.agent,
            source=event.source,
            call_id=event.call_id,
            via=event.via,
        )


class EventPage(BaseModel):
    """``next``: where the page after this one begins; null: there is none."""

    items: list[KnownEvent]
    next: str | None = Field(examples=[None])


@router.post(
    "/funnel/events",
    summary="Tell that stages were passed",
    response_model=Taken,
    responses=problems(409, 413),
)
async def tell(
    body: NewEvents,
    state: State,
    principal: Annotated[Principal, Depends(needs(Scope.FUNNEL_WRITE))],
) -> Taken | Response:
    """Up to 1,000 at once: all are taken, or none.

    Each event has an `id` of yours: told again with the same content it is known and changes
    nothing, so a request that broke off is simply sent again. With another content it is refused
    (409). A manager's event without `manager` is their own.
    """
    events = [_own(one.told(), principal) for one in body.events]
    slips = [
        Slip(index, "manager", "is not one of yours; name one")
        for index, one in enumerate(events)
        if not principal.sees_agent(one.manager or None)
    ]
    return refused(slips) if slips else await taken(state, events)


async def taken(state: WebState, events: list[Told]) -> Taken | Response:
    """Written, or why not.  Raises JournalError."""
    try:
        noted = await state.in_thread(
            telling.record, state.write, events, state.plan, state.now(), via=CRM
        )
    except EventsRefused as error:
        return refused(error.slips)
    return Taken.of(noted)


def refused(slips: list[Slip] | tuple[Slip, ...]) -> Response:
    """Each mistake with its place."""
    status = 409 if all(one.conflict for one in slips) else 422
    errors = [
        {"where": ["body", "events", str(one.index), one.field], "what": one.what}
        for one in slips[:MOST]
    ]
    return problem(status, "nothing was taken", errors=errors)


def _own(told: Told, principal: Principal) -> Told:
    if told.manager or principal.role is not Role.MANAGER or principal.agent_id is None:
        return told
    return replace(told, manager=principal.agent_id)


@router.get("/funnel/events", summary="Stages that were passed", response_model=EventPage)
async def events(
    state: State,
    principal: Annotated[Principal, Depends(needs(Scope.FUNNEL_READ))],
    since: Annotated[Moment | None, Query(description="Passed then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Passed before then.")] = None,
    stage: Word = "",
    number: Annotated[Word, Query(description="The contact's, in any spelling.")] = "",
    deal: Word = "",
    manager: Word = "",
    call_id: Word = "",
    limit: Limit = USUAL,
    after: Cursor = "",
) -> EventPage:
    """The newest first. A manager sees their own, a supervisor those of their departments."""
    seen = agents_seen(principal)
    if manager:
        seen = frozenset({manager} if seen is None else seen & {manager})
    wanted = EventFilter(
        since=since,
        until=until,
        stage=stage or None,
        number=normalise(number, state.plan.region).e164 or number or None,
        deal=deal or None,
        call_id=call_id or None,
        agents=seen,
        before=place_of(after),
        limit=limit + 1,
    )
    found = await state.in_thread(list_events, state.read, wanted)
    more = cursor_of(found[limit - 1].at, found[limit - 1].key) if len(found) > limit else None
    return EventPage(items=[KnownEvent.of(one) for one in found[:limit]], next=more)
