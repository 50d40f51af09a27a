"""Of those who ring together only the first is looked at: it is the one that is first of all."""

from __future__ import annotations

import math

import hypothesis.strategies as st
from hypothesis import given, settings

from pbx.simulate.callers import Caller, Target
from pbx.simulate.draws import Draw, Empirical, Exponential, Fixed, LogNormal
from pbx.simulate.reactions import Manners, Phone, Reactions, Rung, phone
from routing.commands import RingTogether
from routing.leg_ids import LegIds
from routing.plan import Agent, Device
from routing.values import AgentId, CallId, DeviceId, OfferId, QueueId

NOW = 50.0
DRAWS: tuple[Draw, ...] = (
    Exponential(5.0),
    LogNormal(5.0, 0.6),
    Fixed(0.0),
    Fixed(3.0),
    Fixed(math.inf),
    Empirical.of([4.0]),
    Empirical.of([1.0, 2.0, 2.0, 2.0, 9.0]),
    Empirical([1.0, 3.0], [0.01, 0.4], 30.0),
)


def team(size: int, shortest_s: float) -> dict[AgentId, Agent]:
    return {
        AgentId(f"a{n}"): Agent(
            AgentId(f"a{n}"),
            f"a{n}",
            devices=(Device(DeviceId(f"a{n}/1"), "", ring_time_s=shortest_s + n % 3),),
        )
        for n in range(size)
    }


def one_by_one(reactions: Reactions, caller: Caller, ring: RingTogether, rung: Rung) -> list[Phone]:
    phones = []
    for place, agent_id in enumerate(ring.agent_ids):
        delay_s, how = reactions.one(caller, agent_id, rung)
        ring_s = min(ring.devices[place].ring_time_s, ring.most_s)
        leg_id = ring.leg_ids[place]
        phones.append(phone(leg_id, agent_id, (NOW + delay_s, how), NOW, ring_s, 7 + place))
    return sorted(phones)


@given(
    draw=st.sampled_from(DRAWS),
    silent=st.sampled_from([0.0, 0.03, 0.9, 1.0]),
    size=st.sampled_from([1, 5, 13, 40]),
    stream=st.integers(0, 2**64 - 1),
    shortest_s=st.sampled_from([0.5, 20.0]),
    before=st.booleans(),
)
@settings(max_examples=300)
def test_what_rings_together_brings_what_it_would_one_by_one(
    draw: Draw, silent: float, size: int, stream: int, shortest_s: float, before: bool
) -> None:
    agents = team(size, shortest_s)
    reactions = Reactions(Manners(draw, silent), agents, seed=3)
    caller = Caller(1, 0.0, Target(queue_id=QueueId("q")), "+7", math.inf, 60.0, 0.5, stream)
    ring = RingTogether(
        LegIds("l", 1, size),
        OfferId("o1"),
        CallId("c1"),
        tuple(agents),
        tuple(agent.devices[0] for agent in agents.values()),
        15.0,
    )
    mine, theirs = Rung(), Rung()
    if before:
        for rung in (mine, theirs):
            reactions.one(caller, AgentId("a0"), rung)
    together = list(reactions.together(caller, ring, mine, now=NOW, order=7))
    assert together == one_by_one(reactions, caller, ring, theirs)
    assert [mine.times(one) for one in agents] == [theirs.times(one) for one in agents]
