"""What becomes of missed calls: one number's calls and talks in, its tasks out.  Pure.

House rules: a task is a function of the log and of what people closed by hand, never of the order
in which the log was written.  So the same function serves a call that was just missed, a log read
again after a crash, and a rebuild of everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

QUICK = timedelta(minutes=20)
"""A client who is called back within this time was called back soon."""
DAY = timedelta(hours=24)
"""After this nobody can be said to have been called back."""
SPAM = "spam"
"""The reason of a closing by hand after which the number opens no further tasks."""


class How(StrEnum):
    """What closed a task."""

    CLIENT = "client"
    """The client called again and talked with somebody."""
    MANAGER = "manager"
    """A manager called the number and talked."""
    HAND = "hand"
    """A person said so (``pbx missed close``)."""


class TaskClass(StrEnum):
    """How well a missed call was made good."""

    GOT_THROUGH = "got_through"
    """The client got through later by themselves."""
    WITHIN_20_MIN = "within_20_min"
    """Called back within 20 minutes."""
    WITHIN_DAY = "within_day"
    """Called back within 24 hours."""
    NEVER = "never"
    """Nobody called back within 24 hours, or the task was closed by hand."""


@dataclass(frozen=True, slots=True)
class MissedCall:
    """A call that ended without a talk.  ``queue``: the last one that it waited in, if any."""

    call_id: str
    began_at: datetime
    ended_at: datetime
    did: str
    name: str
    queue: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Talk:
    """Somebody talked with the number from ``at`` on.

    ``how``: CLIENT when they had called us, MANAGER when they were called.  ``agent``: None when
    it was nobody of the plan (an outside number), or somebody at a phone that several share.
    """

    at: datetime
    how: How
    agent: str | None


@dataclass(frozen=True, slots=True)
class HandClosing:
    """A person closed the task at ``at``, knowing of calls up to the one it is kept for."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reopening:
    """A person opened the task again at ``at``: no talk of before closes it."""

    at: datetime
    by: str


@dataclass(frozen=True, slots=True)
class Task:
    """One number to be called back.

    ``task_id``: the id of the first call missed.  ``opened_at``: when that call ended;
    ``first_at`` and ``last_at``: when the first and the last of ``calls`` began; ``last_call``,
    ``name``, ``did`` and ``outcome`` are the last one's.  ``agent``: the manager who owns it;
    None: whoever serves ``queue``.  ``closed_by``: a manager's key, or the account of who closed
    it by hand; ``reason``: theirs.  ``reopened_by``: likewise, who opened it again.
    """

    task_id: str
    number: str
    name: str
    did: str
    queue: str | None
    agent: str | None
    opened_at: datetime
    first_at: datetime
    last_at: datetime
    calls: int
    last_call: str
    outcome: str
    closed_at: datetime | None = None
    closed_how: str | None = None
    closed_by: str | None = None
    reason: str | None = None
    reopened_at: datetime | None = None
    reopened_by: str | None = None

    @property
    def owner(self) -> str | None:
        """The manager, else the queue, else None."""
        return self.agent or self.queue

    def classed(self, now: datetime) -> TaskClass | None:
        """How well it was made good; None while that is open."""
        if self.closed_how == How.CLIENT:
            return TaskClass.GOT_THROUGH
        took = (self.closed_at or now) - self.opened_at
        if self.closed_how == How.HAND or took > DAY:
            return TaskClass.NEVER
        if self.closed_at is None:
            return None
        return TaskClass.WITHIN_20_MIN if took <= QUICK else TaskClass.WITHIN_DAY


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """For how long a talk makes a manager the owner of a number's next missed call.

    ``agents``: the plan's managers; who has left owns nothing.  ``within``: by the queue that the
    call waited in; ``otherwise``: for all other queues, and for calls that reached none.
    """

    agents: frozenset[str]
    within: Mapping[str, timedelta]
    otherwise: timedelta

    @property
    def longest(self) -> timedelta:
        """How far back a talk can matter."""
        return max((self.otherwise, *self.within.values()))

    def owner(self, call: MissedCall, last: Talk | None) -> str | None:
        """Who talked last with the number, if that was not too long ago."""
        if last is None or last.agent not in self.agents:
            return None
        within = self.within.get(call.queue or "", self.otherwise)
        return last.agent if call.ended_at - last.at <= within else None


def tasks_of(
    number: str,
    calls: Iterable[MissedCall],
    talks: Iterable[Talk],
    closings: Mapping[str, HandClosing],
    rule: OwnerRule,
    *,
    reopenings: Mapping[str, Reopening] = {},
    spam_at: datetime | None = None,
) -> list[Task]:
    """The tasks of ``number``, oldest first; only the last can be open.

    ``calls`` and ``talks`` in any order.  ``closings``: by hand, each for the last call that the
    person knew of.  ``reopenings``: each for the first call of the task.  ``spam_at``: when the
    number was last called spam before all of ``calls``.
    """
    found: list[Task] = []
    open_task: Task | None = None
    with_manager: Talk | None = None
    talked_at: datetime | None = None
    events: list[MissedCall | Talk] = [*calls, *talks]
    for event in sorted(events, key=_place):
        if isinstance(event, Talk):
            talked_at = event.at
            with_manager = event if event.agent is not None else with_manager
            if open_task is not None and not _known_of(open_task, event):
                found.append(_closed(open_task, event.at, event.how, event.agent))
                open_task = None
            continue
        if open_task is not None:
            open_task = _merged(open_task, event)
        elif spam_at is None or (talked_at is not None and talked_at > spam_at):
            open_task = _opened(number, event, rule.owner(event, with_manager))
        else:
            continue
        if reopening := reopenings.get(event.call_id):
            open_task = replace(open_task, reopened_at=reopening.at, reopened_by=reopening.by)
        if closing := closings.get(event.call_id):
            found.append(
                _closed(open_task, closing.at, How.HAND, closing.by, reason=closing.reason)
            )
            open_task = None
            spam_at = closing.at if is_spam(closing.reason) else None
    return found if open_task is None else [*found, open_task]


def is_spam(reason: str | None) -> bool:
    """The reason says that this number is not to be called back, ever."""
    return reason is not None and reason.strip().casefold() == SPAM


def _known_of(task: Task, talk: Talk) -> bool:
    """Who opened the task again did so in spite of this talk."""
    return task.reopened_at is not None and talk.at <= task.reopened_at


def _place(event: MissedCall | Talk) -> tuple[datetime, bool, str]:
    """By time; at the same moment a talk comes after a call, and so closes its task."""
    if isinstance(event, Talk):
        return event.at, True, event.agent or ""
    return event.ended_at, False, event.call_id


def _opened(number: str, call: MissedCall, agent: str | None) -> Task:
    return Task(
        task_id=call.call_id,
        number=number,
        name=call.name,
        did=call.did,
        queue=call.queue,
        agent=agent,
        opened_at=call.ended_at,
        first_at=call.began_at,
        last_at=call.began_at,
        calls=1,
        last_call=call.call_id,
        outcome=call.outcome,
    )


def _merged(task: Task, call: MissedCall) -> Task:
    return replace(
        task,
        name=call.name or task.name,
        did=call.did,
        queue=call.queue or task.queue,
        first_at=min(task.first_at, call.began_at),
        last_at=max(task.last_at, call.began_at),
        calls=task.calls + 1,
        last_call=call.call_id,
        outcome=call.outcome,
    )


def _closed(
    task: Task, at: datetime, how: How, by: str | None, *, reason: str | None = None
) -> Task:
    return replace(task, closed_at=at, closed_how=how.value, closed_by=by, reason=reason)
