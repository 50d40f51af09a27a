"""Calls: a list, and one with its whole story."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from pydantic import BaseModel, Field

from pbx.journal.queries import (
    IN_PROGRESS,
    WITHHELD,
    CallFilter,
    Heard,
    call_story,
    heard,
    list_calls,
)
from pbx.journal.story import CallRow, CallStory, LegRow, OfferRow, RecordingRow, StepRow, WaitRow
from pbx.web.access import Principal, Scope, needs
from pbx.web.api.paging import FIT, USUAL, Cursor, Limit, Moment, Word, cursor_of, place_of
from pbx.web.api.problems import problems
from pbx.web.hearing import may_hear_talk
from pbx.web.sight import sight_of
from pbx.web.state import State, WebState
from routing.values import Disposition, Outcome

router = APIRouter(prefix="/calls", tags=["calls"])
Reader = Annotated[Principal, Depends(needs(Scope.CALLS_READ))]
Id = Annotated[
    str, Path(description="The call's, as the log has it.", examples=["1795463763.12"]), FIT
]
Origin = Literal["client", "callback", "click"]


class Call(BaseModel):
    """A call in one line; what is not known, or not over yet, is null."""

    id: str = Field(examples=["1795463763.12"])
    started_at: datetime = Field(examples=["2026-11-23T09:00:00Z"])
    ended_at: datetime | None = Field(examples=["2026-11-23T09:03:12.400Z"])
    origin: Origin = Field(description="Who wanted it: a client, a callback, a manager's click.")
    number: str = Field(
        description='The client\'s; "" where it was withheld.', examples=["+79161234567"]
    )
    name: str = Field(examples=["Иван"])
    did: str = Field(description="The number of ours.", examples=["+78005553535"])
    source: str = Field(examples=["radio"])
    language: str = Field(examples=["ru"])
    outcome: Outcome | None = Field(examples=["answered"])
    short: bool = Field(description="Gave up within the queue's `short_abandon`.", examples=[False])
    wait_s: float | None = Field(examples=[11.2])
    talk_s: float | None = Field(examples=[175.9])
    queue: str | None = Field(description="The last one.", examples=["sales"])
    strategy: str | None = Field(examples=["ring-all"])
    manager: str | None = Field(description="Who talked last.", examples=["ivanov"])
    menu_path: str = Field(examples=["main › 2 › sales"])
    cause: str | None = Field(
        description="Of the hang-up, in the switch's words.", examples=["16 Normal Clearing"]
    )

    @classmethod
    def of(cls, call: CallRow) -> Self:
        """As the API tells it."""
        return cls(
            id=call.call_id,
            started_at=call.started_at,
            ended_at=call.ended_at,
            origin=call.origin,  # type: ignore[arg-type]
            number=call.number,
            name=call.name,
            did=call.did,
            source=call.source,
            language=call.language,
            outcome=None if call.outcome is None else Outcome(call.outcome),
            short=call.short,
            wait_s=call.wait_s,
            talk_s=call.talk_s,
            queue=call.queue,
            strategy=call.strategy,
            manager=call.agent,
            menu_path=call.menu_path,
            cause=call.cause,
        )


class ListedCall(Call):
    """With what there is to hear of it."""

    recordings: int = Field(description="That can be heard.", examples=[1])
    messages: int = Field(description="Left as voicemail.", examples=[0])


class CallPage(BaseModel):
    """``next``: where the page after this one begins; null: there is none."""

    items: list[ListedCall]
    next: str | None = Field(examples=[None])


class Leg(BaseModel):
    """A part in a call; what it did not get to is null."""

    id: str = Field(examples=["67f1a2-l12"])
    kind: str = Field(
        description="inbound, device (a phone rung), outside, bridge (a talk), transfer.",
        examples=["device"],
    )
    offer: str | None = Field(description="The offer that it was rung for.", examples=["67f1a2-o3"])
    of_leg: str | None = Field(
        description="Of a talk and a transfer: the leg it was with.", examples=[None]
    )
    manager: str | None = Field(examples=["ivanov"])
    address: str = Field(examples=["PJSIP/ivanov"])
    started_at: datetime = Field(examples=["2026-11-23T09:00:12Z"])
    rang_at: datetime | None = Field(examples=["2026-11-23T09:00:12Z"])
    joined_at: datetime | None = Field(examples=["2026-11-23T09:00:12Z"])
    ended_at: datetime | None = Field(examples=["2026-11-23T09:00:12Z"])
    disposition: Disposition | None = Field(examples=["answered"])
    cause: str | None = Field(examples=["16 Normal Clearing"])
    ring_s: float | None = Field(examples=[6.1])
    talk_s: float | None = Field(examples=[175.9])

    @classmethod
    def of(cls, leg: LegRow) -> Self:
        """As the API tells it."""
        return cls(
            id=leg.leg_id,
            kind=leg.kind,
            offer=leg.offer_id,
            of_leg=leg.of_leg,
            manager=leg.agent,
            address=leg.address,
            started_at=leg.started_at,
            rang_at=leg.rang_at,
            joined_at=leg.joined_at,
            ended_at=leg.ended_at,
            disposition=None if leg.disposition is None else Disposition(leg.disposition),
            cause=leg.cause,
            ring_s=leg.ring_s,
            talk_s=leg.talk_s,
        )


class Legs(BaseModel):
    """All of a call's, in the order of time."""

    items: list[Leg]


class Step(BaseModel):
    """A step in the menus."""

    at: datetime = Field(examples=["2026-11-23T09:00:12Z"])
    node: str = Field(examples=["welcome"])
    kind: str = Field(examples=["menu"])
    digits: str | None = Field(
        description='Pressed, card numbers masked; "": nothing; null: nothing was asked.',
        examples=["1"],
    )
    detail: str = Field(examples=["key 1 → welcome/1"])

    @classmethod
    def of(cls, step: StepRow) -> Self:
        """As the API tells it."""
        return cls(
            at=step.at, node=step.node, kind=step.kind, digits=step.digits, detail=step.detail
        )


class Wait(BaseModel):
    """A wait in a queue."""

    queue: str = Field(examples=["sales"])
    position: int = Field(description="At its beginning; 1 is next.", examples=[1])
    priority: int = Field(examples=[0])
    started_at: datetime = Field(examples=["2026-11-23T09:00:12Z"])
    ended_at: datetime | None = Field(examples=["2026-11-23T09:00:12Z"])
    waited_s: float | None = Field(examples=[11.2])
    reason: str | None = Field(description="Why it ended.", examples=["joined"])

    @classmethod
    def of(cls, wait: WaitRow) -> Self:
        """As the API tells it."""
        return cls(
            queue=wait.queue,
            position=wait.position,
            priority=wait.priority,
            started_at=wait.started_at,
            ended_at=wait.ended_at,
            waited_s=wait.waited_s,
            reason=wait.reason,
        )


class LeftOut(BaseModel):
    """A manager who was not rung."""

    manager: str = Field(examples=["petrova"])
    reason: str = Field(examples=["paused"])


class Offer(BaseModel):
    """Whom we rang, and why them."""

    id: str = Field(examples=["67f1a2-o3"])
    queue: str | None = Field(examples=["sales"])
    strategy: str = Field(examples=["ring-all"])
    why: str = Field(examples=["all who are free: 3"])
    chosen: list[str] = Field(examples=[["ivanov"]])
    left_out: list[LeftOut]
    at: datetime = Field(examples=["2026-11-23T09:00:12Z"])
    ended_at: datetime | None = Field(examples=["2026-11-23T09:00:12Z"])
    result: str | None = Field(examples=["joined"])

    @classmethod
    def of(cls, offer: OfferRow) -> Self:
        """As the API tells it."""
        return cls(
            id=offer.offer_id,
            queue=offer.queue,
            strategy=offer.strategy,
            why=offer.why,
            chosen=list(offer.chosen),
            left_out=[LeftOut(manager=one.agent, reason=one.reason) for one in offer.left_out],
            at=offer.at,
            ended_at=offer.ended_at,
            result=offer.result,
        )


class Sound(BaseModel):
    """A recording that one may hear: its sound is at `/recordings/{id}/audio`."""

    id: str = Field(examples=["67f1a2-l12"])
    started_at: datetime = Field(examples=["2026-11-23T09:00:12Z"])
    length_s: float | None = Field(
        description="Null while it is not finished, or failed.", examples=[175.9]
    )
    problem: str | None = Field(examples=[None])
    removed_at: datetime | None = Field(examples=[None])

    @classmethod
    def of(cls, row: RecordingRow) -> Self:
        """As the API tells it."""
        return cls(
            id=row.leg_id,
            started_at=row.started_at,
            length_s=row.length_s,
            problem=row.problem,
            removed_at=row.removed_at,
        )


class Message(BaseModel):
    """A voicemail."""

    id: str = Field(examples=["18ec206480df7d1a-000000006610"])
    at: datetime = Field(examples=["2026-11-23T09:00:12Z"])
    box: str = Field(examples=["sales"])
    length_s: float = Field(examples=[12.4])


class WholeCall(Call):
    """With all that the log has of it, each part in the order of time.

    ``recordings``: those that one may hear; without the scope `recordings:read` none.
    """

    steps: list[Step]
    waits: list[Wait]
    offers: list[Offer]
    legs: list[Leg]
    recordings: list[Sound]
    messages: list[Message]


@router.get("", name="list", summary="Calls", response_model=CallPage)
async def calls(
    state: State,
    principal: Reader,
    since: Annotated[Moment | None, Query(description="Began then or later.")] = None,
    until: Annotated[Moment | None, Query(description="Began before then.")] = None,
    number: Annotated[
        Word,
        Query(description=f"The client's, in any spelling, or its last digits, or {WITHHELD}."),
    ] = "",
    did: Annotated[Word, Query(description="The number of ours, likewise.")] = "",
    manager: Annotated[Word, Query(description="Rung or talked; a key.")] = "",
    queue: Annotated[Word, Query(description="Waited in it; a key.")] = "",
    outcome: Annotated[
        Outcome | Literal["in_progress"] | None, Query(description=f"Or {IN_PROGRESS}.")
    ] = None,
    recorded: Annotated[bool, Query(description="A recording of it can be heard.")] = False,
    limit: Limit = USUAL,
    after: Cursor = "",
) -> CallPage:
    """The newest first. A supervisor sees those of their queues and managers, a manager those for
    which their phone rang."""
    wanted = CallFilter(
        since=since,
        until=until,
        number=number or None,
        did=did or None,
        agent=manager or None,
        queue=queue or None,
        outcome=None if outcome is None else str(outcome),
        recorded=recorded,
        before=place_of(after),
        sight=sight_of(principal),
        limit=limit + 1,
    )
    found = await state.in_thread(list_calls, state.read, wanted)
    found.reverse()
    shown = found[:limit]
    sounds = await state.in_thread(heard, state.read, [one.call_id for one in shown])
    items = []
    for one in shown:
        sound = sounds.get(one.call_id, Heard())
        fields = Call.of(one).model_dump()
        items.append(ListedCall(**fields, recordings=sound.recordings, messages=sound.messages))
    last = shown[-1] if len(found) > limit else None
    return CallPage(
        items=items, next=None if last is None else cursor_of(last.started_at, last.call_id)
    )


@router.get(
    "/{call}", name="one", summary="A call", response_model=WholeCall, responses=problems(404)
)
async def call(state: State, principal: Reader, call: Id) -> WholeCall:
    """Its whole story: menu steps, waits, offers with the why of each, legs, recordings."""
    story = await _story(state, principal, call)
    sounds = []
    if principal.may(Scope.RECORDINGS_READ):
        agents = {leg.leg_id: leg.agent for leg in story.legs}
        sounds = [
            Sound.of(one)
            for one in story.recordings
            if may_hear_talk(principal, agents.get(one.leg_id), sees_call=True)
        ]
    return WholeCall(
        **Call.of(story.call).model_dump(),
        steps=[Step.of(one) for one in story.steps],
        waits=[Wait.of(one) for one in story.waits],
        offers=[Offer.of(one) for one in story.offers],
        legs=[Leg.of(one) for one in story.legs],
        recordings=sounds,
        messages=[
            Message(id=one.message_id, at=one.at, box=one.box, length_s=one.length_s)
            for one in story.messages
        ],
    )


@router.get(
    "/{call}/legs",
    name="legs",
    summary="A call's legs",
    response_model=Legs,
    responses=problems(404),
)
async def legs(state: State, principal: Reader, call: Id) -> Legs:
    """Each device's part in it, the talks and the transfers."""
    story = await _story(state, principal, call)
    return Legs(items=[Leg.of(one) for one in story.legs])


async def _story(state: WebState, principal: Principal, call_id: str) -> CallStory:
    """Raises HTTPException."""
    sight = sight_of(principal)
    story = await state.in_thread(call_story, state.read, call_id)
    if story is None or (sight is not None and not sight.shows(story)):
        raise HTTPException(404, "there is no such call, or it is not yours to see")
    return story
