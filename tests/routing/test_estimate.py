"""The estimate of a wait: right where waits can be known, never an error, never absurd."""

from __future__ import annotations

import heapq
import random

import hypothesis.strategies as st
import pytest
from hypothesis import given

from routing import facts
from routing.estimate import LEAST_SERVED, WINDOW_S, ServiceRates
from routing.plan import Queue, RoutingPlan, StrategyChoice
from routing.values import AgentId, AgentState, CallId, OfferId, QueueId

Q = QueueId("sales")
OTHER = QueueId("other")


def rates(agents: int) -> ServiceRates:
    members = tuple(AgentId(f"a{n}") for n in range(agents))
    queues = {one: Queue(one, members, StrategyChoice("linear")) for one in (Q, OTHER)}
    made = ServiceRates(RoutingPlan({}, queues))
    for agent_id in members:
        made.observe(
            facts.AgentChanged(agent_id, AgentState.OFFLINE, AgentState.FREE, "logged_in"), 0.0
        )
    return made


def came(call: int, place: int = 1) -> facts.WaitStarted:
    return facts.WaitStarted(CallId(str(call)), Q, place, 0, 0.0)


def offered(call: int) -> facts.OfferMade:
    return facts.OfferMade(OfferId("o"), CallId(str(call)), Q, "linear", (), (), "")


def ended(call: int, reason: str = "joined") -> facts.WaitEnded:
    return facts.WaitEnded(CallId(str(call)), Q, 0.0, reason)


def busy_hours(
    made: ServiceRates, *, agents: int, arrivals_s: float, talk_s: float, seed: int
) -> list[tuple[float, float]]:
    """(estimate, wait) of each caller of a queue with talks of exponential length, after an hour.

    Little of the model is ours: agents free again by a heap, callers served as they came.
    """
    chance = random.Random(seed)
    free_at = [0.0] * agents
    heapq.heapify(free_at)
    happens: list[tuple[float, int, facts.Fact]] = []
    now = 0.0
    starts: dict[int, float] = {}
    for call in range(4000):
        now += chance.expovariate(1 / arrivals_s)
        start = max(now, heapq.heappop(free_at))
        heapq.heappush(free_at, start + chance.expovariate(1 / talk_s))
        starts[call] = start
        happens += [(now, 3 * call, came(call)), (start, 3 * call + 1, offered(call))]
        happens.append((start, 3 * call + 2, ended(call)))
    found = []
    waiting = 0
    for at, _, fact in sorted(happens, key=lambda one: one[:2]):
        made.observe(fact, at)
        if isinstance(fact, facts.WaitStarted):
            waiting += 1
            call = int(fact.call_id)
            estimate = made.expected_wait_s(Q, waiting, at)
            if starts[call] > at and at > 3600 and estimate is not None:
                found.append((estimate, starts[call] - at))
        elif isinstance(fact, facts.WaitEnded):
            waiting -= 1
    return found


@pytest.mark.parametrize(("agents", "load"), [(1, 0.8), (5, 0.9), (10, 1.0), (3, 1.2)])
def test_waits_are_told_right_on_the_average(agents: int, load: float) -> None:
    talk_s = 120.0
    arrivals_s = talk_s / agents / load
    told = busy_hours(rates(agents), agents=agents, arrivals_s=arrivals_s, talk_s=talk_s, seed=5)

    assert len(told) > 500
    said = sum(one for one, _ in told)
    waited = sum(other for _, other in told)
    assert said / waited == pytest.approx(1.0, abs=0.15)


def test_nothing_is_said_before_enough_was_seen_nor_long_after() -> None:
    made = rates(1)
    for call in range(LEAST_SERVED + 1):
        made.observe(came(call), 0.0)
    for call in range(LEAST_SERVED):
        assert made.expected_wait_s(Q, 1, 60.0 * call) is None
        made.observe(ended(call), 60.0 * (call + 1))

    # Three in 180 s, counted as one more.
    assert made.expected_wait_s(Q, 1, 180.0) == pytest.approx(45.0)
    assert made.expected_wait_s(Q, 3, 180.0) == pytest.approx(135.0)
    assert made.expected_wait_s(OTHER, 1, 180.0) is None
    assert made.expected_wait_s(QueueId("none"), 1, 180.0) is None
    made.observe(ended(LEAST_SERVED, "left"), 180.0)
    assert made.expected_wait_s(Q, 1, 180.0 + 2 * WINDOW_S) is None


def test_callers_rung_for_at_once_say_nothing_about_waits() -> None:
    made = rates(5)
    for call in range(10):
        made.observe(came(call), 10.0 * call)
        made.observe(offered(call), 10.0 * call)
        made.observe(ended(call), 10.0 * call + 5)

    assert made.expected_wait_s(Q, 1, 100.0) is None


def test_more_agents_on_duty_make_the_wait_shorter_and_none_make_it_unknown() -> None:
    made = rates(2)
    for call in range(9):
        made.observe(came(call), 0.0)
    for call in range(4):
        made.observe(ended(call), 30.0 * (call + 1))
    with_two = made.expected_wait_s(Q, 1, 120.0)
    pause = facts.AgentChanged(AgentId("a0"), AgentState.FREE, AgentState.PAUSED, "lunch")
    made.observe(pause, 120.0)
    with_one = made.expected_wait_s(Q, 1, 120.0)
    gone = facts.AgentChanged(AgentId("a1"), AgentState.FREE, AgentState.OFFLINE, "logged_out")
    made.observe(gone, 120.0)

    assert with_two == pytest.approx(24.0)
    assert with_one == pytest.approx(48.0)
    assert made.expected_wait_s(Q, 1, 120.0) is None


FACTS = st.one_of(
    st.builds(came, st.integers(0, 5)),
    st.builds(offered, st.integers(0, 5)),
    st.builds(ended, st.integers(0, 5), st.sampled_from(["joined", "left", "max_wait"])),
    st.builds(
        facts.OfferEnded,
        st.just(OfferId("o")),
        st.integers(0, 5).map(lambda n: CallId(str(n))),
        st.sampled_from(["joined", "no_answer"]),
    ),
    st.builds(
        facts.AgentChanged,
        st.integers(0, 3).map(lambda n: AgentId(f"a{n}")),
        st.just(AgentState.FREE),
        st.sampled_from(AgentState),
        st.just(""),
    ),
)


@given(
    st.lists(st.tuples(FACTS, st.floats(-1e4, 1e6))),
    st.integers(-5, 10_000),
    st.floats(-1e4, 2e6),
)
def test_any_facts_in_any_order_give_a_wait_that_grows_with_the_place_or_none(
    happened: list[tuple[facts.Fact, float]], place: int, now: float
) -> None:
    made = rates(3)
    for number, (fact, at) in enumerate(happened):
        made.observe(fact, at)
        if number % 7 == 3:
            made.replace_plan(made._plan, at)

    wait = made.expected_wait_s(Q, place, now)
    further = made.expected_wait_s(Q, place + 1, now)

    assert (wait is None) is (further is None)
    if wait is not None and further is not None:
        assert 0 < wait <= further
