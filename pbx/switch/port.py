"""Any telephone switch, seen from the engine: events come up, commands go down.

The legs' events are routing's own (``DeviceRinging``, ``DeviceAnswered``, ``Joined``,
``LegEnded``), a caller's are ivr's own, wrapped in ``CallerDid``.  What a switch promises:

- ``CallArrived`` is a call's first event, ``CallerGone`` its last and sent exactly once.
- After ``Ring`` there is exactly one ``LegEnded`` for that leg, whatever happens.
- Of all legs of a call that are picked up, at most one at a time gets ``Joined``; the others end
  with disposition answered_elsewhere.
- After ``Joined``, the end of the talk is the leg's ``LegEnded`` (answered), and, when the caller
  is still there and not transferred, ``TalkOver``.
- After ``Announce`` there is exactly one ``AnnouncementOver``, unless the caller leaves the wait
  before: then there may be none.
- After ``Fetch`` comes either ``WaitLeft`` or the ``Joined`` of a leg, whichever the switch did.
- After the ``LegEnded`` of a leg that joined and was to be recorded (``record_as``) there is one
  ``RecordingEnded``, in the next seconds or, where the engine is away, when there is one again.
  One with a ``problem`` may be followed by another without.
- A ``Ring`` with a ``greeting`` gets no ``Joined`` before ``CallClient``; who picks up and stays
  gets one ``GreetingHeard``.  After ``CallClient`` comes either ``Joined``, and then all is as with
  a caller who arrived, or ``ClientNotReached``.
- Events of one call come in the order in which they happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ivr import events as ivr_events
from ivr.commands import Collect, HangUpCaller, PlayPrompts, RecordMessage
from ivr.nodes import Prompt
from routing.commands import StopRinging
from routing.events import DeviceAnswered, DeviceRinging, Joined, LegEnded
from routing.values import CallId, Disposition, LegId, Seconds

UNSEEN = "not seen to its end"
"""The cause (or its end) of a call or leg whose end nobody saw: the switch's own records know."""


CLIENT_PREFIX = "callback-"
"""Begins the ids of the calls that we make (``CallClient``)."""


@dataclass(frozen=True, slots=True)
class CallArrived:
    """A new caller.  ``number``, ``name`` and ``dialled`` as the switch gave them (raw)."""

    call_id: CallId
    dialled: str
    number: str
    name: str


@dataclass(frozen=True, slots=True)
class CallerDid:
    """Something for the caller's walk."""

    call_id: CallId
    event: ivr_events.Event


@dataclass(frozen=True, slots=True)
class CallerGone:
    """The caller's channel is gone.  ``cause``: the switch's words (``16 Normal Clearing``)."""

    call_id: CallId
    cause: str


@dataclass(frozen=True, slots=True)
class TalkOver:
    """The talk ended and the caller is still on the line."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class AnnouncementOver:
    """What ``Announce`` asked for was heard, or could not be played."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A caller who waits (``Hold``) pressed a key: 0-9, * or #."""

    call_id: CallId
    key: str


@dataclass(frozen=True, slots=True)
class WaitLeft:
    """What ``Fetch`` asked for: the caller waits no more, and nobody can be joined with them."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class LegKey:
    """Who talks on a recorded leg pressed a key: 0-9, * or #."""

    leg_id: LegId
    key: str


@dataclass(frozen=True, slots=True)
class RecordingPaused:
    """What ``PauseRecording`` asked for is done."""

    leg_id: LegId
    paused: bool


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """The recording named ``name`` is a finished file of ``length_s``, or there is none, for a
    ``problem`` ("" for none)."""

    name: str
    length_s: Seconds
    problem: str = ""


@dataclass(frozen=True, slots=True)
class CallerTransferred:
    """The agent sent the caller on to ``target`` (what they dialled)."""

    call_id: CallId
    target: str


@dataclass(frozen=True, slots=True)
class CallerHandedOver:
    """The agent joined the caller with another call of theirs (an attended transfer).

    ``target``: what the agent had dialled there; ``address``: the device that talks now.  The end
    of that talk is told as ``TalkOver``, ``CallerTransferred`` or ``CallerGone``.
    """

    call_id: CallId
    target: str
    address: str


@dataclass(frozen=True, slots=True)
class CallerTaken:
    """The caller, who waits, talks with the device at ``address``, which we did not ring: an engine
    before us did.  The end of that talk is told as ``TalkOver``, ``CallerTransferred`` or
    ``CallerGone``."""

    call_id: CallId
    address: str


@dataclass(frozen=True, slots=True)
class TalkFound:
    """A caller of ours who talks since before our time was found in the switch.

    ``leg_id``: the leg, rung by an engine before us, whose end is told as ``LegEnded``; "" where
    they talk with the device at ``address`` by a call of its own.  ``record_as``: the talk is being
    recorded under this name, "" for not.  The talk's end is told as that of any other.  The rest is
    as in ``CallerFound``.
    """

    call_id: CallId
    leg_id: LegId
    address: str
    dialled: str
    number: str
    name: str
    started_at: Seconds
    record_as: str = ""


@dataclass(frozen=True, slots=True)
class AddressBusy:
    """A device is in a call that we did not start.  ``key``: unique per such call."""

    address: str
    key: str


@dataclass(frozen=True, slots=True)
class OwnCallJoined:
    """Whoever was dialled in the call of ``AddressBusy`` with the same key picked up and talks.

    ``dialled``: as dialled on the device (raw).  At most once for a call, and not for one that
    came to the device.
    """

    address: str
    key: str
    dialled: str


@dataclass(frozen=True, slots=True)
class StageDialled:
    """On a device somebody dialled the funnel's code.  ``number``: of the stage, from 1; 0 for
    qualified.  ``key``: as in ``AddressBusy``."""

    address: str
    key: str
    number: int


@dataclass(frozen=True, slots=True)
class AddressIdle:
    """The end of ``AddressBusy`` with the same key."""

    address: str
    key: str


@dataclass(frozen=True, slots=True)
class AddressReachable:
    """A device can be rung, or (``reachable`` False) can't."""

    address: str
    reachable: bool


@dataclass(frozen=True, slots=True)
class CallerFound:
    """A caller of ours was found in the switch after the engine had been away.

    ``started_at``: seconds since the epoch, from the switch.
    """

    call_id: CallId
    dialled: str
    number: str
    name: str
    started_at: Seconds


@dataclass(frozen=True, slots=True)
class GreetingHeard:
    """Who picked up has heard the ``greeting``, or skipped it by a key, and waits."""

    leg_id: LegId


@dataclass(frozen=True, slots=True)
class ClientNotReached:
    """Who was called by ``CallClient`` did not talk: the last that is heard of this call."""

    call_id: CallId
    disposition: Disposition
    cause: str


@dataclass(frozen=True, slots=True)
class ClientFound:
    """A client whom an engine before us called (``CallClient``) is in the switch.

    What follows is told as ever: ``TalkFound`` where they talk already, ``CallerTaken`` where they
    will, then ``CallerGone``; or ``ClientNotReached``.
    """

    call_id: CallId


@dataclass(frozen=True, slots=True)
class Phones:
    """What the switch knows of all phones, for a plan that names others than before.

    ``unreachable``: their addresses; ``own_calls``: key to address of each call that is not ours.
    """

    unreachable: frozenset[str] = frozenset()
    own_calls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SwitchUp:
    """Connected and re-read: what is not known to the switch any more has been told gone."""


@dataclass(frozen=True, slots=True)
class SwitchDown:
    """The connection is lost; the switch goes on by itself until ``SwitchUp``."""

    reason: str


SwitchEvent = (
    CallArrived
    | CallerDid
    | CallerGone
    | TalkOver
    | AnnouncementOver
    | KeyPressed
    | WaitLeft
    | LegKey
    | RecordingPaused
    | RecordingEnded
    | CallerTransferred
    | CallerHandedOver
    | CallerTaken
    | CallerFound
    | TalkFound
    | DeviceRinging
    | DeviceAnswered
    | Joined
    | LegEnded
    | AddressBusy
    | OwnCallJoined
    | StageDialled
    | AddressIdle
    | AddressReachable
    | GreetingHeard
    | ClientNotReached
    | ClientFound
    | SwitchUp
    | SwitchDown
)


@dataclass(frozen=True, slots=True)
class ForCaller:
    """Do this for the caller; its result comes back as ``CallerDid``.

    A caller who waits (``Hold``) is fetched back first; one who is not yet answered is answered.
    Given before the one before is answered, it takes that one's place.
    """

    call_id: CallId
    command: PlayPrompts | Collect | RecordMessage | HangUpCaller


@dataclass(frozen=True, slots=True)
class Hold:
    """The caller is answered and waits with music (a class of the switch), ``ringing`` tone when
    ``music`` is "ringing", or silence when ""; legs can join them from now on."""

    call_id: CallId
    music: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Say this to a caller who waits (``Hold``), instead of the music and without an end of the
    wait: phones ring on, and whoever is joined meanwhile ends it at once."""

    call_id: CallId
    prompts: tuple[Prompt, ...]
    language: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Take a caller out of the wait (``Hold``).  Phones ring on until they are stopped; who is
    joined first has the caller."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring a device for a caller; the first leg picked up gets the caller (see above).

    ``caller_number`` and ``caller_name`` are shown on the device.  ``record_as``: the talk is
    recorded from its first word under this name, both sides apart; "" for not at all.
    ``greeting``: the caller is yet to be called; who picks up hears this (any key skips it), and
    waits for them.
    """

    leg_id: LegId
    call_id: CallId
    address: str
    ring_time_s: Seconds
    caller_number: str
    caller_name: str
    record_as: str = ""
    greeting: PlayPrompts | None = None


@dataclass(frozen=True, slots=True)
class CallClient:
    """Call the client for whom ``leg_id`` was rung (with a ``greeting``) and picked up; both are
    joined when the client picks up, and has heard the ``notice``, if there is one.

    ``shown_number``: the number of the company's that the client sees.  ``HangUpCaller`` ends it.
    """

    call_id: CallId
    leg_id: LegId
    address: str
    ring_time_s: Seconds
    shown_number: str
    notice: PlayPrompts | None = None


@dataclass(frozen=True, slots=True)
class PauseRecording:
    """Record silence instead of the talk on this leg, or (``paused`` False) the talk again."""

    leg_id: LegId
    paused: bool


@dataclass(frozen=True, slots=True)
class Release:
    """Give the caller up to the dialplan's own way out (the engine is stopping).  No event but
    ``CallerGone`` follows for this call."""

    call_id: CallId


@dataclass(frozen=True, slots=True)
class StageNoted:
    """Who dialled ``StageDialled`` with this key is told that it is noted."""

    key: str


SwitchCommand = (
    ForCaller
    | Hold
    | Announce
    | Fetch
    | Ring
    | CallClient
    | PauseRecording
    | StopRinging
    | StageNoted
    | Release
)

PromptResolver = Callable[[Prompt, str], str]
"""(prompt, language) -> what the switch plays: a sound name or an absolute path, no suffix."""


class Switch(Protocol):
    """A telephone switch."""

    async def start(self, on_event: Callable[[SwitchEvent], None]) -> None:
        """Connect (or fail with LoginRefused) and deliver events from now on.

        ``on_event`` is quick, never awaits and never raises.
        """

    def send(self, command: SwitchCommand) -> None:
        """Carry out a command.  Never blocks, never raises: a failure comes back as an event."""

    async def stop(self) -> None:
        """Disconnect; calls in the switch are left as they are."""
