"""Logging by structlog: JSON or console, secrets and card numbers never in it."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_SECRET = re.compile(r"secret|password|passwd|token|authorization|api_?key", re.IGNORECASE)
_DIGITS = re.compile(r"(?<![\d+])\d(?:[ -]?\d){11,18}(?![\d])")
MASK = "***"
MAX_DEPTH = 6


def set_up_logs(log_format: str, level: str) -> None:
    """Log to standard error from now on; ``log_format`` is json or console."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=_StandardError,
        cache_logger_on_first_use=False,
    )


class _StandardError:
    """Lines to standard error.  A full disk or a reader that is gone costs the line, never the
    work that was to be told of."""

    def __init__(self, *_: object) -> None:
        self._stream = sys.stderr

    def msg(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = msg


def mask(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: hides secrets by name and card numbers wherever they stand."""
    for key, value in list(event.items()):
        event[key] = MASK if _SECRET.search(key) else _masked(value, MAX_DEPTH)
    return event


def _masked(value: object, depth: int) -> object:
    if isinstance(value, str):
        return _DIGITS.sub(_card, value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10**11:
        text = str(value)
        hidden = _DIGITS.sub(_card, text)
        return value if hidden == text else hidden
    if depth and isinstance(value, Mapping):
        return {
            key: MASK if _SECRET.search(str(key)) else _masked(one, depth - 1)
            for key, one in value.items()
        }
    if depth and isinstance(value, list | tuple):
        return [_masked(one, depth - 1) for one in value]
    return value


def _card(found: re.Match[str]) -> str:
    """A run of 12 to 19 digits that passes Luhn's check, and any of 16; a phone number has at
    most 15 digits, so it is hidden only by the accident of Luhn, or never with its +."""
    digits = [int(c) for c in found[0] if c.isdigit()]
    doubled = [d if n % 2 == 0 else sum(divmod(2 * d, 10)) for n, d in enumerate(digits[::-1])]
    if len(digits) == 16 or sum(doubled) % 10 == 0:
        return MASK
    return found[0]
