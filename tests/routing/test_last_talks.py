"""Who talked last with each number."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from routing import last_talks
from routing.last_talks import LastTalk, LastTalks
from routing.values import AgentId

ANNA, BORIS = AgentId("anna"), AgentId("boris")


def number(n: int) -> str:
    return f"+7916{n:07}"


def test_the_last_talk_counts_to_the_millisecond() -> None:
    talks = LastTalks({number(1): LastTalk(ANNA, 900.0)})
    talks.note(number(1), BORIS, 1_795_000_000.1234)

    assert talks.get(number(1)) == LastTalk(BORIS, 1_795_000_000.123)
    assert talks.get(number(2)) is None
    assert number(1) in talks
    assert number(2) not in talks
    assert len(talks) == 1


def test_a_talk_that_ended_earlier_is_the_last_all_the_same() -> None:
    """The machine's clock may have been put back."""
    talks = LastTalks({number(1): LastTalk(ANNA, 900.0)})
    talks.note(number(1), BORIS, 500.0)

    assert talks.get(number(1)) == LastTalk(BORIS, 500.0)


def test_of_many_each_is_found() -> None:
    rng = random.Random(3)
    talks, right = LastTalks(), dict[str, LastTalk]()
    for at in range(40_000):
        who, agent = number(rng.randrange(15_000)), AgentId(f"a{rng.randrange(300)}")
        talks.note(who, agent, float(at))
        right[who] = LastTalk(agent, float(at))

    assert len(talks) == len(right)
    assert all(talks.get(number(n)) == right.get(number(n)) for n in range(16_000))


def test_what_is_no_number_is_kept_as_well() -> None:
    odd = ["", "101", "anna", "+7916", "+٧", "\udc80"]
    talks = LastTalks({one: LastTalk(AgentId(one), 1.0) for one in odd})

    assert [talks.get(one) for one in odd] == [LastTalk(AgentId(one), 1.0) for one in odd]


def test_a_copy_goes_its_own_way() -> None:
    talks = LastTalks({number(n): LastTalk(ANNA, 1.0) for n in range(3_000)})
    other = talks.copy()
    other.note(number(1), BORIS, 2.0)
    other.note(number(5_000), BORIS, 2.0)
    talks.note(number(2), BORIS, 3.0)

    assert talks.get(number(1)) == LastTalk(ANNA, 1.0)
    assert number(5_000) not in talks
    assert other.get(number(1)) == LastTalk(BORIS, 2.0)
    assert other.get(number(2)) == LastTalk(ANNA, 1.0)
    assert (len(talks), len(other)) == (3_000, 3_001)


def test_a_number_costs_less_than_fifty_bytes() -> None:
    talks = LastTalks()
    tracemalloc.start()
    try:
        for n in range(20_000):
            talks.note(number(n), ANNA, 1_795_000_000.0 + n)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert held / len(talks) < 50


def test_of_too_many_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_talks, "MOST_IN_PART", 11)
    most = last_talks.PARTS * 11
    talks = LastTalks()
    for n in range(3 * most):
        talks.note(number(n), ANNA, float(n))

    assert most // 3 < len(talks) <= most
    # Those of one part and those of all are forgotten in the same order, but not at the same time.
    assert all(number(n) in talks for n in range(3 * most - 250, 3 * most))
    assert sum(number(n) in talks for n in range(most)) == 0


def test_the_same_talks_leave_the_same_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_talks, "MOST_IN_PART", 11)
    most = last_talks.PARTS * 11
    one, other = LastTalks(), LastTalks()
    for n in range(2 * most):
        for talks in (one, other):
            talks.note(number(n), ANNA, float(n))

    assert [number(n) in one for n in range(2 * most)] == [
        number(n) in other for n in range(2 * most)
    ]
