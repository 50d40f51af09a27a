"""Recordings and voicemail: the sound, and its waveform."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Request, Response
from starlette.exceptions import HTTPException

from pbx.recordings.waveform import NoWaveform
from pbx.web.access import Principal, Scope, needs
from pbx.web.accounts.audit import Action
from pbx.web.hearing import Hearable, recording, voicemail
from pbx.web.sound import NoSound, SoundResponse
from pbx.web.state import State, WebState

router = APIRouter()

Listener = Annotated[Principal, Depends(needs(Scope.RECORDINGS_READ))]


@router.api_route("/recordings/{leg_id}", methods=["GET", "HEAD"])
async def talk(
    request: Request,
    state: State,
    principal: Listener,
    leg_id: str,
    play: str = "",
    download: bool = False,
) -> Response:
    """A talk's sound.  ``play``: the page's mark of one play; ``download``: as a file."""
    wanted = await recording(state, principal, leg_id)
    return await sound_of(request, state, principal, wanted, play=play, download=download)


@router.get("/recordings/{leg_id}/waveform")
async def talk_waveform(state: State, principal: Listener, leg_id: str) -> Response:
    """How loud each side is."""
    return await waveform_of(state, await recording(state, principal, leg_id))


@router.api_route("/messages/{message_id}", methods=["GET", "HEAD"])
async def left(
    request: Request,
    state: State,
    principal: Listener,
    message_id: str,
    play: str = "",
    download: bool = False,
) -> Response:
    """A voicemail's sound, likewise."""
    wanted = await voicemail(state, principal, message_id)
    return await sound_of(request, state, principal, wanted, play=play, download=download)


@router.get("/messages/{message_id}/waveform")
async def left_waveform(state: State, principal: Listener, message_id: str) -> Response:
    """How loud it is."""
    return await waveform_of(state, await voicemail(state, principal, message_id))


async def sound_of(
    request: Request,
    state: WebState,
    principal: Principal,
    wanted: Hearable,
    *,
    play: str,
    download: bool,
) -> Response:
    """The file, once it is written down who has it.  Raises HTTPException, JournalError."""
    try:
        sound = await state.in_thread(wanted.open)
    except NoSound:
        raise HTTPException(410, "the file is gone") from None
    try:
        if request.method != "HEAD":
            await _write_down(state, principal, wanted, play, download)
        return SoundResponse(request, sound, wanted.name, download=download)
    except BaseException:
        sound.file.close()
        raise


async def _write_down(
    state: WebState, principal: Principal, wanted: Hearable, play: str, download: bool
) -> None:
    action: Action = "downloaded" if download else "listened"
    details = {"call_id": wanted.call_id} if wanted.call_id else None

    async def write() -> None:
        await state.audit(principal, action, wanted.subject, details)

    who, what = f"{principal.kind}:{principal.name}", f"{action} {wanted.subject}"
    await state.plays.note(who, what, play, state.now().timestamp(), write)


async def waveform_of(state: WebState, wanted: Hearable) -> Response:
    """Raises HTTPException."""
    try:
        made = await state.waveforms.of(wanted.open)
    except NoSound:
        raise HTTPException(410, "the file is gone") from None
    except NoWaveform:
        raise HTTPException(404, "not a sound of ours") from None
    whose = wanted.lanes if len(made.lanes) == len(wanted.lanes) else wanted.lanes[-1:]
    lanes = [{"of": of, "peaks": peaks} for of, peaks in zip(whose, made.lanes, strict=False)]
    body = orjson.dumps({"length_s": made.length_s, "lanes": lanes})
    return Response(body, media_type="application/json")
