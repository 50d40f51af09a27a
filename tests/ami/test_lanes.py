"""What goes ahead overtakes nothing that it has to do with."""

from __future__ import annotations

import random
from collections.abc import Collection
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from pbx.ami.lanes import AT_ONCE, Lanes, before
from pbx.ami.protocol import Headers

WORDS = "abcdefg"


def message(number: int, words: Collection[str] | None, *, hurries: bool = False) -> Headers:
    about = "?" if words is None else "".join(sorted(words))
    return {"Number": str(number), "About": about, "Hurries": "yes" if hurries else ""}


def about(one: Headers) -> Collection[str] | None:
    return None if one["About"] == "?" else frozenset(one["About"])


def hurries(one: Headers) -> bool:
    return bool(one["Hurries"])


@st.composite
def streams(draw: st.DrawFn) -> list[Headers]:
    words = st.one_of(
        st.frozensets(st.sampled_from(WORDS), min_size=1, max_size=3),
        st.frozensets(st.sampled_from(WORDS), max_size=1),
        st.none() if draw(st.booleans()) else st.frozensets(st.sampled_from(WORDS), max_size=2),
    )
    told = draw(st.lists(st.tuples(words, st.integers(0, 4)), max_size=40))
    return [message(n, one, hurries=share == 0) for n, (one, share) in enumerate(told)]


def number(one: Headers) -> int:
    return int(one["Number"])


def related(one: Headers, other: Headers) -> bool:
    ours, theirs = about(one), about(other)
    return ours is None or theirs is None or not frozenset(ours).isdisjoint(theirs)


class Line:
    """Takes messages through lanes, and keeps the order in which they were taken."""

    def __init__(self) -> None:
        self.taken: list[Headers] = []
        self.lanes = Lanes(self.taken.append, about=about, hurries=hurries)


@given(stream=streams(), pauses=st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_what_is_related_keeps_its_order_and_nothing_is_lost_or_doubled(
    stream: list[Headers], pauses: list[int]
) -> None:
    line = Line()
    for one, pause in zip(stream, pauses * len(stream), strict=False):
        line.lanes.put(one)
        line.lanes.work(pause)
    while len(line.lanes):
        line.lanes.work()

    assert sorted(map(number, line.taken)) == list(range(len(stream)))
    for earlier, later in combinations(line.taken, 2):
        if related(earlier, later):
            assert number(earlier) < number(later)


@given(stream=streams())
def test_nothing_is_late_that_nothing_urgent_passes(stream: list[Headers]) -> None:
    """What does not hurry keeps its order among itself, but for what had to go ahead."""
    calm = [one for one in stream if not hurries(one)]
    line = Line()
    for one in calm:
        line.lanes.put(one)
    line.lanes.work(len(calm))
    assert line.taken == calm


@given(waiting=streams(), words=st.frozensets(st.sampled_from(WORDS), max_size=2))
def test_only_what_it_may_not_overtake_goes_before_what_hurries(
    waiting: list[Headers], words: frozenset[str]
) -> None:
    urgent = message(len(waiting), words, hurries=True)
    first, rest = before(urgent, waiting, about)

    assert sorted([*first, *rest], key=number) == waiting
    chain = [urgent]
    for one in reversed(first):
        assert any(related(one, later) for later in chain), "each is linked to the urgent one"
        chain.append(one)
    for one in rest:
        assert all(not related(one, other) for other in chain if number(other) > number(one))


def test_a_free_managers_news_is_taken_at_once_before_a_hundred_new_callers() -> None:
    line = Line()
    for n in range(100):
        line.lanes.put(message(n, "a"))
    line.lanes.put(message(100, "b"))
    line.lanes.put(message(101, "b", hurries=True))

    assert list(map(number, line.taken)) == [100, 101]


def test_the_line_is_looked_at_again_after_a_few() -> None:
    line = Line()
    for n in range(3 * AT_ONCE):
        line.lanes.put(message(n, "a"))
    line.lanes.work()

    assert len(line.taken) == AT_ONCE


def test_who_takes_one_may_end_it_all() -> None:
    taken: list[Headers] = []

    def take(one: Headers) -> None:
        taken.append(one)
        lanes.clear()

    lanes = Lanes(take, about=about, hurries=hurries)
    lanes.put(message(0, "a"))
    lanes.put(message(1, "b"))
    lanes.put(message(2, "b", hurries=True))

    assert list(map(number, taken)) == [1]
    assert not len(lanes)


def test_many_that_hurry_stay_in_order_where_they_are_related() -> None:
    rng = random.Random(7)
    stream = [message(n, rng.choice("ab"), hurries=rng.random() < 0.5) for n in range(300)]
    line = Line()
    for one in stream:
        line.lanes.put(one)
    line.lanes.work(len(stream))
    for word in "ab":
        mine = [number(one) for one in line.taken if one["About"] == word]
        assert mine == sorted(mine)
