"""What the log tells, as values: a call in one line, and its whole story."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pbx.journal.port import CLICK
from routing.values import Outcome


@dataclass(frozen=True, slots=True)
class LegRow:
    """A leg.  ``kind`` is a LegKind's value; what it did not get to is None."""

    leg_id: str
    call_id: str
    kind: str
    offer_id: str | None
    of_leg: str | None
    agent: str | None
    device: str | None
    address: str
    started_at: datetime
    rang_at: datetime | None
    joined_at: datetime | None
    ended_at: datetime | None
    disposition: str | None
    cause: str | None
    ring_s: float | None
    talk_s: float | None


@dataclass(frozen=True, slots=True)
class CallRow:
    """A call in one line.  ``outcome`` and ``ended_at`` are None while it lasts.
    ``callback_of``: we called, as the callback of this id, or as a manager's click.

    ``legs``: devices and outside numbers that were rung, in the order of time.
    """

    call_id: str
    started_at: datetime
    ended_at: datetime | None
    did: str
    number: str
    number_raw: str
    name: str
    source: str
    language: str
    outcome: str | None
    short: bool
    wait_s: float | None
    talk_s: float | None
    cause: str | None
    last_node: str | None
    queue: str | None
    strategy: str | None
    agent: str | None
    menu_path: str
    reconstructed: bool
    callback_of: str | None = None
    legs: tuple[LegRow, ...] = ()

    @property
    def origin(self) -> str:
        """Who wanted the call: client (they called us), callback, or click (a manager)."""
        if not self.callback_of:
            return "client"
        return "click" if self.callback_of.startswith(CLICK) else "callback"


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step in the menu tree.  ``digits``: "" nothing pressed, None nothing asked."""

    at: datetime
    node: str
    kind: str
    digits: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class WaitRow:
    """A wait in a queue."""

    queue: str
    position: int
    priority: int
    started_at: datetime
    ended_at: datetime | None
    waited_s: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class LeftOutRow:
    """Who was not rung, and why."""

    agent: str
    reason: str


@dataclass(frozen=True, slots=True)
class OfferRow:
    """Whom we rang and why.  One offer has a further row for each who joined it later."""

    offer_id: str
    queue: str | None
    strategy: str
    why: str
    chosen: tuple[str, ...]
    left_out: tuple[LeftOutRow, ...]
    at: datetime
    ended_at: datetime | None
    result: str | None


@dataclass(frozen=True, slots=True)
class CallbackRow:
    """A wish to be called back."""

    at: datetime
    number: str
    queue: str | None


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A voicemail."""

    at: datetime
    box: str
    path: str
    length_s: float
    message_id: str


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """A talk's recording.  ``path``: below the folder of recordings.  ``length_s``: None while it
    is not finished, or for a ``problem``.  ``removed_at``: when the file was pruned."""

    leg_id: str
    call_id: str | None
    path: str
    started_at: datetime
    length_s: float | None
    problem: str | None
    keep_until: datetime
    removed_at: datetime | None


@dataclass(frozen=True, slots=True)
class CallStory:
    """All that the log has of one call, each part in the order of time.

    ``legs``: those of all kinds.
    """

    call: CallRow
    steps: tuple[StepRow, ...]
    waits: tuple[WaitRow, ...]
    offers: tuple[OfferRow, ...]
    legs: tuple[LegRow, ...]
    callbacks: tuple[CallbackRow, ...]
    messages: tuple[MessageRow, ...]
    recordings: tuple[RecordingRow, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over calls.  ``by_outcome``: an Outcome's value to the number of calls.

    ``asa_s``: average wait of answered calls; ``talk_s``: average talk of answered calls;
    both None when there are none.
    """

    calls: int
    in_progress: int
    by_outcome: dict[str, int]
    short: int
    asa_s: float | None
    talk_s: float | None

    @classmethod
    def of(cls, rows: Iterable[CallRow]) -> Totals:
        """Of calls in hand, without those that we made."""
        groups = [
            TotalsGroup(row.outcome, 1, int(row.short), row.wait_s or 0.0, row.talk_s or 0.0)
            for row in rows
            if not row.callback_of
        ]
        return cls.from_groups(groups)

    @classmethod
    def from_groups(cls, groups: Iterable[TotalsGroup]) -> Totals:
        """Of sums already made, any number per outcome."""
        by_outcome: dict[str, int] = {}
        in_progress = short = 0
        wait_s = talk_s = 0.0
        for group in groups:
            short += group.short
            if group.outcome is None:
                in_progress += group.calls
                continue
            by_outcome[group.outcome] = by_outcome.get(group.outcome, 0) + group.calls
            if group.outcome == Outcome.ANSWERED:
                wait_s += group.wait_s
                talk_s += group.talk_s
        answered = by_outcome.get(Outcome.ANSWERED.value, 0)
        known = [one.value for one in Outcome if one.value in by_outcome]
        return cls(
            calls=in_progress + sum(by_outcome.values()),
            in_progress=in_progress,
            by_outcome={name: by_outcome[name] for name in known},
            short=short,
            asa_s=wait_s / answered if answered else None,
            talk_s=talk_s / answered if answered else None,
        )


@dataclass(frozen=True, slots=True)
class TotalsGroup:
    """Sums over calls of one outcome."""

    outcome: str | None
    calls: int
    short: int
    wait_s: float
    talk_s: float
