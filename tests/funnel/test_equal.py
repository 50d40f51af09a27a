"""A funnel out of columns is the funnel counted event by event: any reading, slices, and period."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from pbx.funnel.book import note
from pbx.funnel.count import Reading
from pbx.funnel.passed import passages
from pbx.funnel.report import SLICES, FunnelQuery, funnel_report
from pbx.funnel.stages import QUALIFIED, Funnel, StageEvent, Way
from pbx.funnel.watch import Look, Watch, slices_of, trials
from pbx.plan.model import FunnelPlan
from pbx.reports.columns import ColumnStore
from pbx.reports.period import Period
from tests.funnel import brute
from tests.reports.randomlog import AGENTS, DEPARTMENTS, NUMBERS, RandomLog, keep, opened

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
STAGES = ("cold-call", "meeting", "deal")


def told(rng: random.Random, number: int, length: timedelta) -> list[StageEvent]:
    """Stages that people told: of callers, of others, of deals; some at the same moment."""
    numbers = [*NUMBERS[:-1], "+79990000001", "+79990000002"]
    deals = ["deal:1", "deal:2", "deal:3", "deal:4"]
    moments = [SINCE - 5 * DAY + (length + 10 * DAY) * rng.random() for _ in range(number // 2 + 1)]
    found = []
    for n in range(number):
        subject = rng.choice(rng.choice((numbers, deals)))
        # A deal is told with its contact's number, with another's, or without.
        number_ = rng.choice((*numbers[:2], "")) if subject in deals else subject
        found.append(
            StageEvent(
                key=f"k{n}",
                stage=rng.choice((*STAGES, QUALIFIED, "talked")),
                subject=subject,
                number=number_,
                at=rng.choice(moments),
                agent=rng.choice((*AGENTS, "")),
                source=rng.choice(("radio", "site", "")),
            )
        )
    return found


def made(rng: random.Random, log: Engine) -> timedelta:
    """Gives how long it went on."""
    length = rng.choice((timedelta(hours=2), 3 * DAY, 30 * DAY))
    keep(log, RandomLog(rng, SINCE, length, rng.randrange(70)).entries, rng)
    events = told(rng, rng.randrange(40), length)
    some = rng.randrange(len(events) + 1)
    note(log, events[:some], SINCE + length)
    note(log, events[some:], SINCE + length + DAY)
    return length


def funnel_of(rng: random.Random) -> Funnel:
    titles = {name: name for name in STAGES}
    if rng.random() < 0.2:
        titles |= {QUALIFIED: "q"}
    plan = FunnelPlan(titles, rng.choice((0.5, 30.0)), rng.choice((3600.0, 86400.0 * 14)))
    return Funnel.of(plan, rng.choice(list(Way)))


def query_of(rng: random.Random, length: timedelta) -> FunnelQuery:
    where = {}
    if rng.random() < 0.4:
        where["manager"] = tuple(rng.sample((*AGENTS, "none"), 2))
    if rng.random() < 0.3:
        where["source"] = (rng.choice(("radio", "none")),)
    if rng.random() < 0.2:
        where["department"] = ("sales",)
    since = SINCE + length * rng.uniform(-0.2, 0.8)
    return FunnelQuery(
        funnel_of(rng),
        Period.of(since, since + length * rng.random()),
        rng.choice(list(Reading)),
        rng.choice((*SLICES, "")),
        where,
        DEPARTMENTS,
        rng.choice((None, None, frozenset({"anna", "vera"}), frozenset())),
    )


@pytest.mark.slow
@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a smaller seed is no simpler log
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 2**32))
def test_any_funnel_equals_the_events_counted_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        log = opened(Path(name))
        length = made(rng, log)
        store = ColumnStore(
            Path(name) / "columns",
            block_days=rng.choice((1, 5, 32)),
            settled_s=rng.choice((0, 600)),
        )
        for _ in range(12):  # from the log, then from the files
            query = query_of(rng, length)
            now = (
                SINCE + length * rng.uniform(0.3, 1.2) + timedelta(microseconds=rng.randrange(999))
            )
            assert funnel_report(log, store, query, now) == brute.funnel_report(log, query, now)
        log.dispose()


@pytest.mark.slow
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.integers(0, 2**32))
def test_a_look_counts_what_the_events_one_by_one_say(seed: int) -> None:
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        log = opened(Path(name))
        length = made(rng, log)
        store = ColumnStore(
            Path(name) / "columns",
            block_days=rng.choice((1, 5, 32)),
            settled_s=rng.choice((0, 600)),
        )
        for _ in range(4):
            look = Look(length / 8, rng.randrange(1, 5), length / rng.choice((3, 30)))
            wanted = Watch(funnel_of(rng), look, slices_of(SLICES, DEPARTMENTS))
            until = SINCE + length * rng.uniform(0.3, 1.1)
            until = until.replace(microsecond=0)
            first, last = look.first(until), until + look.settle
            with log.connect() as connection:
                found = passages(connection, store, wanted.funnel, first, last, None)
            assert trials(wanted, found, until) == brute.trials(log, wanted, until)
        log.dispose()


def test_what_is_told_is_in_the_next_answer(tmp_path: Path) -> None:
    log, rng = opened(tmp_path), random.Random(3)
    length = made(rng, log)
    store = ColumnStore(tmp_path / "columns")
    query = FunnelQuery(
        Funnel.of(FunnelPlan(dict.fromkeys(STAGES, ""), 30.0, 60.0), Way.INCOMING),
        Period(SINCE, SINCE + length),
    )
    before = funnel_report(log, store, query, SINCE + length).total.steps[4].count
    one = StageEvent("new", QUALIFIED, "+79161234567", SINCE + length / 2)

    note(log, [one], SINCE + length)

    assert funnel_report(log, store, query, SINCE + length).total.steps[4].count == before + 1
    log.dispose()
