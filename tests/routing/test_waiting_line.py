"""The order of service: priority is a start, waiting makes up for it, nobody starves."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import HealthCheck, assume, given, settings

from routing import commands, events, facts
from routing.values import CallId, QueueId, ReturnReason
from routing.waiting_line import MAX_OLD_PLACES, OldPlaces, Turn, turn_of
from tests.routing.test_promises import Desk, Q
from tests.world import agent

TIMES = st.integers(0, 100_000).map(float)
PRIORITIES = st.integers(0, 300)
STEPS = st.integers(1, 3600).map(float)


def turn(priority: int, since: float, step_s: float, order: int = 0) -> Turn:
    return turn_of(
        CallId(f"c{order}"),
        priority=priority,
        step_s=step_s,
        place_since=since,
        waiting_since=since,
        order=order,
    )


@settings(suppress_health_check=[HealthCheck.too_slow])  # two floats, on a busy machine
@given(PRIORITIES, TIMES, PRIORITIES, TIMES, STEPS, TIMES)
def test_the_order_is_that_of_priority_and_waiting_at_every_moment(
    one: int, since: float, other: int, other_since: float, step_s: float, later: float
) -> None:
    now = max(since, other_since) + later
    worth = one + (now - since) / step_s
    other_worth = other + (now - other_since) / step_s
    assume(abs(worth - other_worth) > 1e-6)

    assert (turn(one, since, step_s) < turn(other, other_since, step_s)) is (worth > other_worth)


@given(PRIORITIES, TIMES, st.lists(st.tuples(PRIORITIES, TIMES)), STEPS)
def test_nobody_is_passed_by_who_comes_later_than_any_priority_is_worth(
    priority: int, since: float, others: list[tuple[int, float]], step_s: float
) -> None:
    mine = turn(priority, since, step_s)
    for number, (other, came) in enumerate(others, start=1):
        if turn(other, came, step_s, number) < mine:
            assert came <= since + max(0, other - priority) * step_s


@given(st.lists(st.tuples(PRIORITIES, TIMES), unique=True), STEPS)
def test_of_equal_priority_who_came_first_is_first(
    callers: list[tuple[int, float]], step_s: float
) -> None:
    turns = [turn(5, since, step_s, n) for n, (_, since) in enumerate(callers)]
    assert [one[1] for one in sorted(turns)] == sorted(since for _, since in callers)


def test_a_constant_stream_of_important_callers_does_not_keep_one_waiting_for_ever() -> None:
    desk = Desk(agent("anna"), priority_step_s=60.0)
    desk.queue("first")
    leg_id, talking = desk.talk("first"), "first"
    desk.queue("patient")
    served = []
    for n in range(40):
        # One VIP (5 steps, so five minutes ahead) comes for each talk of 30 s.
        desk.queue(f"vip{n}", priority=5)
        desk.now += 30
        desk.end(talking, leg_id)
        talking = desk.rings[-1].call_id
        leg_id = desk.talk(talking)
        served.append(talking)

    assert served.index(CallId("patient")) == 10, "after those who came within five minutes"


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["keep", "take"]),
        st.sampled_from(["", "+71", "+72"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 100),
    )
)


@given(OPERATIONS, st.none() | st.integers(0, 200).map(float))
def test_an_old_place_is_given_back_once_in_time_and_to_nobody_else(
    operations: list[tuple[str, str, str, int]], within_s: float | None
) -> None:
    places = OldPlaces()
    model: dict[tuple[str, str], tuple[float, float]] = {}
    now = 0.0
    for what, number, queue, step in operations:
        now += step
        if what == "keep":
            places.keep(QueueId(queue), number, now - 7, now)
            if number:
                model[queue, number] = (now - 7, now)
            continue
        since, left_at = model.pop((queue, number), (now, now))
        in_time = within_s is not None and now - left_at <= within_s
        taken = places.take(QueueId(queue), number, now, within_s)
        assert taken == (since if in_time else now)
    assert len(places) == len(model)


def test_old_places_are_bounded() -> None:
    places = OldPlaces()
    for n in range(MAX_OLD_PLACES + 100):
        places.keep(Q, f"+7{n}", 0.0, 0.0)
    assert len(places) == MAX_OLD_PLACES
    assert places.take(Q, "+70", 1.0, 60.0) == 1.0
    assert places.take(Q, f"+7{MAX_OLD_PLACES}", 1.0, 60.0) == 0.0


def busy_desk(**more: object) -> Desk:
    """Anna talks; others wait."""
    desk = Desk(agent("anna"), **more)  # type: ignore[arg-type]
    desk.queue("first")
    desk.talk("first")
    return desk


def test_who_drops_out_and_calls_again_in_time_has_the_old_place() -> None:
    desk = busy_desk(returning_s=60.0, max_wait_s=100.0)
    for call in ("ivan", "other"):
        desk.now += 10
        desk.queue(call, number=f"+7{call}")
    desk.tell(events.CallerLeft(CallId("ivan")))
    desk.now += 50
    desk.queue("ivan-again", number="+7ivan")

    assert desk.dispatcher.position(CallId("ivan-again")) == 1
    last = [one for one in desk.facts if isinstance(one, facts.WaitStarted)][-1]
    assert (last.position, last.waiting_since) == (1, desk.now), "the wait itself is a new one"
    # The other's longest wait is over long before that of who came back.
    desk.wait(60)
    returned = [one for one in desk.given if isinstance(one, commands.ReturnCaller)]
    assert returned == [commands.ReturnCaller(CallId("other"), ReturnReason.MAX_WAIT)]


def test_a_place_is_kept_only_on_wish_in_time_and_for_who_hung_up() -> None:
    def second_time(away_s: float, by_key: bool = False, **more: object) -> int | None:
        desk = busy_desk(**more)
        desk.queue("ivan", number="+7ivan")
        desk.now += 1
        desk.queue("other")
        desk.tell(events.CallerLeft(CallId("ivan"), by_key=by_key))
        desk.now += away_s
        desk.queue("ivan-again", number="+7ivan")
        return desk.dispatcher.position(CallId("ivan-again"))

    assert second_time(10) == 2
    assert second_time(10, returning_s=60.0) == 1
    assert second_time(61, returning_s=60.0) == 2
    assert second_time(10, by_key=True, returning_s=60.0) == 2


def test_places_of_queues_with_other_steps_compare_as_times() -> None:
    """For an agent of several queues: each caller counts as come so much earlier."""
    five_minutes_ahead = turn(5, 1000.0, 60.0)
    assert turn(1, 709.0, 10.0) < five_minutes_ahead < turn(1, 711.0, 10.0)
