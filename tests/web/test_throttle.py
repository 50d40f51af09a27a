"""Guessing becomes slow, at any pace and in any order, and costs bounded memory."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.web.accounts.throttle import Pace, Throttle

PACE = Pace(free=3, first_s=1.0, longest_s=30.0, forget_s=600.0)
KEYS = st.sampled_from(["maria", "oleg", "root"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["try", "succeed", "forgive"]), KEYS, st.floats(0, 700)), max_size=80
)


def test_the_pause_doubles_up_to_its_longest() -> None:
    pauses = [PACE.pause_s(failures) for failures in range(12)]

    assert pauses == [0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert PACE.pause_s(10**9) == 30


@given(st.lists(st.floats(0, 40), max_size=300))
def test_no_timing_gets_more_guesses_than_the_pace_allows(gaps: list[float]) -> None:
    throttle = Throttle(PACE)
    now, began = 0.0, []
    for gap in gaps:
        now += gap
        if throttle.wait_s("maria", now) == 0:
            throttle.begin("maria", now)
            began.append(now)
    for failures, (before, after) in enumerate(pairwise(began), 1):
        assert after - before >= PACE.pause_s(failures) - 1e-6


@given(STEPS)
def test_keys_do_not_touch_each_other(steps: list[tuple[str, str, float]]) -> None:
    together = Throttle(PACE)
    alone = {key: Throttle(PACE) for key in ("maria", "oleg", "root")}
    now = 0.0
    for what, key, gap in steps:
        now += gap
        for throttle in (together, alone[key]):
            if what == "forgive":
                throttle.forgive(key)
            elif throttle.wait_s(key, now) == 0:
                before = throttle.begin(key, now)
                if what == "succeed":
                    throttle.take_back(key, before)
        assert {key: together.wait_s(key, now) for key in alone} == {
            key: throttle.wait_s(key, now) for key, throttle in alone.items()
        }


@given(STEPS, KEYS)
def test_an_attempt_that_is_taken_back_leaves_no_trace(
    steps: list[tuple[str, str, float]], key: str
) -> None:
    throttle = Throttle(PACE)
    now = 0.0
    for _, one, gap in steps:
        now += gap
        if throttle.wait_s(one, now) == 0:
            throttle.begin(one, now)
    now += 0.5
    before = throttle.wait_s(key, now)
    if before == 0:
        throttle.take_back(key, throttle.begin(key, now))
    assert throttle.wait_s(key, now) == before


@settings(max_examples=50)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=400))
def test_memory_is_bounded_and_a_flood_of_names_does_not_free_the_one_under_attack(
    names: list[int],
) -> None:
    throttle = Throttle(PACE, most=50)
    for _ in range(PACE.free + 6):
        throttle.begin("maria", 0.0)
    for number, name in enumerate(names):
        throttle.begin(str(name), number / 1000)
        assert len(throttle) <= 50
    slowed = sum(names.count(name) > PACE.free for name in set(names))
    if slowed < 49:
        assert throttle.wait_s("maria", 1.0) > 0


def test_all_is_forgotten_after_a_while() -> None:
    throttle = Throttle(PACE)
    for _ in range(20):
        throttle.begin("maria", 0.0)

    assert throttle.wait_s("maria", 29.0) == 1.0
    assert throttle.wait_s("maria", PACE.forget_s) == 0
    throttle.begin("maria", PACE.forget_s)
    assert throttle.wait_s("maria", PACE.forget_s) == 0
