"""A token asks as often as it may, whatever the timing, and what is remembered is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.web.accounts.allowance import BURST_S, Allowance

PER_MINUTE = 120
FULL = PER_MINUTE / 60 * BURST_S


def test_a_burst_and_then_one_at_a_time() -> None:
    allowance = Allowance(PER_MINUTE)

    assert [allowance.take("crm", 0.0) for _ in range(20)] == [0.0] * 20
    assert allowance.take("crm", 0.0) == pytest.approx(0.5)
    assert allowance.take("crm", 0.4) == pytest.approx(0.1)
    assert allowance.take("crm", 0.5) == 0.0
    assert allowance.take("crm", 0.5) == pytest.approx(0.5)
    assert allowance.take("other", 0.5) == 0.0


def test_even_the_smallest_allowance_lets_one_through() -> None:
    allowance = Allowance(1)

    assert allowance.take("crm", 0.0) == 0.0
    assert allowance.take("crm", 0.0) == pytest.approx(60.0)
    assert allowance.take("crm", 60.0) == 0.0


@given(st.lists(st.floats(0, 20), max_size=200))
def test_no_timing_gets_more_than_the_allowance(gaps: list[float]) -> None:
    allowance, now, taken = Allowance(PER_MINUTE), 0.0, 0
    for gap in gaps:
        now += gap
        waits = allowance.wait_s("crm", now)
        took = allowance.take("crm", now)
        assert took == pytest.approx(waits)
        taken += not took
        assert taken <= FULL + now * PER_MINUTE / 60 + 1e-6


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_who_waits_as_long_as_told_is_let_through(first: float, later: float) -> None:
    allowance = Allowance(PER_MINUTE)
    while not (waits := allowance.take("crm", first)):
        pass
    assert allowance.take("crm", first + waits + later + 1e-6) == 0.0


def test_what_is_remembered_is_bounded_and_who_asks_is_remembered() -> None:
    allowance = Allowance(PER_MINUTE, most=100)
    for n in range(10_000):
        allowance.take(f"token {n}", n / 1000)
        assert len(allowance) <= 100
        for _ in range(2):  # more than it may
            allowance.take("busy", n / 1000)
    assert allowance.wait_s("busy", 10.0) > 0
