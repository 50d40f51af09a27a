"""Callers' time limits are set anew without a crowd of actions."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from pbx.ami.channels import LIMIT_S
from pbx.ami.limits import RENEW_EVERY_S, RenewalRound
from routing.values import CallId

BEGAN = 1000.0


def callers(count: int) -> list[CallId]:
    return [CallId(f"{n}.0") for n in range(count)]


@given(count=st.integers(0, 700), looks=st.lists(st.floats(0, RENEW_EVERY_S * 1.5), max_size=40))
def test_each_has_one_turn_in_a_round_and_no_more_at_once_than_time_has_passed(
    count: int, looks: list[float]
) -> None:
    turns = RenewalRound(callers(count), BEGAN)
    served: list[CallId] = []
    before = 0.0
    for passed in sorted(looks):
        now = list(turns.due(BEGAN + passed))
        assert len(now) <= math.ceil(count * (passed - before) / RENEW_EVERY_S) + 1
        served += now
        before = passed
    served += turns.due(BEGAN + RENEW_EVERY_S)
    assert served == callers(count)
    assert turns.over


@given(count=st.integers(0, 700))
def test_whoever_asks_at_the_told_times_is_in_time_for_each(count: int) -> None:
    turns = RenewalRound(callers(count), BEGAN)
    served = 0
    for _ in range(count):
        assert not turns.over
        served += len(turns.due(turns.next_at + 1e-9))
    assert served == count
    assert turns.over
    assert turns.next_at == BEGAN + RENEW_EVERY_S


def test_a_clock_that_stands_still_or_goes_back_brings_nobody_twice() -> None:
    turns = RenewalRound(callers(2), BEGAN)
    assert turns.due(BEGAN) == callers(1)
    assert not turns.due(BEGAN)
    assert not turns.due(BEGAN - 5)


def test_two_rounds_and_a_late_engine_are_within_the_limit() -> None:
    assert 2 * RENEW_EVERY_S + 2.0 < LIMIT_S
