"""The wall's clock is put forward or back: waits, lengths and the log's times stay right."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from sqlalchemy import Engine, create_engine, select

from pbx.engine.clock import STEP_S, SystemClock
from pbx.journal.batch import write_changes
from pbx.journal.rows import RowMaker
from pbx.journal.tables import agent_states, calls, legs, metadata, offers, waits
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from tests.world import DID, START, Story, agent, plan, sales, stage

HOUR = 3600.0
Jump = tuple[float, float]
"""When (seconds from the start), and by how much (seconds)."""
JUMPS = st.lists(
    st.tuples(st.floats(0, 200), st.sampled_from([HOUR, -HOUR]) | st.floats(-2 * HOUR, 2 * HOUR)),
    max_size=4,
)
TIMES = ("started_at", "at", "rang_at", "joined_at", "ended_at")


def story(jumps: list[Jump]) -> Story:
    """Five callers for two managers: one gives up, one is refused, one is sent on, one late."""
    anna, boris = agent("anna", wrap_up_s=5.0), agent("boris")
    company = plan([anna, boris], [sales(anna, boris, strategy="linear", ring_time_s=10.0)])
    phones = {
        "PJSIP/anna": (
            PhoneAct(Reaction.ANSWER, 3.0, 20.0, "102"),
            PhoneAct(Reaction.ANSWER, 2, 9),
        ),
        "PJSIP/boris": (PhoneAct(Reaction.REJECT, 1.0), PhoneAct(Reaction.ANSWER, 4.0, 30.0)),
    }
    callers = [
        CallerScript("", at_s, DID, f"8916000000{n}", hang_up=gives_up)
        for n, (at_s, gives_up) in enumerate(
            [(0.0, None), (1.0, None), (5.0, HangUp(At.WAITING, 8.0)), (30.0, None), (150.0, None)]
        )
    ]
    world, told = stage(company, callers, phones)
    for at_s, by_s in sorted(jumps):
        world.run(START + at_s)
        world.clock.wall_jumps(by_s)
    world.run(START + 600)
    assert not world.core.calls.by_id
    assert len(world.stamps) == 0, "something is kept of calls that are over"
    return told


def rows_of(told: Story) -> dict[str, list[dict[str, Any]]]:
    """The log's tables after this story."""
    engine: Engine = create_engine("sqlite://")
    metadata.create_all(engine)
    maker = RowMaker()
    with engine.begin() as connection:
        for n, entry in enumerate(told.entries):
            write_changes(connection, maker.rows(f"{n:06d}", entry))
        found = {
            table.name: [dict(row._mapping) for row in connection.execute(select(table))]
            for table in (calls, legs, waits, offers, agent_states)
        }
    engine.dispose()
    return found


def times(row: dict[str, Any]) -> list[datetime]:
    return [row[name] for name in TIMES if row.get(name) is not None]


STEADY = rows_of(story([]))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(JUMPS)
def test_a_jump_of_the_wall_changes_no_length_and_turns_no_interval(jumps: list[Jump]) -> None:
    told = rows_of(story(jumps))

    for name, steady in STEADY.items():
        for row, was in zip(told[name], steady, strict=True):
            assert times(row) == sorted(times(row))
            # All that is not a time is the same; times are the same from their first on.
            assert {k: v for k, v in row.items() if k not in TIMES} == {
                k: v for k, v in was.items() if k not in TIMES
            }
            lengths = [one - times(row)[0] for one in times(row)]
            for length, before in zip(
                lengths, (t - times(was)[0] for t in times(was)), strict=True
            ):
                assert abs(length - before) < timedelta(milliseconds=1)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(JUMPS)
def test_what_begins_after_a_jump_has_the_time_that_a_watch_shows(jumps: list[Jump]) -> None:
    told = rows_of(story(jumps))

    for name in ("calls", "agent_states"):
        for row, was in zip(told[name], STEADY[name], strict=True):
            at_s = was["started_at"].timestamp() - START
            # A jump in that very moment may count or not.
            seen = [
                sum(by for at, by in jumps if at < at_s),
                sum(by for at, by in jumps if at <= at_s),
            ]
            shift_s = (row["started_at"] - was["started_at"]).total_seconds()
            assert any(abs(shift_s - one) < 0.001 for one in seen)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-HOUR, HOUR)), max_size=20))
def test_the_engines_time_goes_on_whatever_the_walls_does(steps: list[tuple[float, float]]) -> None:
    wall, steady = 1_800_000_000.0, 50.0
    clock = SystemClock(lambda: wall, lambda: steady)
    began = clock.now()
    passed = 0.0
    for seconds, jump in steps:
        wall += seconds + jump
        steady += seconds
        passed += seconds
        assert abs(clock.now() - began - passed) < 0.001
        assert abs(clock.utc(clock.now()).timestamp() - wall) < STEP_S + 0.001
