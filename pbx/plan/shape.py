"""The pieces the plan's models are made of: value types that read their text, and their words.

A ``Written`` type takes the text as it stands in the plan and hands it to a reader of
``written.py``; its ``words`` name the value in errors and in docs/plan.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ivr.schedule import Window
from pbx.plan import written
from pbx.plan.faults import did_you_mean, known_names, quoted
from pbx.plan.written import Wrong


class Shape(BaseModel):
    """A mapping with known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def spelled(cls, form: dict[str, Any]) -> dict[str, Any]:
        """Its JSON Schema, ``form`` being that of the keys alone: what validators of the whole
        mapping refuse or take besides."""
        return form


def kind_of(value: object) -> str:
    """What a value of the plan is, in a word or two."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "keys and values"
    return quoted(str(value))


Form = dict[str, Any]
"""A piece of a JSON Schema."""


@dataclass(frozen=True, slots=True)
class Written:
    """A value read from its text.

    ``pattern``: what an editor checks; it refuses no text that ``read`` takes, but takes some that
    ``read`` refuses (ranges, the calendar).  ``example``: as it stands in a plan.  ``unit``: of a
    bare number.  ``numbers``: ``integer`` or ``number`` where YAML's own reading of such a text
    may be one, between ``least`` and ``most``.  ``among``: all texts, where they are few.
    """

    read: Callable[[str], object]
    words: str
    example: str
    pattern: str = ""
    unit: str = ""
    numbers: str = ""
    least: float | None = None
    most: float | None = None
    among: tuple[str, ...] = ()

    def form(self) -> Form:
        """The value's JSON Schema."""
        if self.among:
            return {"enum": list(self.among)}
        form: Form = {"type": ["string", self.numbers] if self.numbers else "string"}
        if self.pattern:
            form["pattern"] = f"^(?:{self.pattern})$"
        if self.least is not None:
            form["minimum"] = self.least
        if self.most is not None:
            form["maximum"] = self.most
        return form

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Read by ``read``; anything but a text is refused."""
        return core_schema.no_info_plain_validator_function(self._validate)

    def _validate(self, value: object) -> object:
        if not isinstance(value, str):
            raise Wrong(f"expected {self.words}, got {kind_of(value)}")
        return self.read(value)


def _text(longest: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        flat = " ".join(text.split())
        if not flat:
            raise Wrong("the text is empty")
        if len(flat) > longest:
            raise Wrong(f"the text has {len(flat)} characters, at most {longest} fit")
        return flat

    return read


def _between(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = written.count(text)
        if not least <= number <= most:
            raise Wrong(f"{number} is out of range", f"from {least} to {most}")
        return number

    return read


def _duration_between(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        seconds = written.duration(text)
        if not least <= seconds <= most:
            raise Wrong(f"{quoted(text)} is out of range", f"from {least:g} to {most:g} seconds")
        return seconds

    return read


def one_of(*words: str) -> Written:
    """One of a few words."""

    def read(text: str) -> str:
        if text not in words:
            hint = did_you_mean(text, words)
            raise Wrong(f"{quoted(text)} is none of the words here", hint, known_names(words))
        return text

    return Written(read, " or ".join(f"`{word}`" for word in words), words[-1], among=words)


@dataclass(frozen=True, slots=True)
class _YesOrNo:
    """``true`` or ``false``, and nothing that only looks like it."""

    words: str = "`true` or `false`"
    example: str = "true"
    unit: str = ""

    def form(self) -> Form:
        """The value's JSON Schema."""
        return {"type": "boolean"}

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def _validate(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        hint = ""
        if isinstance(value, str) and value.lower() in ("yes", "on", "y", "true", "1"):
            hint = "write true"
        if isinstance(value, str) and value.lower() in ("no", "off", "n", "false", "0"):
            hint = "write false"
        raise Wrong(f"expected true or false, got {kind_of(value)}", hint)


_SHORT, _LONG = _text(80), _text(3000)
_ANY_TEXT = r"[\s\S]*\S[\s\S]*"
_TIME = f"(?:{written.DURATION_PART.pattern})+|{written.SECONDS.pattern}"
_DAY = "|".join(
    "".join(f"[{sign.upper()}{sign}]" for sign in word)
    for word in (*written.DAYS, "daily", "weekdays", "weekends")
)
_SOME_DAYS = rf"(?:{_DAY})(?: *- *(?:{_DAY}))?"
_RANGE = " *[0-9]{1,2}:[0-9]{2} *- *[0-9]{1,2}:[0-9]{2} *"


def _time(words: str, example: str, least: float, most: float) -> Written:
    read = _duration_between(least, most)
    return Written(read, words, example, _TIME, "s", "number", least, most)


def _number(words: str, example: str, least: int, most: int, unit: str = "") -> Written:
    read, pattern = _between(least, most), written.COUNT.pattern
    return Written(read, words, example, pattern, unit, "integer", least, most)


def _phrase(words: str, example: str, read: Callable[[str], str] = _SHORT) -> Written:
    return Written(read, words, example, _ANY_TEXT, numbers="number")


def _coined(
    read: Callable[[str], object], words: str, example: str, pattern: str, numbers: str = ""
) -> Written:
    return Written(read, words, example, pattern, numbers=numbers)


Flag = Annotated[bool, _YesOrNo()]
Name = Annotated[str, _coined(written.name, "a name", "sales", written.NAME.pattern, "integer")]
Sound = Annotated[
    str, _coined(written.sound, "a sound's name", "vm-goodbye", written.SOUND.pattern, "integer")
]
Label = Annotated[str, _phrase("a text", "Отдел продаж")]
Text = Annotated[str, _phrase("a text", "Здравствуйте!", _LONG)]
PhoneNumber = Annotated[str, _phrase("a number", '"+79161234567"', _text(40))]
Duration = Annotated[
    float,
    Written(written.duration, "a duration", "30s", _TIME, "s", "number", 0, written.MAX_DURATION_S),
]
RingTime = Annotated[float, _time("a duration", "20s", 1, 600)]
PriorityStep = Annotated[float, _time("a duration from 1s", "1m", 1, 604_800)]
FirstTime = Annotated[float, _time("a duration", "15s", 0, 3600)]
KeptTime = Annotated[
    float,
    Written(
        written.kept_time,
        "a duration from 1h",
        "90d",
        _TIME,
        "s",
        "number",
        3600,
        written.MAX_DURATION_S,
    ),
]
Share = Annotated[
    int, _coined(written.share, "`all`, `none` or a percentage", "20%", written.SHARE_WORDS)
]
PauseCode = Annotated[
    str,
    _coined(written.pause_code, "two to four keys", '"*7"', written.PAUSE_CODE.pattern, "integer"),
]
Attempts = Annotated[int, _number("a count from 1", "3", 1, 20, "times")]
Pause = Annotated[float, _time("a duration from 10s", "10m", 10, 86_400)]
Expiry = Annotated[float, _time("a duration from 1m", "24h", 60, 604_800)]
Gap = Annotated[float, _time("a duration from 5s", "45s", 5, 3600)]
KeyTime = Annotated[float, _time("a duration", "5s", 0.5, 120)]
Level = Annotated[int, _number("a level from 1", "2", 1, 100)]
Times = Annotated[int, _number("a count", "3", 0, 20, "times")]
AtOnce = Annotated[int, _number("a count from 1", "10", 1, 100_000, "calls")]
Weight = Annotated[int, _number("a whole number", "70", 0, 1_000, "shares")]
Priority = Annotated[int, _number("0 to 100", "5", 0, 100, "steps of priority")]
Key = Annotated[str, _coined(written.key, "a key", "1", written.KEY.pattern, "integer")]
Extension = Annotated[
    str, _coined(written.extension, "an extension", "101", written.EXTENSION.pattern, "integer")
]
Variable = Annotated[
    str, _coined(written.variable, "a variable's name", "number", written.VARIABLE.pattern)
]
Language = Annotated[str, _coined(written.language, "a language", "ru", written.LANGUAGE.pattern)]
Prefix = Annotated[
    str,
    _coined(
        written.prefix, "the beginning of a number", '"+7495"', written.PREFIX.pattern, "integer"
    ),
]
Peer = Annotated[
    str, _coined(written.peer, "a phone's name", "ivanov", written.PEER.pattern, "number")
]
SipAddress = Annotated[
    str, _coined(written.sip_address, "a SIP address", "sip:ivan@example.org", written.SIP.pattern)
]
Trunk = Annotated[
    str, _coined(written.trunk, "a dial string", "PJSIP/{number}@trunk", written.TRUNK.pattern)
]
Voice = Annotated[str, _coined(written.voice, "a voice", "en-us", written.VOICE.pattern, "number")]
Zone = Annotated[
    ZoneInfo,
    _coined(written.time_zone, "a time zone", "Europe/Moscow", "[A-Za-z][A-Za-z0-9_+/-]*"),
]
Hours = Annotated[
    tuple[Window, ...],
    _coined(written.windows, "hours", "09:00-18:00", f"closed|all day|{_RANGE}(?:,{_RANGE})*"),
]
Days = Annotated[
    tuple[int, ...],
    _coined(written.days, "days", "mon-fri", rf" *{_SOME_DAYS}(?: *, *{_SOME_DAYS})* *"),
]
Date = Annotated[date, _coined(written.calendar_date, "a date", "2026-05-09", written.DATE.pattern)]
DigitCounts = Annotated[
    tuple[int, int],
    _coined(
        written.digit_counts, "how many digits", "3-6", " *[0-9]+ *(?:- *[0-9]+ *)?", "integer"
    ),
]
Word = Annotated[str, _coined(lambda text: text, "a word", "service", "", "integer")]
MenuOrStep = Annotated[str, _coined(lambda text: text, "a menu's name", "service/2", "", "integer")]


@dataclass(frozen=True, slots=True)
class Short:
    """A shorter way to write a value: ``read`` makes the whole one of it, ``form`` the JSON Schema
    of both from that of the whole one."""

    read: Callable[[Any], Any]
    form: Callable[[Form], Form]

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """``read`` first, then what the value is."""
        return core_schema.no_info_before_validator_function(self.read, handler(source))


def any_of(*forms: Form) -> Form:
    """One of several forms."""
    return {"anyOf": list(forms)}


def one_given(form: Form, *keys: str) -> Form:
    """With exactly one of these keys; a key without content is as good as none."""
    ways = [
        {"required": [key], "properties": {key: {"not": {"enum": [None, [], {}]}}}} for key in keys
    ]
    return {**form, "oneOf": ways}


def _listed(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else [value]


def _levels(value: Any) -> Any:
    if isinstance(value, str):
        return {value: "1"}
    if isinstance(value, list):
        return {item: "1" if isinstance(item, str) else item for item in map(_hashable, value)}
    return value


def _hashable(value: object) -> str:
    """In the place of what is no text stand words that are no name."""
    return value if isinstance(value, str) else f"({kind_of(value)})"


def _several_or_one(form: Form) -> Form:
    return any_of(form, form["items"])


def _also_names(form: Form) -> Form:
    """Levels as they are, or names alone."""
    least = form.get("minProperties", 0)
    name = {**form["propertyNames"], "type": ["string", "integer"]}
    return any_of(form, name, {"type": "array", "items": name, "minItems": least})


OneOrMore = Short(_listed, _several_or_one)
"""A single thing stands for a list of one."""
Skills = Annotated[dict[Name, Level], Short(_levels, _also_names)]
"""Skills with levels; a name or a list of names means level 1."""
