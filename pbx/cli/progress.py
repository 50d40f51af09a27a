"""A bar on standard error for what takes longer than a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")
PATIENCE_S = 2.0
"""What is done sooner shows no bar."""
_OFTEN_S = 0.1
"""How often a bar hears how far it is, seconds."""


Report = Callable[[float], None]


def progress(items: Iterable[T], total: int, words: str) -> Iterator[T]:
    """The items as they come; on a terminal a bar of how many of ``total`` have, after 2 s."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    due = time.monotonic() + PATIENCE_S
    bar = Progress(
        TextColumn(words), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True,
    )  # fmt: skip
    task = bar.add_task(words, total=total)
    shown = False
    try:
        for number, item in enumerate(items, 1):
            yield item
            if (now := time.monotonic()) >= due:
                due = now + _OFTEN_S
                if not shown:
                    bar.start()
                    shown = True
                bar.update(task, completed=number)
    finally:
        if shown:
            bar.stop()


@contextmanager
def working(words: str) -> Iterator[Report]:
    """On a terminal a bar, after 2 s, until this is left.  Gives a function to be told the share
    that is done (0 to 1); while it is told nothing, the bar shows that there is work."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda share: None
        return
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), console=console, transient=True,
    )  # fmt: skip
    task = bar.add_task(words, total=None)
    patience = threading.Timer(PATIENCE_S, bar.start)
    patience.daemon = True
    patience.start()
    try:
        yield lambda share: bar.update(task, total=1.0, completed=share)
    finally:
        patience.cancel()
        patience.join()
        bar.stop()


def shares(report: Report, total: int) -> Callable[[int], None]:
    """Tells ``report`` the share when it is told the number done."""
    return lambda done: report(min(1.0, done / total) if total else 1.0)
