"""What is done for a caller, as AGI commands one after another.

A script is a generator: it yields an AGI command and is resumed with Asterisk's answer, without a
task or an await, so an answer and the command after it lie in one turn of the event loop.

Keys come from DTMFEnd events, never from a command's answer: those only say that a command is
over.  So a key that is pressed between two commands is not lost.  The event of a key always comes
before the answer of the command that it ended: both are told by the caller's own thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from ivr import events as ivr_events
from pbx.ami.actions import agi_quoted, plain

Script = Generator[str, "Reply", ivr_events.Event | None]

_RESULT = re.compile(r"(\d{3})[ -]result=([^ ]*)(.*)", re.DOTALL)
ALL_KEYS = frozenset("0123456789*#")
MAX_TYPED = 40
"""Keys kept that were pressed before a question, at most."""


@dataclass(frozen=True, slots=True)
class Reply:
    """``200 result=1 (timeout)``: ``result`` is ``1``, ``data`` the rest."""

    code: int
    result: str
    data: str

    @property
    def dead(self) -> bool:
        """The channel is going, or the command could not be done."""
        return self.result == "-1" or self.code != 200


@dataclass(slots=True)
class Keys:
    """The keys that the caller pressed and nobody has used yet."""

    waiting: str = ""

    def press(self, key: str) -> None:
        """A key; what is no key of a telephone is not kept."""
        if key in ALL_KEYS and len(self.waiting) < MAX_TYPED:
            self.waiting += key

    def take(self) -> str:
        """All of them."""
        taken, self.waiting = self.waiting, ""
        return taken

    def give_back(self, keys: str) -> None:
        """More than was asked for: for the next question."""
        self.waiting = keys + self.waiting


def parse(text: str) -> Reply:
    """Asterisk's answer to an AGI command."""
    found = _RESULT.match(text.strip())
    if found is None:
        return Reply(510, "-1", text)
    return Reply(int(found[1]), found[2], found[3].strip())


def settle() -> Script:
    """Swallows the key by which we ended a question that nobody waits for: it takes effect about
    100 ms after Asterisk was told to press it."""
    yield _get_data("", 0.3, 1)
    return None


def play(sounds: Sequence[str]) -> Script:
    """All prompts, one after another; keys do not end them."""
    yield _playback(sounds)
    # A sound that is missing is passed over; STREAM FILE would end the whole AGI for it.
    reply = yield "GET VARIABLE PLAYBACKSTATUS"
    return ivr_events.PlayFinished(ok="FAILED" not in reply.data and not reply.dead)


def collect(
    sounds: Sequence[str],
    *,
    keys: Keys,
    max_digits: int,
    timeout_s: float,
    inter_digit_s: float,
    barge_in: bool,
) -> Script:
    """Prompts and digits.  ``keys`` may hold some that were pressed before the question."""
    if not barge_in:
        if sounds:
            yield _playback(sounds)
        keys.take()
        sounds = ()
    digits = keys.take()
    # GET DATA: any key ends the prompt, and a sound that is missing does not end AGI.
    for sound in sounds[:-1]:
        if not digits:
            yield _get_data(sound, 0.001, 1)
            digits = keys.take()
    if not digits:
        reply = yield _get_data(sounds[-1] if sounds else "", timeout_s, 1)
        digits = keys.take()
        if not digits and reply.dead and sounds:
            yield _get_data("", timeout_s, 1)
            digits = keys.take()
    if max_digits == 1:
        keys.give_back(digits[1:])
        return ivr_events.DigitsPressed(digits[:1])
    if digits and "#" not in digits and len(digits) < max_digits:
        yield _get_data("", inter_digit_s, max_digits - len(digits))
        digits += keys.take()
    first, ended, rest = digits.partition("#")
    if len(first) > max_digits or not ended:
        keys.give_back(first[max_digits:] + ended + rest)
        return ivr_events.DigitsPressed(first[:max_digits])
    keys.give_back(rest)
    return ivr_events.DigitsPressed(first, terminated=True)


def record(
    path: str,
    measure: Callable[[], float],
    name: str,
    max_s: float,
    silence_s: float,
    *,
    keys: Keys,
) -> Script:
    """A message to ``path`` (as Asterisk sees it, no suffix), measured afterwards."""
    yield (
        f"RECORD FILE {agi_quoted(path)} wav {agi_quoted('#')} {round(max_s * 1000)} 0 BEEP "
        f"s={max(1, round(silence_s))}"
    )
    keys.take()  # the one that ended it
    # Whatever the answer: a caller who hangs up while speaking has left a message all the same.
    return ivr_events.MessageRecorded(name, measure())


def hold(call_id: str, music: str) -> Script:
    """The holding bridge, until somebody takes the caller out of it, or for ever."""
    if music == "ringing":
        options = "e(r)"
    elif music in ("", "silence"):
        options = "e(s)"
    else:
        options = f"m({plain(music)})e(m)"
    yield f"EXEC BridgeWait {agi_quoted(f'voronka-{plain(call_id)},participant,{options}')}"
    return None


def playable(sounds: Sequence[str]) -> str:
    """Sounds as Playback's argument; what separates sounds or options can't be in a name."""
    named = [sound for sound in sounds if not set(sound) & set("&,|")]
    return "&".join(named) or "silence/1"


def _playback(sounds: Sequence[str]) -> str:
    return f"EXEC Playback {agi_quoted(playable(sounds))}"


def _get_data(sound: str, timeout_s: float, digits: int) -> str:
    return f"GET DATA {agi_quoted(sound)} {max(1, round(timeout_s * 1000))} {digits}"
