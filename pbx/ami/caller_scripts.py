"""What is done for a caller, as AGI commands one after another.

A script is a generator: it yields an AGI command and is resumed with Asterisk's answer, without a
task or an await, so an answer and the command after it lie in one turn of the event loop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from ivr import events as ivr_events
from pbx.ami.actions import agi_quoted, plain

Script = Generator[str, "Reply", ivr_events.Event | None]

_RESULT = re.compile(r"(\d{3})[ -]result=([^ ]*)(.*)", re.DOTALL)
ALL_KEYS = "0123456789*#"


@dataclass(frozen=True, slots=True)
class Reply:
    """``200 result=1 (timeout)``: ``result`` is ``1``, ``data`` the rest."""

    code: int
    result: str
    data: str

    @property
    def dead(self) -> bool:
        """The channel is going."""
        return self.result == "-1" or self.code != 200


def parse(text: str) -> Reply:
    """Asterisk's answer to an AGI command."""
    found = _RESULT.match(text.strip())
    if found is None:
        return Reply(510, "-1", text)
    return Reply(int(found[1]), found[2], found[3].strip())


def play(sounds: Sequence[str]) -> Script:
    """All prompts, one after another; keys do not end them."""
    ok = True
    for sound in sounds:
        reply = yield f'STREAM FILE {agi_quoted(sound)} ""'
        # A sound that is missing answers -1 as a hang-up does; a hang-up brings its own event.
        ok = ok and not reply.dead
    return ivr_events.PlayFinished(ok)


def collect(
    sounds: Sequence[str],
    *,
    typed: Callable[[], str],
    max_digits: int,
    timeout_s: float,
    inter_digit_s: float,
    barge_in: bool,
) -> Script:
    """Prompts and digits.  ``typed`` gives (once) what was pressed before the question."""
    digits = ""
    waiting_ms = max(1, round(timeout_s * 1000))
    if barge_in:
        digits = typed()
    else:
        for sound in sounds:
            yield f'STREAM FILE {agi_quoted(sound)} ""'
        typed()
        sounds = ()
    # Each prompt by itself: AGI plays no lists.  A key ends it and is the first digit; a sound
    # that is missing answers as a hang-up does, so the question is asked all the same.
    for sound in sounds[:-1]:
        if not digits:
            digits = _key((yield f'STREAM FILE {agi_quoted(sound)} "{ALL_KEYS}"'))
    if not digits and sounds:
        reply = yield f"GET DATA {agi_quoted(sounds[-1])} {waiting_ms} 1"
        if reply.dead:
            digits = _key((yield f"WAIT FOR DIGIT {waiting_ms}"))
        elif reply.result == "" and "timeout" not in reply.data:
            digits = "#"  # ends the input of GET DATA, and is not part of it
        else:
            digits = reply.result
    elif not digits:
        digits = _key((yield f"WAIT FOR DIGIT {waiting_ms}"))
    if not digits:
        return ivr_events.DigitsPressed("")
    if max_digits == 1:
        return ivr_events.DigitsPressed(digits[:1])
    between_ms = max(1, round(inter_digit_s * 1000))
    while "#" not in digits and len(digits) < max_digits:
        key = _key((yield f"WAIT FOR DIGIT {between_ms}"))
        if not key:
            break
        digits += key
    if "#" in digits:
        return ivr_events.DigitsPressed(digits[: digits.index("#")][:max_digits], terminated=True)
    return ivr_events.DigitsPressed(digits[:max_digits])


def record(
    path: str, here: Callable[[], float], name: str, max_s: float, silence_s: float
) -> Script:
    """A message to ``path`` (as Asterisk sees it, no suffix); ``here`` measures it afterwards."""
    reply = yield (
        f"RECORD FILE {agi_quoted(path)} wav {agi_quoted('#')} {round(max_s * 1000)} 0 BEEP "
        f"s={max(1, round(silence_s))}"
    )
    del reply  # a caller who hangs up while speaking has left a message all the same
    return ivr_events.MessageRecorded(name, here())


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


def _key(reply: Reply) -> str:
    """The key that ended a command, "" for none (its result is the key's ASCII code)."""
    code = int(reply.result) if reply.result.isdigit() else 0
    return chr(code) if 35 <= code <= 57 else ""
