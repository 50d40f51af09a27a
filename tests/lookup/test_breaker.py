"""Who does not answer is left alone, and tried again."""

from __future__ import annotations

from pbx.lookup.breaker import FAILURES_MOST, REST_MOST_S, REST_S, Breaker


def fails(breaker: Breaker, now: float) -> float | None:
    assert breaker.may_ask(now)
    return breaker.failed(now)


def test_after_some_failures_in_a_row_nobody_is_asked_until_one_question_tries() -> None:
    breaker = Breaker()
    rests = [fails(breaker, float(n)) for n in range(FAILURES_MOST)]
    assert rests == [None] * (FAILURES_MOST - 1) + [REST_S]
    began = float(FAILURES_MOST - 1)

    assert not breaker.may_ask(began + REST_S - 0.1)
    assert breaker.may_ask(began + REST_S)
    assert not breaker.may_ask(began + REST_S), "one is enough to see"
    assert breaker.answered()
    assert breaker.may_ask(began + REST_S)


def test_each_rest_is_longer_up_to_a_bound_and_an_answer_begins_anew() -> None:
    breaker, now = Breaker(), 0.0
    rests: list[float] = []
    while len(rests) < 5:
        if rest_s := fails(breaker, now):
            rests.append(rest_s)
            now += rest_s
    assert rests == [10.0, 20.0, 40.0, REST_MOST_S, REST_MOST_S]

    breaker.answered()
    assert [fails(breaker, now) for _ in range(FAILURES_MOST)][-1] == REST_S


def test_an_answer_between_failures_counts_them_anew() -> None:
    breaker = Breaker()
    for n in range(3 * FAILURES_MOST):
        if n % FAILURES_MOST == FAILURES_MOST - 1:
            assert not breaker.answered()
        else:
            assert fails(breaker, float(n)) is None


def test_questions_that_were_under_way_when_the_rest_began_make_it_no_longer() -> None:
    breaker = Breaker()
    for _ in range(32):
        assert breaker.may_ask(0.0)
    assert [breaker.failed(0.5) for _ in range(32)].count(REST_S) == 1
    assert breaker.may_ask(0.5 + REST_S)
    assert breaker.failed(0.6 + REST_S) == 2 * REST_S
