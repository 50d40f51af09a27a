"""Which number is to be called back: the questions of one visit of an ``AskCallback`` node.

The caller hears their number, or types another; what may be called is not decided here, but asked
by ``CheckNumber``.  Silence agrees to the number that the caller calls from, to no other.
"""

from __future__ import annotations

from dataclasses import dataclass

from ivr import phrases
from ivr.commands import CheckNumber, Collect
from ivr.events import DigitsPressed, NumberChecked
from ivr.nodes import AskCallback, Prompt

YES, OTHER = "1", "2"
"""The keys of the question."""
MAX_DIGITS = 18
"""Longest number that is read: E.164 with the prefix for calls abroad."""
KEY_S = 5.0
NUMBER_S = 10.0
BETWEEN_S = 4.0
"""Waits for the answer, for a number's first digit and for its next, seconds."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """The number to call; ``waiting``: it is to be called back already."""

    number: str
    waiting: bool


@dataclass(frozen=True, slots=True)
class GivenUp:
    """No number, after all tries."""


class NumberTalk:
    """One visit.  ``begin``, then each answer brings what is next."""

    __slots__ = ("_checked", "_enters", "_node", "_own", "_tries")

    def __init__(self, node: AskCallback) -> None:
        self._node = node
        self._checked = NumberChecked("", "")
        self._own = True
        self._enters = False
        self._tries = 0

    def begin(self) -> CheckNumber:
        """May the number be called that the caller calls from?"""
        return CheckNumber(self._node.queue_id, "")

    def checked(self, event: NumberChecked, language: str) -> Collect | GivenUp:
        """The answer to a ``CheckNumber``."""
        self._checked = event
        if event.number:
            return self._ask(language)
        if self._own:
            return self._enter(language)
        return self._once_more(language, (phrases.CALLBACK_REFUSED,))

    def pressed(
        self, event: DigitsPressed, language: str
    ) -> Collect | CheckNumber | Agreed | GivenUp:
        """The answer to a ``Collect``."""
        if self._enters:
            if not event.digits:
                return self._once_more(language, ())
            self._own = False
            return CheckNumber(self._node.queue_id, event.digits)
        silent = not event.digits and not event.terminated
        if event.digits == YES or (silent and self._own):
            return Agreed(self._checked.number, self._checked.waiting)
        if event.digits == OTHER:
            return self._enter(language)
        if self._tries >= self._node.retries:
            return GivenUp()
        self._tries += 1
        return self._ask(language)

    def _once_more(self, language: str, before: tuple[Prompt, ...]) -> Collect | GivenUp:
        if self._tries >= self._node.retries:
            return GivenUp()
        self._tries += 1
        return self._enter(language, before)

    def _enter(self, language: str, before: tuple[Prompt, ...] = ()) -> Collect:
        self._enters = True
        prompts = (*before, phrases.CALLBACK_ENTER)
        return Collect(prompts, language, MAX_DIGITS, NUMBER_S, BETWEEN_S, barge_in=True)

    def _ask(self, language: str) -> Collect:
        self._enters = False
        digits = phrases.digits(self._checked.spoken)
        prompts = (phrases.CALLBACK_AT, *digits, phrases.CALLBACK_CONFIRM)
        return Collect(prompts, language, 1, KEY_S, KEY_S, barge_in=True)
