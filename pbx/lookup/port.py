"""The question that a call begins with, and its answers.

Pure: the engine knows this; who really asks is in crm.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from routing.values import CallId, Seconds

DEFAULT_LIMIT_S = 0.7
"""How long a call waits for the answer where nothing says it, seconds: within the silence that a
caller hears anyway before it rings."""
MOST_LIMIT_S = 2.0
"""Longest that it may be made to wait, seconds."""


@dataclass(frozen=True, slots=True)
class Request:
    """Who is this?  ``did``, ``source``, ``language``: of the number that was called; ``number``:
    the caller's, E.164; ``name``: as the provider shows it."""

    call_id: CallId
    did: str
    number: str
    name: str
    source: str
    language: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the CRM says; "" for nothing.  ``manager``: who is responsible for the caller, by their
    name in the plan or by extension.  ``ignored``: what could not be read of its answer."""

    manager: str = ""
    vip: bool = False
    name: str = ""
    language: str = ""
    ignored: tuple[str, ...] = ()


class Result(StrEnum):
    """How a lookup ended."""

    ANSWERED = "answered"
    LATE = "late"
    BROKEN = "broken"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Failed:
    """No answer.  ``why``: for the log."""

    result: Result
    why: str


Said = Known | Failed


@dataclass(frozen=True, slots=True)
class Lookup:
    """How the engine asks.

    ``ask`` neither waits nor fails: it gives "", and what is said comes later, if ever; or why
    nobody is asked now.  ``limit_s``: how long a call waits for it.
    """

    ask: Callable[[Request], str]
    limit_s: Seconds
