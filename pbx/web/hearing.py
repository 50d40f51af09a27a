"""What may be heard: a recording or a voicemail, by its id, for who asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from starlette.exceptions import HTTPException

from pbx.journal.queries import call_story, message
from pbx.journal.story import CallStory
from pbx.recordings.listing import Hearing, Recorded, recorded
from pbx.recordings.names import file_of
from pbx.web.principal import Principal, Role
from pbx.web.seen import agents_seen
from pbx.web.sight import sight_of
from pbx.web.sound import NoSound, Sound, open_sound
from pbx.web.state import WebState


@dataclass(frozen=True, slots=True)
class Hearable:
    """``subject``: what the audit log calls it.  ``lanes``: whom its channels are of, the first one
    first: manager, client."""

    subject: str
    name: str
    call_id: str | None
    lanes: tuple[str, ...]
    open: Callable[[], Sound]


async def recording(state: WebState, principal: Principal, leg_id: str) -> Hearable:
    """Raises HTTPException: 404 where there is none, or none for them; 410 where it is gone."""
    found = await state.in_thread(recorded, state.read, leg_id)
    if found is None or not await _may_hear(state, principal, found):
        raise HTTPException(404)
    if found.removed_at is not None:
        raise HTTPException(410, "removed: its time was over")
    if found.length_s is None:
        raise HTTPException(404, found.problem or "not finished yet")
    name = found.path.rpartition("/")[2]
    opener = partial(open_recording, state.settings.recordings, found.path)
    return Hearable(f"recording {leg_id}", name, found.call_id, ("manager", "client"), opener)


async def voicemail(state: WebState, principal: Principal, message_id: str) -> Hearable:
    """Raises HTTPException 404."""
    found = await state.in_thread(message, state.read, message_id)
    if found is None or not await _sees(state, principal, found[0]):
        raise HTTPException(404)
    call_id, row = found
    opener = partial(open_sound, state.settings.messages, row.path)
    name = f"voicemail-{row.at:%Y-%m-%d-%H%M%S}.wav"
    return Hearable(f"voicemail {message_id}", name, call_id, ("client",), opener)


def open_recording(folder: Path, path: str) -> Sound:
    """The file of a path in the log, which must be one that we make.  Blocking.  Raises NoSound."""
    try:
        file_of(folder, path)
    except ValueError:
        raise NoSound(path) from None
    return open_sound(folder, path)


def hearing_of(principal: Principal) -> Hearing | None:
    """The same as a condition for the log; None: all."""
    agents = agents_seen(principal)
    if agents is None:
        return None
    supervises = principal.role is Role.SUPERVISOR
    return Hearing(agents, sight_of(principal) if supervises else None)


def may_hear_talk(principal: Principal, agent: str | None, *, sees_call: bool) -> bool:
    """A manager their own talks; a supervisor those of their people, and those with outside numbers
    in calls that they see."""
    if principal.sees_everything() or principal.sees_agent(agent):
        return True
    return agent is None and sees_call and principal.role is Role.SUPERVISOR


async def _may_hear(state: WebState, principal: Principal, found: Recorded) -> bool:
    if may_hear_talk(principal, found.agent, sees_call=False):
        return True
    if found.agent is not None or found.call_id is None:
        return False
    sees = await _sees(state, principal, found.call_id)
    return may_hear_talk(principal, None, sees_call=sees)


async def _sees(state: WebState, principal: Principal, call_id: str) -> bool:
    sight = sight_of(principal)
    if sight is None:
        return True
    story: CallStory | None = await state.in_thread(call_story, state.read, call_id)
    return story is not None and sight.shows(story)
