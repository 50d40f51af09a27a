"""How single values are written in a plan: names, durations, counts, hours, dates, addresses.

Each function reads one text and raises ``Wrong`` with what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, time
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from ivr.schedule import Window
from pbx.plan.faults import did_you_mean, in_latin, known_names, quoted

# Public where the editor's schema (json_schema.py) is made of the same pattern.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SOUND = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(/[A-Za-z0-9_][A-Za-z0-9_-]*){0,4}")
DURATION_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,3})?")
_LONGEST_DURATION = 40
"""Characters."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
COUNT = re.compile(r"[0-9]{1,9}")
KEY = re.compile(r"[0-9*]{1,8}|#")
SHARE = re.compile(r"([0-9]{1,3}) ?%")
SHARE_WORDS = rf"all|none|{SHARE.pattern}"
PAUSE_CODE = re.compile(r"[0-9*#]{2,4}")
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})")
PEER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_HOST = r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62})){0,10}"
SIP = re.compile(
    rf"sips?:[A-Za-z0-9_+][A-Za-z0-9_.+-]{{0,63}}@{_HOST}(:[0-9]{{1,5}})?"
    r"(;transport=(udp|tcp|tls))?"
)
TRUNK = re.compile(r"PJSIP/[0-9*#]{0,8}\{number\}@[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
EXTENSION = re.compile(r"[0-9]{1,8}")
VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,31}")
LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
YEARS = range(2000, 2100)
VOICE = re.compile(r"[A-Za-z0-9/][A-Za-z0-9_+./-]{0,199}")
MAX_DURATION_S = 400 * 86400.0
"""A bit over a year: the longest time anything in a plan can mean."""
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_SETS = {
    "daily": range(7),
    "weekdays": range(5),
    "weekends": range(5, 7),
}


class Wrong(ValueError):
    """A value that does not mean what its place needs."""

    def __init__(self, message: str, hint: str = "", notes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.notes = notes


def unknown(what: str, given: str, known: Iterable[str]) -> Wrong:
    """A name that nothing has, with what it may have meant."""
    names = list(known)
    notes = known_names(names) or (f"there is no {what} in this plan",)
    return Wrong(f"unknown {what} {quoted(given)}", did_you_mean(given, names), notes)


def name(text: str) -> str:
    """A key that other places refer to, and that goes to the switch and the metrics."""
    if not NAME.fullmatch(text):
        lookalike = did_you_mean(text, {in_latin(text)}) if NAME.fullmatch(in_latin(text)) else ""
        if lookalike:
            raise Wrong(f"{quoted(text)} is not a name", lookalike)
        strange = re.search(r"[^A-Za-z0-9_-]", text)
        hint = "a name has Latin letters, digits, - and _, at most 64"
        if strange and len(text) <= 64:
            hint = f'"{strange[0]}" can\'t be in a name: Latin letters, digits, - and _ only'
        raise Wrong(f"{quoted(text)} is not a name", hint)
    return text


def sound(text: str) -> str:
    """A sound of the switch or a recording: names with / between folders."""
    if not SOUND.fullmatch(text) or len(text) > 120:
        raise Wrong(
            f"{quoted(text)} is not a sound's name", "folders and name, no suffix: digits/1"
        )
    return text


def duration(text: str) -> float:
    """Seconds of ``20s``, ``1m30s``, ``500ms``, ``2h``, ``30d`` or plain ``20``."""
    if SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        seconds = 0.0
        rest = text
        while rest:
            part = DURATION_PART.match(rest)
            if part is None or len(text) > _LONGEST_DURATION:
                raise Wrong(f"{quoted(text)} is not a duration", "write 20s, 1m30s, 500ms or 2h")
            seconds += float(part[1]) * _UNITS[part[2]]
            rest = rest[part.end() :]
        if not text:
            raise Wrong("a duration is missing", "write 20s, 1m30s, 500ms or 2h")
    if seconds > MAX_DURATION_S:
        raise Wrong(f"{quoted(text)} is longer than 400 days")
    return round(seconds, 3)


def count(text: str) -> int:
    """A whole number, 0 or more."""
    if not COUNT.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not a whole number")
    return int(text)


def kept_time(text: str) -> float:
    """How long a recording is kept, seconds."""
    seconds = duration(text)
    if seconds < 3600:
        raise Wrong(f"{quoted(text)} is too short to keep anything", "from 1h, for instance 90d")
    return seconds


def share(text: str) -> int:
    """Percent of ``all``, ``none`` or ``20%``."""
    found = SHARE.fullmatch(text)
    percent = {"all": 100, "none": 0}.get(text, int(found[1]) if found else -1)
    if not 0 <= percent <= 100:
        raise Wrong(f"{quoted(text)} is not a share", "write all, none or 20%")
    return percent


def pause_code(text: str) -> str:
    """Keys that a manager presses in a talk: one alone would be pressed for something else."""
    if not PAUSE_CODE.fullmatch(text):
        raise Wrong(f"{quoted(text)} can't be the code", 'two to four keys in quotes: "*7"')
    return text


def key(text: str) -> str:
    """What a caller presses in a menu."""
    if not KEY.fullmatch(text):
        raise Wrong(
            f"{quoted(text)} can't be pressed", 'a key is digits or "*" (up to eight), or "#"'
        )
    return text


def extension(text: str) -> str:
    """An internal number."""
    if not EXTENSION.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not an extension", "one to eight digits")
    return text


def variable(text: str) -> str:
    """The name of a caller's variable."""
    if not VARIABLE.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not a variable's name", "small Latin letters, digits and _")
    return text


def language(text: str) -> str:
    """A language: ``ru``, ``en``, ``pt_BR``."""
    if not LANGUAGE.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not a language", "two letters: ru, en, de")
    return text


def prefix(text: str) -> str:
    """The beginning of numbers that may be called: E.164 with +."""
    if not PREFIX.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not the beginning of a number", 'write "+7" or "+7495"')
    return text


def peer(text: str) -> str:
    """A phone as the switch knows it."""
    if not PEER.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not a phone's name", "Latin letters, digits, . - and _")
    return text


def sip_address(text: str) -> str:
    """A SIP URI without password or parameters (but transport)."""
    if not SIP.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not a SIP address", "write sip:name@example.org")
    return text


def trunk(text: str) -> str:
    """The dial string for outside numbers."""
    if not TRUNK.fullmatch(text):
        raise Wrong(f"{quoted(text)} is not a trunk", 'write "PJSIP/{number}@name-of-the-trunk"')
    return text


def voice(text: str) -> str:
    """A speech engine's voice or model file."""
    if not VOICE.fullmatch(text) or ".." in text:
        raise Wrong(f"{quoted(text)} is not a voice", "a voice's name or a model's path")
    return text


def time_zone(text: str) -> ZoneInfo:
    """A zone of the tz database."""
    if text in _zones():
        try:
            return ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
    hint = did_you_mean(text, _zones()) or "write Europe/Moscow, UTC ..."
    raise Wrong(f"unknown time zone {quoted(text)}", hint)


@cache
def _zones() -> frozenset[str]:
    """All zones' names: a walk over the tz database, 30 ms, so done once."""
    return frozenset(available_timezones())


def windows(text: str) -> tuple[Window, ...]:
    """``09:00-18:00``, several with commas, ``closed``, or ``all day``."""
    if text == "closed":
        return ()
    if text == "all day":
        return (Window(time(0), time(0)),)
    found = []
    for part in text.split(","):
        start, dash, end = part.strip().partition("-")
        if not dash:
            raise Wrong(
                f"{quoted(text)} is not a time range", "write 09:00-18:00, all day or closed"
            )
        begins, ends = _clock(start.strip(), text), _clock(end.strip(), text)
        if begins >= 24 * 60:
            raise Wrong(f"{quoted(text)}: nothing opens at 24:00", "00:00 of the next day")
        if begins == ends:
            raise Wrong(f"{quoted(text)} is empty", "write 00:00-24:00 for the whole day")
        found.append((begins, ends % (24 * 60)))
    _refuse_overlap(found, text)
    return tuple(Window(time(a // 60, a % 60), time(b // 60, b % 60)) for a, b in found)


def _clock(text: str, whole: str) -> int:
    """Minutes since midnight, up to 24:00."""
    parts = _CLOCK.fullmatch(text)
    if parts is None:
        raise Wrong(f"{quoted(whole)} is not a time range", "write 09:00-18:00, all day or closed")
    minutes = int(parts[1]) * 60 + int(parts[2])
    if int(parts[2]) > 59 or minutes > 24 * 60:
        raise Wrong(f"{quoted(text)} is not a time of day", "from 00:00 to 24:00")
    return minutes


def _refuse_overlap(found: list[tuple[int, int]], text: str) -> None:
    spans = sorted((a, b if b > a else b + 24 * 60) for a, b in found)
    for (_, ends), (begins, _) in pairwise(spans):
        if begins < ends:
            raise Wrong(f"{quoted(text)}: two ranges overlap")


def days(text: str) -> tuple[int, ...]:
    """Weekdays of ``mon-fri``, ``sat``, ``fri-mon``, ``mon,wed``, ``daily``, ``weekdays``."""
    found: list[int] = []
    for part in text.replace(" ", "").lower().split(","):
        if part in _DAY_SETS:
            found += _DAY_SETS[part]
            continue
        first, dash, last = part.partition("-")
        begin = _day(first, text)
        length = (_day(last, text) - begin) % 7 if dash else 0
        found += [(begin + step) % 7 for step in range(length + 1)]
    if len(set(found)) != len(found):
        raise Wrong(f"{quoted(text)} names a day twice")
    return tuple(found)


def _day(text: str, whole: str) -> int:
    if text not in DAYS:
        hint = did_you_mean(text, (*DAYS, *_DAY_SETS)) or "write mon-fri, sat or daily"
        raise Wrong(f"{quoted(whole)} is not a day", hint)
    return DAYS.index(text)


def calendar_date(text: str) -> date:
    """``2026-05-09``."""
    if DATE.fullmatch(text):
        try:
            found = date.fromisoformat(text)
        except ValueError as error:
            raise Wrong(f"{quoted(text)} is not in the calendar") from error
        if found.year not in YEARS:
            raise Wrong(f"{quoted(text)} is too far away", f"years {YEARS[0]} to {YEARS[-1]}")
        return found
    raise Wrong(f"{quoted(text)} is not a date", "write 2026-05-09")


def digit_counts(text: str) -> tuple[int, int]:
    """How many digits a caller has to give: ``4`` or ``3-6``."""
    first, dash, last = text.partition("-")
    fewest = count(first.strip())
    most = count(last.strip()) if dash else fewest
    if not 1 <= fewest <= most <= 32:
        raise Wrong(f"{quoted(text)} is not a number of digits", "write 4 or 3-6, at most 32")
    return fewest, most
