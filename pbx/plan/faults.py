"""What is wrong with a dial plan, and how it is told: the place, the line, what would be right.

::

    config/queues.yaml:14:15: queue "sales": unknown strategy "raund-robin"
       14 |     strategy: raund-robin
          |               ^^^^^^^^^^^ did you mean "round-robin"?
       known: fewest-calls, linear, longest-idle, random, ring-all, round-robin, ...
    1 error, nothing was loaded
"""

from __future__ import annotations

import difflib
import heapq
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pbx.errors import PbxError

MAX_FAULTS = 500
"""Faults kept; more than a person reads, few enough to stay quick on a hostile file."""
_COMPARED = 2_000
"""Names a misspelt one is compared with: 10 ms; a hostile plan must not make it minutes."""
_SHOWN_WIDTH = 100
_KNOWN_WIDTH = 72
_LOOKALIKES = str.maketrans("авеікмнорстухѕјАВЕІКМНОРСТУХЅЈ", "abeikmhopctyxsjABEIKMHOPCTYXSJ")
"""Cyrillic letters that cannot be told from Latin ones on a screen."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One mistake.

    ``line`` and ``column`` count from 1; line 0 means the file as a whole.  ``length``: how many
    characters of the line are meant.  ``hint`` stands behind the caret, ``notes`` below it.
    ``text``: the offending line.
    """

    file: Path
    line: int
    column: int
    message: str
    hint: str = ""
    length: int = 1
    text: str = ""
    notes: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        """The file as printable text: its name need not be any."""
        return str(self.file).encode("utf-8", "replace").decode()

    @property
    def place(self) -> str:
        """``file:line:column``, or the file alone."""
        name = self.file_name
        return f"{name}:{self.line}:{self.column}" if self.line else name

    def render(self) -> str:
        """The fault as a person reads it: several lines, no line break at the end."""
        lines = [f"{self.place}: {self.message}"]
        if self.line:
            shown, before, marked = _window(self.text, self.column - 1, self.length)
            lines.append(f"{self.line:>5} | {shown}".rstrip())
            lines.append(f"      | {' ' * before}{'^' * marked} {self.hint}".rstrip())
        elif self.hint:
            lines.append(f"   {self.hint}")
        lines += [f"   {note}" for note in self.notes]
        return "\n".join("".join(map(_shown, line)) for line in lines)


class PlanError(PbxError):
    """The dial plan can't be loaded; ``faults`` is never empty.

    ``left_out``: how many more there were than ``faults`` holds.
    """

    def __init__(self, faults: Sequence[Fault], left_out: int = 0) -> None:
        self.faults = tuple(faults)
        self.left_out = left_out
        super().__init__(self.render())

    def render(self, afterwards: str = "") -> str:
        """All faults and a summary line; ``afterwards`` says what holds now (on a reload:
        ``the plan of 09:14 stays active.``)."""
        count = len(self.faults) + self.left_out
        summary = f"{count} {'error' if count == 1 else 'errors'}, nothing was loaded"
        parts = [fault.render() for fault in self.faults]
        if self.left_out:
            parts.append(f"... and {self.left_out} more")
        parts.append(f"{summary}; {afterwards}" if afterwards else summary)
        return "\n".join(parts)


def quoted(text: str) -> str:
    """A piece of the plan inside a message: in quotes, cut to a readable length."""
    flat = " ".join(text.split())
    return f'"{flat if len(flat) <= 60 else flat[:57] + "..."}"'


def in_latin(text: str) -> str:
    """The text with Cyrillic letters that look Latin replaced."""
    return text.translate(_LOOKALIKES)


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """The hint for a misspelt name, or an empty string."""
    names = list(islice(known, _COMPARED))
    latin = in_latin(given)
    if latin != given and latin in names:
        letter = next(char for char in given if in_latin(char) != char)
        return f'the letter "{letter}" is Cyrillic: did you mean the Latin "{latin}"?'
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(latin[:64].casefold(), folded, n=1, cutoff=0.6)
    return f'did you mean "{folded[close[0]]}"?' if close else ""


def known_names(known: Iterable[str], what: str = "known") -> tuple[str, ...]:
    """The note that lists what would be right, cut to one line; empty when nothing is known."""
    names = heapq.nsmallest(_KNOWN_WIDTH, known)
    shown: list[str] = []
    for name in names:
        if sum(len(one) + 2 for one in shown) + len(name) > _KNOWN_WIDTH:
            shown.append("...")
            break
        shown.append(name)
    return (f"{what}: {', '.join(shown)}",) if shown else ()


def _window(text: str, start: int, length: int) -> tuple[str, int, int]:
    """The piece of a line around the mark, the columns before the mark, and the mark's width."""
    clean = text.rstrip()
    start = min(start, len(clean))
    first = max(0, start - _SHOWN_WIDTH // 2) if len(clean) > _SHOWN_WIDTH else 0
    shown = clean[first : first + _SHOWN_WIDTH]
    lead = "..." if first else ""
    tail = "..." if first + _SHOWN_WIDTH < len(clean) else ""
    before = shown[: start - first]
    meant = shown[start - first : start - first + length]
    return lead + shown + tail, len(lead) + _columns(before), max(1, _columns(meant))


def _shown(char: str) -> str:
    """A character as it is safe on a terminal: a hostile file must not move the cursor."""
    if char.isspace():
        return " "
    return char if char.isprintable() else "?"


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
