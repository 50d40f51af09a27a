"""What of the live picture each of its viewers sees.  Pure.

House rules: a view is a filter of the picture and of nothing else (what a role may see of a row is
said here, once), so whatever is told of it adds up to the filtered picture.

Managers are seen by department, or as oneself.  A queue is seen when a manager who is seen serves
it.  A supervisor sees the calls of their managers and of the queues that somebody of their
departments serves; of the queues that one serves oneself, that callers are there, not who they
are: a manager, and a supervisor who helps another department out.  A call that is nobody's yet (in
the menu) is seen by who sees everything, and, without who calls, by the supervisors whose it may
become: by the plan, its number leads to somebody of their departments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from pbx.live.board import Message
from pbx.live.figures import Calls, Missed, day
from pbx.live.picture import PARTS, Picture
from pbx.live.rows import LiveStage, Row
from pbx.web.access import Principal, Role

_IN_LINE = (LiveStage.WAITING, LiveStage.RINGING)
_WHO = ("number", "name")
"""Of a call: what tells who calls."""
_WHENCE = (*_WHO, "source", "did")
"""And from where."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the picture is in a view.  ``queues``: shown; ``ours``: of these, whose calls are
    shown whole; ``numbers``: whose callers may become theirs."""

    agents: Collection[str] = ()
    queues: Collection[str] = ()
    ours: Collection[str] = ()
    numbers: Callable[[str], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class View:
    """Whose eyes: equal views see the same.  ``departments``: None for all."""

    departments: frozenset[str] | None
    agent_id: str | None = None
    own: bool = False
    """What is their own, not a department's."""

    @classmethod
    def of(cls, principal: Principal) -> View:
        """Theirs."""
        if principal.sees_everything():
            return cls(None)
        if principal.role is Role.MANAGER:
            return cls(frozenset(), principal.agent_id, own=True)
        return cls(principal.departments, principal.agent_id)

    @property
    def everything(self) -> bool:
        """Nothing is left out."""
        return self.departments is None

    def sees_agent(self, row: Row) -> bool:
        """A manager."""
        if self.departments is None:
            return True
        return row["department"] in self.departments or row["id"] == self.agent_id

    def call(self, row: Row, scope: Scope) -> Row | None:
        """A call as it is shown, None: it is not."""
        if self.departments is None:
            return row
        agents = scope.agents
        if row["agent"] in agents or any(one in agents for one in row["agents_rung"]):
            return row
        if row["queue"] in scope.ours:
            return row
        if row["stage"] in _IN_LINE and row["queue"] in scope.queues:
            return {**row, **dict.fromkeys(_WHENCE, ""), "agents_rung": []}
        if row["stage"] == LiveStage.MENU and scope.numbers(row["did"]):
            return {**row, **dict.fromkeys(_WHO, "")}
        return None

    def may_become(self, departments: Collection[str]) -> bool:
        """Whether a caller who may come to somebody of these departments may become theirs."""
        return not self.own and not (self.departments or frozenset()).isdisjoint(departments)

    def missed(self, row: Row, agents: Collection[str], queues: Collection[str]) -> bool:
        """Open missed calls: a manager's own, and their queues' that are no other manager's."""
        if self.departments is None or row["agent"] in agents:
            return True
        return row["queue"] in queues and not (self.own and row["agent"])

    def today(self, row: Row | None, agents: Collection[str], queues: Collection[str]) -> Any:
        """The day's figures: of the company, or of the queues that are seen."""
        if row is None:
            return None
        if self.departments is None:
            return {key: value for key, value in row.items() if key != "missed"}
        shown = {one: Calls.of(row["queues"][one]) for one in row["queues"] if one in queues}
        missed = [Missed(**one) for one in row["missed"] if self.missed(one, agents, queues)]
        figures = day(shown, missed)
        del figures["missed"]
        return figures


LeadsTo = Callable[[str], frozenset[str]]
"""The departments that a number's callers may come to (leads.py)."""


def nowhere(did: str) -> frozenset[str]:
    """Of no number anything is known."""
    return frozenset()


class Seen:
    """The picture through one view: a snapshot, then what has changed of it.

    ``change`` is to be given every message after ``snapshot`` was asked for, when the picture has
    taken it; where that says that somebody has moved, another snapshot is asked for instead.
    """

    def __init__(self, view: View, picture: Picture, leads: LeadsTo = nowhere) -> None:
        self._view = view
        self._picture = picture
        self._leads = leads
        self._scope = Scope()
        self._calls: set[str] = set()
        self._today: Any = None

    def snapshot(self) -> Message:
        """All of it, now."""
        view, whole = self._view, self._picture.snapshot()
        agents = [row for row in whole["agents"] if view.sees_agent(row)]
        theirs = [row for row in agents if row["department"] in (view.departments or ())]
        scope = self._scope = Scope(
            {row["id"] for row in agents},
            {queue for row in agents for queue in row["queues"]},
            {queue for row in theirs for queue in row["queues"]},
            lambda did: view.may_become(self._leads(did)),
        )
        queues = [row for row in whole["queues"] if view.everything or row["id"] in scope.queues]
        shown = (view.call(row, scope) for row in whole["calls"])
        calls = [row for row in shown if row is not None]
        self._calls = {row["id"] for row in calls}
        self._today = view.today(whole["today"], scope.agents, scope.queues)
        return {
            **whole,
            "agents": agents,
            "queues": queues,
            "calls": calls,
            "today": self._today,
        }

    def change(self, message: Message) -> Message | None:
        """What the message changes of it, None: nothing."""
        every, scope = self._view.everything, self._scope
        calls, gone = [], []
        for row in message["calls"]:
            shown = self._view.call(row, scope)
            if shown is not None:
                calls.append(shown)
                self._calls.add(row["id"])
            elif row["id"] in self._calls:
                gone.append(row["id"])
        gone += [one for one in message["gone"] if one in self._calls]
        self._calls.difference_update(gone)
        told: Message = {
            "type": "change",
            "at": message["at"],
            "agents": [row for row in message["agents"] if every or row["id"] in scope.agents],
            "queues": [row for row in message["queues"] if every or row["id"] in scope.queues],
            "calls": calls,
            "gone": gone,
        }
        changed = any(told[part] for part in (*PARTS, "gone"))
        if "today" in message:
            today = self._view.today(message["today"], scope.agents, scope.queues)
            if today != self._today:
                told["today"] = self._today = today
                changed = True
        return told if changed else None
