"""What a phone does is on every viewer's wall within a second: the bench of it, a short one."""

from __future__ import annotations

import pytest

from bench.phones_to_wall import LATE_S, WATCHED, measure
from lab.seen import percentile

pytestmark = [pytest.mark.asterisk, pytest.mark.browser, pytest.mark.timeout(120)]


async def test_each_packet_is_told_to_each_who_may_see_it_within_a_second() -> None:
    (phase,) = await measure(seconds=6.0, rate=3.0, viewers=(30,))

    assert set(phase.took) == {*WATCHED, "admin, painted"}
    for who, took in phase.took.items():
        assert took.missing == 0, who
        assert took.all, who
        # The most of a busy machine's is its own; ``python -m bench.phones_to_wall`` tells it.
        assert percentile(took.all, 0.5) < LATE_S, who
    assert len(phase.took["admin"].calling) == 18
    assert len(phase.took["admin"].talking) == 18
