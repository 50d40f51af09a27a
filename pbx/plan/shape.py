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

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ivr.schedule import Window
from pbx.plan import written
from pbx.plan.faults import did_you_mean, known_names, quoted
from pbx.plan.written import Wrong


class Shape(BaseModel):
    """A mapping with known keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


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


@dataclass(frozen=True, slots=True)
class Written:
    """A value read from its text."""

    read: Callable[[str], object]
    words: str

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

    return Written(read, " or ".join(f"`{word}`" for word in words))


@dataclass(frozen=True, slots=True)
class _YesOrNo:
    """``true`` or ``false``, and nothing that only looks like it."""

    words: str = "`true` or `false`"

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


Flag = Annotated[bool, _YesOrNo()]
Name = Annotated[str, Written(written.name, "a name")]
Sound = Annotated[str, Written(written.sound, "a sound's name")]
Label = Annotated[str, Written(_text(80), "a text")]
Text = Annotated[str, Written(_text(3000), "a text")]
PhoneNumber = Annotated[str, Written(_text(40), "a number")]
Duration = Annotated[float, Written(written.duration, "a duration")]
RingTime = Annotated[float, Written(_duration_between(1, 600), "a duration")]
PriorityStep = Annotated[float, Written(_duration_between(1, 604_800), "a duration from 1s")]
FirstTime = Annotated[float, Written(_duration_between(0, 3600), "a duration")]
KeptTime = Annotated[float, Written(written.kept_time, "a duration from 1h")]
Share = Annotated[int, Written(written.share, "`all`, `none` or a percentage")]
PauseCode = Annotated[str, Written(written.pause_code, "two to four keys")]
Attempts = Annotated[int, Written(_between(1, 20), "a count from 1")]
Pause = Annotated[float, Written(_duration_between(10, 86_400), "a duration from 10s")]
Expiry = Annotated[float, Written(_duration_between(60, 604_800), "a duration from 1m")]
Gap = Annotated[float, Written(_duration_between(5, 3600), "a duration from 5s")]
KeyTime = Annotated[float, Written(_duration_between(0.5, 120), "a duration")]
Level = Annotated[int, Written(_between(1, 100), "a level from 1")]
Times = Annotated[int, Written(_between(0, 20), "a count")]
AtOnce = Annotated[int, Written(_between(1, 100_000), "a count from 1")]
Weight = Annotated[int, Written(_between(0, 1_000), "a whole number")]
Priority = Annotated[int, Written(_between(0, 100), "0 to 100")]
Key = Annotated[str, Written(written.key, "a key")]
Extension = Annotated[str, Written(written.extension, "an extension")]
Variable = Annotated[str, Written(written.variable, "a variable's name")]
Language = Annotated[str, Written(written.language, "a language")]
Prefix = Annotated[str, Written(written.prefix, "the beginning of a number")]
Peer = Annotated[str, Written(written.peer, "a phone's name")]
SipAddress = Annotated[str, Written(written.sip_address, "a SIP address")]
Trunk = Annotated[str, Written(written.trunk, "a dial string")]
Voice = Annotated[str, Written(written.voice, "a voice")]
Zone = Annotated[ZoneInfo, Written(written.time_zone, "a time zone")]
Hours = Annotated[tuple[Window, ...], Written(written.windows, "hours")]
Days = Annotated[tuple[int, ...], Written(written.days, "days")]
Date = Annotated[date, Written(written.calendar_date, "a date")]
DigitCounts = Annotated[tuple[int, int], Written(written.digit_counts, "how many digits")]


def _listed(value: Any) -> Any:
    return value if value is None or isinstance(value, list) else [value]


def _levels(value: Any) -> Any:
    if isinstance(value, str):
        return {value: "1"}
    if isinstance(value, list):
        return {item: "1" if isinstance(item, str) else item for item in map(_hashable, value)}
    return value


def _hashable(value: object) -> str:
    return value if isinstance(value, str) else kind_of(value)


OneOrMore = BeforeValidator(_listed)
"""A single thing stands for a list of one."""
Skills = Annotated[dict[Name, Level], BeforeValidator(_levels)]
"""Skills with levels; a name or a list of names means level 1."""
