"""``python -m bench.claims``: the tables behind what docs/strategies.md says of the seed claims."""

from __future__ import annotations

from bench.claims import MORE_PASSED, Cell, day, holds, markdown, relative
from pbx.simulate.experiment import run
from pbx.simulate.intervals import Estimate
from routing.strategy import Registry


def test_where_skill_makes_no_difference_no_strategy_passes_more_on() -> None:
    made = day(0.6, answer_s=5.0, ring_s=20.0, effect=0.0)

    base, one = run(
        made, ("round-robin", "skill-priority"), registry=Registry.builtin(), runs=4, seed=1
    )

    assert not relative(one, base, "passed_calls").clear


def test_only_a_mean_in_the_claimed_range_and_clear_of_chance_is_bold() -> None:
    assert holds(Estimate(0.2, 0.05), MORE_PASSED, 1)
    assert not holds(Estimate(0.2, 0.25), MORE_PASSED, 1)
    assert not holds(Estimate(0.4, 0.05), MORE_PASSED, 1)
    table = markdown([Cell("r", "c", Estimate(0.2, 0.05))], "what", MORE_PASSED, 1)
    assert table.splitlines()[2] == "| r | **+20 ± 5 %** |"
