"""Recordings of talks, and their sound."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pbx.journal.queries import CallFilter
from pbx.recordings.listing import Recorded, recordings_page
from pbx.web.access import Principal, Scope, needs
from pbx.web.api.paging import FIT, USUAL, Cursor, Limit, Moment, Word, cursor_of, place_of
from pbx.web.api.problems import problems
from pbx.web.hearing import hearing_of, recording
from pbx.web.pages.recordings import sound_of
from pbx.web.state import State

router = APIRouter(prefix="/recordings", tags=["recordings"])
Listener = Annotated[Principal, Depends(needs(Scope.RECORDINGS_READ))]


class Recording(BaseModel):
    """A talk's.  What is not known of an engine that was killed is null."""

    id: str = Field(examples=["67f1a2-l12"])
    call_id: str | None = Field(examples=["1795463763.12"])
    started_at: datetime = Field(examples=["2026-11-23T09:00:12Z"])
    length_s: float | None = Field(
        description="Null while it is not finished, or failed.", examples=[175.9]
    )
    number: str | None = Field(description="The client's.", examples=["+79161234567"])
    did: str | None = Field(examples=["+78005553535"])
    queue: str | None = Field(examples=["sales"])
    manager: str | None = Field(examples=["ivanov"])
    problem: str | None = Field(description="Why there is none.", examples=[None])
    keep_until: datetime = Field(examples=["2027-02-21T09:00:12Z"])
    removed_at: datetime | None = Field(description="Its time was over.", examples=[None])

    @classmethod
    def of(cls, row: Recorded) -> Self:
        """As the API tells it."""
        return cls(
            id=row.leg_id,
            call_id=row.call_id,
            started_at=row.started_at,
            length_s=row.length_s,
            number=row.number,
            did=row.did,
            queue=row.queue,
            manager=row.agent,
            problem=row.problem,
            keep_until=row.keep_until,
            removed_at=row.removed_at,
        )


class RecordingPage(BaseModel):
    """``next``: where the page after this one begins; null: there is none."""

    items: list[Recording]
    next: str | None = Field(examples=[None])


@router.get("", name="list", summary="Recordings", response_model=RecordingPage)
async def recordings(
    state: State,
    principal: Listener,
    since: Annotated[Moment | None, Query(description="The call began then or later.")] = None,
    until: Annotated[Moment | None, Query(description="It began before then.")] = None,
    number: Annotated[Word, Query(description="The client's, in any spelling.")] = "",
    manager: Annotated[Word, Query(description="Who talked; a key.")] = "",
    queue: Annotated[Word, Query(description="A key.")] = "",
    limit: Limit = USUAL,
    after: Cursor = "",
) -> RecordingPage:
    """The newest first: a manager's own talks, a supervisor's people's."""
    wanted = CallFilter(
        since=since,
        until=until,
        number=number or None,
        agent=manager or None,
        queue=queue or None,
        limit=limit + 1,
    )
    found = await state.in_thread(
        recordings_page,
        state.read,
        wanted,
        hearing=hearing_of(principal),
        before=place_of(after),
    )
    last = found[limit - 1] if len(found) > limit else None
    return RecordingPage(
        items=[Recording.of(one) for one in found[:limit]],
        next=None if last is None else cursor_of(last.started_at, last.leg_id),
    )


@router.get(
    "/{recording}/audio",
    name="audio",
    summary="A recording's sound",
    response_class=Response,
    responses={
        200: {
            "content": {"audio/wav": {}},
            "description": "WAV: left the manager, right the client.",
        },
        206: {"content": {"audio/wav": {}}, "description": "The part that `Range` asks for."},
        416: {"description": "It has no such part."},
        **problems(404, 410),
    },
)
async def audio(
    request: Request,
    state: State,
    principal: Listener,
    recording_id: Annotated[str, Path(alias="recording", examples=["67f1a2-l12"]), FIT],
) -> Response:
    """Written down in the audit log as a download. 410: it was removed, or its file is gone."""
    wanted = await recording(state, principal, recording_id)
    return await sound_of(request, state, principal, wanted, play="", download=True)
