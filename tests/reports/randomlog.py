"""Days of random calls, written to a log the way the journal writes them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine

from pbx.journal import port as journal
from pbx.journal.batch import write_changes
from pbx.journal.database import migrate, open_for_writing
from pbx.journal.follower import Follower
from pbx.journal.port import Entry, Stamped
from pbx.journal.rows import RowMaker
from pbx.missed.book import MissedBook
from pbx.reports.book import FactBook
from pbx.reports.contacts import CallerBook
from routing import facts
from routing.values import (
    AgentId,
    AgentState,
    CallId,
    DeviceId,
    Disposition,
    LegId,
    OfferId,
    Outcome,
    QueueId,
)
from tests.missed.day import RULE

NUMBERS = ("+79161234567", "+74951112233", "+4930123456", "+78121234567", "")
DIDS = (("+78005553535", "site"), ("+74951234567", "radio"))
AGENTS = ("anna", "boris", "vera")
DEPARTMENTS = {"anna": "sales", "boris": "sales"}
QUEUES = ("sales", "support", None)
_ENDS = (
    Outcome.ABANDONED_IN_MENU,
    Outcome.ABANDONED_WAITING,
    Outcome.OVERFLOW,
    Outcome.VOICEMAIL,
    Outcome.REJECTED,
)


class RandomLog:
    """Entries in the order of time; ``length``: of the days in which calls begin."""

    def __init__(self, rng: random.Random, since: datetime, length: timedelta, calls: int) -> None:
        self._rng = rng
        self._ids = itertools.count(1)
        self.entries: list[Stamped] = []
        for _ in range(calls):
            self._call(since + length * rng.random())
        self._states(since, length)
        for _ in range(rng.randrange(6)):
            own = journal.OwnTalkStarted(AgentId("anna"), rng.choice(NUMBERS[:-1]))
            self._told(since + length * rng.random(), own)
        self.entries.sort(key=lambda one: one.at)

    def _told(self, at: datetime, entry: Entry) -> None:
        at = at.astimezone(UTC)
        self.entries.append(Stamped(at.replace(microsecond=at.microsecond // 1000 * 1000), entry))

    def _span(self, most_s: float) -> float:
        return round(self._rng.random() ** 3 * most_s, 3)

    def _call(self, at: datetime) -> None:
        rng = self._rng
        call_id = CallId(f"c{next(self._ids):05}")
        did, source = rng.choice(DIDS)
        number = rng.choice(NUMBERS)
        self._told(at, journal.CallStarted(call_id, did, number, number, "", source, "ru"))
        at += timedelta(seconds=rng.randrange(1, 40))
        self._told(at, journal.MenuStep(call_id, "main", "menu", "1", "key 1 → x"))
        queue = rng.choice(QUEUES)
        outcome = rng.choice(_ENDS)
        wait_s = talk_s = 0.0
        if queue is not None:
            began = at
            self._told(at, facts.WaitStarted(call_id, QueueId(queue), 1, 0, at.timestamp()))
            for _ in range(rng.randrange(4)):
                at, talked = self._offer(call_id, queue, at)
                if talked is not None:
                    wait_s, talk_s = (at - began).total_seconds() - talked, talked
                    outcome = Outcome.ANSWERED
                    break
            else:
                at += timedelta(seconds=self._span(90.0))
                wait_s = (at - began).total_seconds()
        elif outcome is Outcome.ABANDONED_WAITING:
            outcome = Outcome.ABANDONED_IN_MENU
        if rng.random() < 0.05:
            return  # in progress
        at += timedelta(milliseconds=1)
        short = outcome is Outcome.ABANDONED_WAITING and wait_s < 5.0
        self._told(at, journal.CallEnded(call_id, outcome, short, wait_s, talk_s, "16", "main"))

    def _offer(self, call_id: CallId, queue: str, at: datetime) -> tuple[datetime, float | None]:
        """When it is over, and how long they talked."""
        rng = self._rng
        offer = OfferId(f"o{next(self._ids):05}")
        rung = rng.sample(AGENTS, rng.randrange(1, 3))
        strategy = rng.choice(("linear", "ring-all"))
        chosen = tuple(map(AgentId, rung))
        made = facts.OfferMade(offer, call_id, QueueId(queue), strategy, chosen, (), "")
        self._told(at, made)
        began = at
        at += timedelta(seconds=self._span(30.0), milliseconds=1)
        ring_s = (at - began).total_seconds()
        winner = rng.choice((*rung, None))
        talk_s = self._span(400.0)
        end = at + timedelta(seconds=talk_s)
        for agent in rung:
            for phone in range(rng.randrange(1, 3)):
                leg = LegId(f"{offer}/{agent}/{phone}")
                device = DeviceId(f"{agent}/{phone}")
                who = AgentId(agent)
                self._told(began, facts.LegStarted(leg, call_id, offer, who, device, "PJSIP/x"))
                if agent == winner and phone == 0:
                    self._told(at, facts.LegJoined(leg, call_id, who))
                    self._finished(end, leg, call_id, agent, Disposition.ANSWERED, ring_s, talk_s)
                    if rng.random() < 0.2:
                        self._told(end, journal.Transferred(call_id, leg, "102"))
                    continue
                how = rng.choice([one for one in Disposition if one is not Disposition.ANSWERED])
                self._finished(at, leg, call_id, agent, how, ring_s, 0.0)
        if winner is None:
            return at, None
        wrap_s = self._span(60.0) + 0.001
        self._changed(end, winner, AgentState.TALKING, AgentState.WRAP_UP, call_id, 0.0)
        after = end + timedelta(seconds=wrap_s)
        self._changed(after, winner, AgentState.WRAP_UP, AgentState.FREE, None, wrap_s)
        return end, talk_s

    def _finished(
        self,
        at: datetime,
        leg: LegId,
        call_id: CallId,
        agent: str,
        how: Disposition,
        ring_s: float,
        talk_s: float,
    ) -> None:
        self._told(at, facts.LegFinished(leg, call_id, AgentId(agent), how, "16", ring_s, talk_s))

    def _changed(
        self,
        at: datetime,
        agent: str,
        old: AgentState,
        new: AgentState,
        call_id: CallId | None,
        lasted_s: float,
    ) -> None:
        self._told(at, facts.AgentChanged(AgentId(agent), old, new, "", call_id, lasted_s))

    def _states(self, since: datetime, length: timedelta) -> None:
        """A manager who takes no calls, and moves through all states."""
        at, old, lasted = since - timedelta(days=1), AgentState.OFFLINE, 0.0
        while at < since + length:
            new = self._rng.choice([one for one in AgentState if one is not old])
            self._changed(at, "zoya", old, new, None, lasted)
            lasted = round(self._rng.random() ** 4 * 100_000 + 1, 3)
            at += timedelta(seconds=lasted)
            old = new


def opened(folder: Path) -> Engine:
    """An empty log."""
    engine = open_for_writing(f"sqlite:///{folder / 'log.db'}")
    migrate(engine)
    return engine


def keep(
    engine: Engine, entries: Sequence[Stamped], rng: random.Random, *, facts_too: bool = True
) -> None:
    """Write them in batches of random length; some batches are followed twice."""
    rows = RowMaker()
    followers: list[Follower] = [MissedBook(RULE, {})]
    if facts_too:
        followers += [CallerBook(), FactBook()]
    left = list(enumerate(entries))
    while left:
        number = rng.randrange(1, 150)
        batch, left = left[:number], left[number:]
        with engine.begin() as connection:
            changes = [rows.rows(f"e{n:08}", one) for n, one in batch]
            write_changes(connection, (change for some in changes for change in some))
            for follower in followers:
                wanted = [one for _, one in batch if isinstance(one.entry, follower.wants)]
                for _ in range(rng.choice((1, 1, 2))):
                    if wanted:
                        follower.follow(connection, wanted)
