"""What there is to hear on a call's page, and what is said where there is nothing."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import quote

from pbx.journal.story import CallStory, RecordingRow
from pbx.web.hearing import open_recording
from pbx.web.names import Names
from pbx.web.sound import NoSound, is_there
from pbx.web.state import WebState


class Sounding(StrEnum):
    """Whether it can be heard."""

    READY = "ready"
    WRITTEN = "written"
    """The talk goes on, or its file is being made."""
    REMOVED = "removed"
    """Its time was over."""
    GONE = "gone"
    """The log knows it, the folder does not."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Player:
    """``address``: where the sound is; ``with_whom``: the manager of a talk, the box of a message;
    ``why``: of a recording that failed."""

    kind: str
    address: str
    play: str
    with_whom: str
    at: datetime
    length_s: float | None
    state: Sounding
    why: str = ""


def players_of(
    state: WebState, story: CallStory, names: Names, may_hear: Callable[[str | None], bool]
) -> list[Player]:
    """In the order of time; blocking.  ``may_hear``: the talks of a manager."""
    legs = {leg.leg_id: leg for leg in story.legs}
    found: list[Player] = []
    for row in story.recordings:
        leg = legs.get(row.leg_id)
        agent = leg.agent if leg is not None else None
        if not may_hear(agent):
            continue
        who = names.agent(agent) if agent else names.device(leg.address) if leg else ""
        found.append(
            Player(
                "recording",
                f"/recordings/{quote(row.leg_id, safe='')}",
                secrets.token_urlsafe(9),
                who,
                row.started_at,
                row.length_s,
                _state(state, row),
                row.problem or "",
            )
        )
    for message in story.messages:
        there = is_there(state.settings.messages, message.path)
        found.append(
            Player(
                "message",
                f"/messages/{quote(message.message_id, safe='')}",
                secrets.token_urlsafe(9),
                message.box,
                message.at,
                message.length_s,
                Sounding.READY if there else Sounding.GONE,
            )
        )
    return sorted(found, key=lambda one: one.at)


def _state(state: WebState, row: RecordingRow) -> Sounding:
    if row.removed_at is not None:
        return Sounding.REMOVED
    if row.problem:
        return Sounding.FAILED
    if row.length_s is None:
        return Sounding.WRITTEN
    try:
        open_recording(state.settings.recordings, row.path).file.close()
    except NoSound:
        return Sounding.GONE
    return Sounding.READY
