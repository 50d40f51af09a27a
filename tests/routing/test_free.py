"""The indexes of who is free say what a look through everybody would say."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.agents import WorkingAgent
from routing.members import POOLS_KEPT, FreeFor, Members
from routing.plan import Agent, Queue, StrategyChoice
from routing.shares import Shares
from routing.strategy import Registry
from routing.values import AgentId, QueueId, SkillNeed
from routing.waiting_line import Needs, meets

SKILLS = ("tech", "english", "tax")
NEEDS = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 3), max_size=3).map(
    lambda needs: tuple(SkillNeed(skill, level) for skill, level in needs.items())
)
PEOPLE = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 4)),
        st.integers(0, 3),  # when the last talk ended: ties are common
        st.integers(0, 4),  # weight
    ),
    min_size=1,
    max_size=9,
)


def company(people: list[tuple[dict[str, int], int, int]]) -> tuple[Members, list[WorkingAgent]]:
    agents = [
        WorkingAgent(Agent(AgentId(f"a{n}"), "", skills=skills), last_ended_at=float(ended))
        for n, (skills, ended, _) in enumerate(people)
    ]
    ids = tuple(one.agent_id for one in agents)
    weights = {AgentId(f"a{n}"): weight for n, (_, _, weight) in enumerate(people)}
    queue = Queue(QueueId("q"), ids, StrategyChoice("longest-idle"), weights=weights)
    made = Registry.builtin().make("longest-idle", {}, None, rng=random.Random(1), weights={})
    return Members(queue, made), agents


@pytest.mark.slow
@given(people=PEOPLE, data=st.data())
@settings(max_examples=300, deadline=None)
def test_every_question_is_answered_as_by_looking_through_all(
    people: list[tuple[dict[str, int], int, int]], data: st.DataObject
) -> None:
    members, agents = company(people)
    by_id = {one.agent_id: one for one in agents}
    free: set[AgentId] = set()
    for _ in range(data.draw(st.integers(1, 12))):
        who = data.draw(st.sampled_from(agents))
        if data.draw(st.booleans()):
            members.enter(who)
            free.add(who.agent_id)
        else:
            members.leave(who)
            free.discard(who.agent_id)
        needs: Needs = data.draw(NEEDS)
        barred = frozenset(data.draw(st.sets(st.sampled_from(sorted(by_id)), max_size=2)))
        view = FreeFor(members, by_id, needs, barred, {})

        may = [
            one
            for one in agents
            if one.agent_id in free and one.agent_id not in barred and meets(one.skills, needs)
        ]
        assert list(view) == sorted(may, key=lambda one: (one.last_ended_at, agents.index(one)))
        assert view.first() is next(iter(view), None)
        assert [view.get(one.agent_id) for one in agents] == [
            one if one in may else None for one in agents
        ]
        best = min(
            may,
            key=lambda one: (
                -min((one.skills[need.skill] for need in needs), default=0),
                one.last_ended_at,
                agents.index(one),
            ),
            default=None,
        )
        assert view.by_level() is best
        assert (view.any_of(random.Random(3)) in may) == bool(may)

        weights = {one.agent_id: people[agents.index(one)][2] for one in may}
        drawn = view.by_weight(random.Random(data.draw(st.integers(0, 9))))
        if drawn is None:
            assert not any(weights.values())
        else:
            agent, share = drawn
            assert share == weights[agent.agent_id] / sum(weights.values()) > 0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.data())
def test_each_has_as_many_points_of_the_sum_as_it_weighs(
    weights: list[int], data: st.DataObject
) -> None:
    shares = Shares({n: n for n in range(len(weights))})
    for key in data.draw(st.permutations(range(len(weights)))):
        shares.put(key, 9)
        shares.put(key, weights[key])

    assert shares.total == sum(weights)
    points = Counter(shares.at(point) for point in range(shares.total))
    assert points == Counter({key: weight for key, weight in enumerate(weights) if weight})


def test_what_is_kept_for_sets_of_needs_is_bounded() -> None:
    members, (anna,) = company([({"tech": 1}, 0, 1)])
    first = members.free_for((SkillNeed("tech", 1),))
    members.enter(anna)
    for level in range(2, POOLS_KEPT + 2):
        members.free_for((SkillNeed("tech", level),))

    again = members.free_for((SkillNeed("tech", 1),))
    assert again is not first
    assert list(again.order) == [anna]
