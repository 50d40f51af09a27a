"""What keeps the process's own pauses short: the caller waits for the slowest of a hundred."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator

SWITCH_S = 0.0005
"""How long another thread (the log's writer) may keep the interpreter when the loop has work;
Python's own 5 ms would be most of the time between an INVITE and the agent's ring."""
YOUNG = 50_000
"""Allocations between two collections: a call's objects are freed by counting, few need it."""


def tune() -> None:
    """Set once, when everything is built: what is there now is never looked through again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 100)
    sys.setswitchinterval(SWITCH_S)


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """While a plan is made: a look through all that it allocates would stop the loop; while much
    is imported: a fifth of the time would go into it.  What is there afterwards is never looked
    through, either."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
