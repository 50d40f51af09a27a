"""Digits that look like a payment card's number are covered before anything is written down.

Callers key in what they are asked for, and what they are not; a log or a report must never
hold it.
"""

from __future__ import annotations

import re
from itertools import pairwise

CARD_LENGTHS = range(12, 20)
"""Lengths of payment card numbers, ISO/IEC 7812-1: 12 to 19 digits with a Luhn check digit."""
COMMON_LENGTH = 16
"""By far the most common; covered also with a wrong check digit, as after a slip of the finger."""
PHONE_MAX = 15
"""Longest E.164 number: with its + it is a phone number, not a card."""

# Groups of digits with a few spaces or dashes between them, at least twelve digits altogether.
_RUN = re.compile(r"\d(?:[\s\-\u2010-\u2015]{0,3}\d){11,}")
_GROUP = re.compile(r"\d+")


def mask_cards(text: str) -> str:
    """``text`` with each digit of what looks like a card number replaced by ``*``.

    Covered are runs of 12 to 19 digits (in groups or not) that pass the Luhn check, and any 16
    digits; a number with + and at most 15 digits in one piece is a phone number and stays.
    """
    if len(text) < CARD_LENGTHS.start:
        return text
    return _RUN.sub(_cover, text)


def _cover(run: re.Match[str]) -> str:
    text = run[0]
    groups = [match.span() for match in _GROUP.finditer(text)]
    if run.string[run.start() - 1 : run.start()] == "+" and _is_phone(text, groups):
        return text
    covered = bytearray(len(text))
    for first in range(len(groups)):
        digits = ""
        for begin, end in groups[first:]:
            digits += text[begin:end]
            if len(digits) >= CARD_LENGTHS.stop:
                break
            if _card_like(digits):
                covered[groups[first][0] : end] = b"\1" * (end - groups[first][0])
    for begin, end in groups:
        if end - begin >= COMMON_LENGTH:
            covered[begin:end] = b"\1" * (end - begin)
    return "".join(
        "*" if hide and sign.isdigit() else sign for sign, hide in zip(text, covered, strict=True)
    )


def _is_phone(text: str, groups: list[tuple[int, int]]) -> bool:
    """One number after a +, not several in a row: short groups with one sign between them."""
    digits = sum(end - begin for begin, end in groups)
    return digits <= PHONE_MAX and all(b - a == 1 for (_, a), (b, _) in pairwise(groups))


def _card_like(digits: str) -> bool:
    if len(digits) not in CARD_LENGTHS:
        return False
    return len(digits) == COMMON_LENGTH or _passes_luhn(digits)


def _passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 Annex B: every second digit from the right doubled, digits summed."""
    total = 0
    for place, sign in enumerate(reversed(digits)):
        value = int(sign) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
