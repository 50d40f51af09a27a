"""A day of calls as the log is told it, made call by call."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from pbx.journal import port as journal
from pbx.journal.port import Entry, Stamped
from pbx.missed.rules import OwnerRule
from pbx.webhooks.kinds import MISSED_KINDS, Subscriptions
from routing import facts
from routing.values import (
    AgentId,
    CallId,
    DeviceId,
    Disposition,
    LegId,
    OfferId,
    Outcome,
    QueueId,
)
from tests.world import DID

BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)
IVAN, MARIA = "+79161234567", "+79167654321"
TELL: Subscriptions = {"missed": MISSED_KINDS}
"""A webhook of missed calls alone."""
RULE = OwnerRule(frozenset({"anna"}), {}, timedelta(days=30))


class Day:
    """Makes the entries of calls, one after another."""

    def __init__(self) -> None:
        self.entries: list[Stamped] = []
        self.now = BEGAN
        self._ids = itertools.count(1)

    def told(self, *entries: Entry) -> None:
        self.entries += (Stamped(self.now, one) for one in entries)

    def pause(self, **time: float) -> None:
        self.now += timedelta(**time)

    def begins(
        self, number: str, *, queue: str | None = "sales", again: str = "", name: str = ""
    ) -> CallId:
        call_id = CallId(again or f"call-{next(self._ids):04}")
        self.told(
            journal.CallStarted(
                call_id, DID, number, number, name, "", "ru", reconstructed=bool(again)
            )
        )
        if queue is not None:
            waits = facts.WaitStarted(call_id, QueueId(queue), 1, 0, self.now.timestamp())
            self.told(waits)
        return call_id

    def ends(self, call_id: CallId, outcome: Outcome = Outcome.ABANDONED_WAITING) -> None:
        self.told(journal.CallEnded(call_id, outcome, False, 30.0, 0.0, "16", "x"))

    def missed(
        self,
        number: str,
        outcome: Outcome = Outcome.ABANDONED_WAITING,
        *,
        queue: str | None = "sales",
        name: str = "",
    ) -> str:
        call_id = self.begins(number, queue=queue, name=name)
        self.pause(seconds=30)
        self.ends(call_id, outcome)
        self.pause(seconds=1)
        return call_id

    def joined(self, call_id: CallId, agent: str = "anna") -> None:
        leg = LegId(f"{call_id}/leg")
        who = AgentId(agent)
        started = facts.LegStarted(
            leg, call_id, OfferId(f"{call_id}/o"), who, DeviceId("d"), "PJSIP/x"
        )
        self.told(started, facts.LegJoined(leg, call_id, who))
        self.pause(seconds=60)
        self.told(facts.LegFinished(leg, call_id, who, Disposition.ANSWERED, "16", 2.0, 60.0))

    def talks(self, number: str, agent: str = "anna") -> None:
        call_id = self.begins(number)
        self.pause(seconds=5)
        self.joined(call_id, agent)
        self.ends(call_id, Outcome.ANSWERED)
        self.pause(seconds=1)

    def calls_back(self, number: str, agent: str = "anna") -> None:
        self.told(journal.OwnTalkStarted(AgentId(agent), number))
        self.pause(seconds=60)
