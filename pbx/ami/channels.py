"""What we know of each channel of ours."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pbx.ami import caller_scripts as scripts
from pbx.ami.actions import Fields
from pbx.ami.protocol import Headers
from pbx.switch import port
from routing.values import CallId, Disposition, LegId

LEG_PREFIX = "voronka-"
"""Begins the Uniqueid of a leg of ours, so that it is known in Asterisk's own lists."""
SAY_PREFIX = "voronka-say-"
"""Begins the Uniqueids of both halves of an announcement."""
CALL_CONTEXT = "voronka-call"
"""Where callers are led (asterisk-conf/extensions.conf)."""
ALONE_CONTEXT = "voronka-alone"
"""Where callers are whom no engine serves."""
LIMIT_S = 8
"""The caller's time limit without a sign of the engine, seconds (asterisk-conf/extensions.conf)."""
RINGING, UP = "5", "6"
"""ChannelState as in Asterisk's channelstate.h."""
_ESCAPE = re.compile(r"\\(.)")

Answered = Callable[[Headers | None], None]


class Act(Protocol):
    """Sends an action.  ``answered`` gets the response (``LOST`` when the line broke before it
    came), or None when there will be none."""

    def __call__(self, name: str, fields: Fields, answered: Answered | None = None) -> None:
        """Raises UnsafeValue."""


@dataclass(frozen=True, slots=True)
class MessageFolder:
    """Where voicemail is written: as we see it and as Asterisk does."""

    here: Path
    on_switch: str


@dataclass(slots=True)
class ClientCall:
    """A client who is called back and has not talked.  ``there``: the channel was seen."""

    there: bool = False
    stopped: bool = False
    reason: str = ""


@dataclass(slots=True)
class CallerChannel:
    """A caller's channel.

    ``holding``: the command for the holding bridge was given; ``held``: the caller is in it.
    ``talk_bridge``: in a bridge with somebody.  ``talked``: since the last time in AGI.
    ``announcement``: the Uniqueid of what is being said to them there, "" for nothing.
    ``leaving``: to be taken out of the wait, unless somebody is joined first.
    ``limited``: we have renewed the dialplan's time limit, so we have to lift it, too.
    ``own_key``: the next # is ours, pressed to end a question of a time before us.
    ``waits``: the last command, where it was to wait.
    ``stranger``: talks since a time before us, and the engine does not know the call.
    ``client``: of whom we call, until they talk.
    ``answering``: Asterisk was told to answer, and has not said that it did.
    ``going``: they have hung up, and Asterisk is about to end the channel.
    """

    call_id: CallId
    channel: str
    answered: bool = False
    dialled: str = ""
    number: str = ""
    name: str = ""
    script: scripts.Script | None = None
    command: port.ForCaller | port.Hold | None = None
    agi_id: str = ""
    ready: bool = True
    todo: deque[port.ForCaller | port.Hold] = field(default_factory=deque)
    keys: scripts.Keys = field(default_factory=scripts.Keys)
    holding: bool = False
    held: bool = False
    holding_bridge: str = ""
    announcement: str = ""
    leaving: bool = False
    talk_bridge: str = ""
    joined: LegId | None = None
    talked: bool = False
    released: bool = False
    limited: bool = False
    own_key: bool = False
    waits: port.Hold | None = None
    stranger: bool = False
    client: ClientCall | None = None
    answering: bool = False
    going: bool = False

    @property
    def being_made(self) -> bool:
        """Asterisk may just be making it."""
        return self.client is not None and not self.client.there


class Recorder(Protocol):
    """Who makes files of what Asterisk records."""

    def start(self, tell: Callable[[port.RecordingEnded], None]) -> None:
        """Begin; ``tell`` is called in the running event loop."""

    def stop(self) -> None:
        """Leave what is not finished to the next engine."""

    def path(self, name: str) -> str:
        """Where Asterisk is to record to, without suffix."""

    def over(self, name: str, *, talked: bool) -> None:
        """The leg that was to be recorded is over; what becomes of it is told later."""

    def unfinished(self) -> frozenset[str]:
        """Names of what lay there a moment ago and is no finished file yet."""

    def take_up(self, names: Iterable[str]) -> None:
        """Nobody records these any more: make files of them."""


@dataclass(slots=True)
class LegChannel:
    """A leg that we ring.  ``record_as``: its talk is recorded under this name."""

    leg_id: LegId
    call_id: CallId
    channel: str = ""
    rings: bool = False
    picked_up: bool = False
    joined: bool = False
    stopped: Disposition | None = None
    reason: str = ""
    record_as: str = ""


def known(text: str) -> str:
    """A number or name as Asterisk shows it, without its word for none."""
    return "" if text == "<unknown>" else text


def known_name(text: str) -> str:
    """A name as it was sent: Asterisk writes it with C's escapes (``O\\'Hara``), numbers without.

    Escapes of control characters become a blank.
    """
    return _ESCAPE.sub(lambda found: found[1] if found[1] in "\\\"'?" else " ", known(text))
