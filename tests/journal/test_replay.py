"""What a queue has lately done, and who keeps a place in it, survives the engine that saw it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from pbx.engine.virtual import VirtualWorld
from pbx.journal.recall import recall
from pbx.journal.replay import recall_dropped, recall_service
from pbx.journal.tables import agent_states, waits
from pbx.journal.writer import SqlJournal
from pbx.plan.model import Plan
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction, Script
from pbx.taking_over import take_over
from routing import facts
from routing.dispatcher import Dispatcher
from routing.estimate import ServiceRates
from routing.strategy import Registry
from routing.values import AgentState
from tests.journal.busy import fill
from tests.world import DID, SALES, START, Story, agent, plan, sales, stage

ANNA, BORIS = agent("anna"), agent("boris", wrap_up_s=20.0)
RETURNS_S = 600.0


def company() -> Plan:
    where = sales(
        ANNA,
        BORIS,
        strategy="longest-idle",
        ring_time_s=15.0,
        returning_s=RETURNS_S,
        retry_delay_s=2.0,
    )
    return plan([ANNA, BORIS], [where])


def number(n: int) -> str:
    return f"+7916000{n:04}"


def callers() -> list[CallerScript]:
    """One every 25 s, each third of them impatient."""
    rng = random.Random(5)
    leaves = [HangUp(At.WAITING, rng.uniform(20, 90)) if n % 3 == 0 else None for n in range(80)]
    return [
        CallerScript("", 25.0 * n, DID, number(n), hang_up=leaving)
        for n, leaving in enumerate(leaves)
    ]


def phones() -> dict[str, tuple[PhoneAct, ...]]:
    rng = random.Random(6)

    def acts() -> Iterator[PhoneAct]:
        for _ in range(60):
            how = rng.choice([Reaction.ANSWER, Reaction.ANSWER, Reaction.NO_ANSWER])
            yield PhoneAct(how, rng.uniform(1, 9), rng.uniform(30, 90))

    return {"PJSIP/anna": tuple(acts()), "PJSIP/boris": tuple(acts())}


class Killed:
    """An engine that worked for ``for_s``, and the log that it left."""

    def __init__(self, url: str, folder: Path, for_s: float) -> None:
        self.now = START + for_s
        self.at = datetime.fromtimestamp(self.now, UTC)
        self.world, self.story = stage(company(), callers(), phones())
        self.world.run(self.now)
        self.log = SqlJournal(url, spool=folder / "spool.jsonl")
        self.log.start()
        for entry in self.story.entries:
            self.log.write(entry)
        assert self.log.flush(10.0)

    def restarted(self, again: list[CallerScript]) -> tuple[VirtualWorld, Story]:
        """The next engine, with what the log tells; ``again``: who calls it."""
        engine = self.log.engine
        rates = ServiceRates(company().routing)
        rates.recall(recall_service(engine, queues=[SALES], now=self.at))
        self.log.close_open_calls(self.at)
        began = self.at - timedelta(hours=12)
        memory = recall(engine, queues=[SALES], day_began=began, talks_since=began)
        dropped = recall_dropped(
            engine, queues=[SALES], since=self.at - timedelta(seconds=RETURNS_S)
        )
        story = Story()
        dispatcher = Dispatcher(
            company().routing,
            strategies=Registry.builtin(),
            rng=random.Random(1),
            memory=replace(memory, dropped=dropped),
        )
        world = VirtualWorld(
            company(),
            dispatcher,
            Script(tuple(again), {}),
            start=self.now,
            on_entry=story.entries.append,
            rates=rates,
        )
        return world, story


@pytest.fixture
def killed(url: str, tmp_path: Path) -> Iterator[Killed]:
    made = Killed(url, tmp_path, 1700.0)
    yield made
    made.log.close(10.0)


def test_the_estimate_is_the_one_of_before_the_restart(killed: Killed) -> None:
    before = killed.world.core.rates.expected_wait_s(SALES, 3, killed.now)
    world, _ = killed.restarted([])

    after = world.core.rates.expected_wait_s(SALES, 3, killed.now)
    assert before is not None
    # The last moments, in which nothing was written any more, are not known.
    assert after == pytest.approx(before, rel=0.03)


def test_without_the_log_nothing_could_be_said(killed: Killed) -> None:
    world, _ = stage(company(), [], {})

    assert world.core.rates.expected_wait_s(SALES, 3, killed.now) is None


def test_who_hung_up_before_the_restart_has_the_old_place_after_it(killed: Killed) -> None:
    waited = {one.call_id: one for one in killed.story.of(facts.WaitStarted)}
    left = [one.call_id for one in killed.story.of(facts.WaitEnded) if one.reason == "left"]
    last = left[-1]
    came = waited[last].waiting_since - START
    assert came > 1700.0 - RETURNS_S
    again = CallerScript("", 20.0, DID, number(int(last.removeprefix("sim-")) - 1))
    others = [CallerScript("", 10.0 + n, DID, number(900 + n)) for n in range(5)]
    world, story = killed.restarted([*others, again])
    world.run(killed.now + 30.0)

    *strangers, returned = [one.position for one in story.of(facts.WaitStarted)]
    assert strangers == [1, 2, 3, 4, 5]
    assert returned == 1


@pytest.mark.parametrize(("zone", "calls_today"), [("UTC", True), ("Asia/Kamchatka", False)])
def test_a_restart_counts_the_day_of_the_companys_own_clock(
    killed: Killed, zone: str, calls_today: bool
) -> None:
    # 12:15 in London, a quarter past midnight in Kamchatka; the calls were an hour before.
    now = datetime.fromtimestamp(START + 4_100.0, UTC)

    taken = take_over(killed.log, replace(company(), time_zone=zone), now)

    records = taken.memory.records.values()
    assert all(one.last_ended_at for one in records)
    assert bool(sum(one.calls for one in records)) is calls_today


def test_facts_come_in_order_and_an_absence_between_two_states_is_told(
    url: str, tmp_path: Path
) -> None:
    log = SqlJournal(url, spool=tmp_path / "spool.jsonl")
    log.start()
    now = datetime.fromtimestamp(START, UTC)
    fill(log.engine, 400, now)  # Anna is free all the time
    with log.engine.begin() as connection:
        minute = now - timedelta(minutes=10)
        gone = delete(agent_states).where(
            agent_states.c.started_at >= minute,
            agent_states.c.started_at < minute + timedelta(minutes=1),
        )
        connection.execute(gone)
    told = list(recall_service(log.engine, queues=[SALES], now=now))
    log.close(10.0)

    at = [moment for moment, _ in told]
    assert at == sorted(at)
    kinds = Counter(type(fact) for _, fact in told)
    assert {kind: kinds[kind] for kind in (facts.WaitStarted, facts.WaitEnded)} == {
        facts.WaitStarted: 400,
        facts.WaitEnded: 400,
    }
    assert (kinds[facts.OfferMade], kinds[facts.OfferEnded]) == (400, 400)
    left = [
        moment
        for moment, fact in told
        if isinstance(fact, facts.AgentChanged) and fact.new is AgentState.OFFLINE
    ]
    assert left == [pytest.approx(minute.timestamp(), abs=10.0), pytest.approx(START, abs=120.0)]


def test_only_who_may_still_have_a_place_is_recalled(url: str, tmp_path: Path) -> None:
    log = SqlJournal(url, spool=tmp_path / "spool.jsonl")
    log.start()
    now = datetime.fromtimestamp(START, UTC)
    fill(log.engine, 200, now)  # all were served
    with log.engine.begin() as connection:
        left = update(waits).where(waits.c.call_id.in_(["busy000100", "busy000199"]))
        connection.execute(left.values(reason="left"))
    dropped = recall_dropped(log.engine, queues=[SALES], since=now - timedelta(minutes=10))
    log.close(10.0)

    # All waits of the number that hung up last; the other did so too long ago.
    assert {one.number for one in dropped} == {"+79160000049"}
    assert [one.reason for one in dropped] == ["joined", "joined", "joined", "left"]
