"""The day's figures, for the whole company and for any part of it.  Pure.

House rules: what can be added up is kept for each queue; shares are made of sums, here alone, so
a part's figures and the whole's are of one kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pbx.live.rows import Row


@dataclass(frozen=True, slots=True)
class Calls:
    """Of the calls that began today and have ended.  ``lost``: in the menu, and while they waited;
    ``short`` ones apart.  ``within``: answered in time; ``to_managers``: of what was to be
    served."""

    offered: int = 0
    answered: int = 0
    lost: int = 0
    short: int = 0
    within: int = 0
    to_managers: int = 0
    longest_wait_s: float | None = None

    def row(self) -> Row:
        """As it is told.  Service levels: shares, None where nobody was to be served."""
        return {
            "offered": self.offered,
            "answered": self.answered,
            "lost": self.lost,
            "short": self.short,
            "within": self.within,
            "to_managers": self.to_managers,
            "service_level_of_offered": _share(self.within, self.to_managers),
            "service_level_of_answered": _share(self.within, self.answered),
            "longest_wait_s": self.longest_wait_s,
        }

    @classmethod
    def of(cls, row: Row) -> Calls:
        """What ``row`` was made of."""
        return cls(**{name: row[name] for name in cls.__slots__})


@dataclass(frozen=True, slots=True)
class Missed:
    """Missed calls that wait for a call back: of a queue ("": of none) and an owner (None: whoever
    serves the queue)."""

    queue: str
    agent: str | None
    open: int
    oldest_at: str

    def row(self) -> Row:
        """As it is told."""
        return {
            "queue": self.queue,
            "agent": self.agent,
            "open": self.open,
            "oldest_at": self.oldest_at,
        }


def added(calls: Iterable[Calls]) -> Calls:
    """All of them together."""
    total = Calls()
    for one in calls:
        waits = [at for at in (total.longest_wait_s, one.longest_wait_s) if at is not None]
        total = Calls(
            offered=total.offered + one.offered,
            answered=total.answered + one.answered,
            lost=total.lost + one.lost,
            short=total.short + one.short,
            within=total.within + one.within,
            to_managers=total.to_managers + one.to_managers,
            longest_wait_s=max(waits, default=None),
        )
    return total


def day(queues: dict[str, Calls], missed: Iterable[Missed]) -> dict[str, Any]:
    """The day as it is told: sums, and what they are made of (``queues``: "" for calls that
    reached none)."""
    groups = list(missed)
    return {
        **added(queues.values()).row(),
        "open_missed": sum(one.open for one in groups),
        "oldest_missed_at": min((one.oldest_at for one in groups), default=None),
        "queues": {name: one.row() for name, one in queues.items()},
        "missed": [one.row() for one in groups],
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
