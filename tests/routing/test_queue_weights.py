"""Queues of different weight at managers who serve them all: order, and that nobody starves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import given, settings

from routing import commands, events
from routing.dispatcher import Dispatcher
from routing.plan import Queue, RoutingPlan, StrategyChoice
from routing.strategy import Registry
from routing.values import CallId, Disposition, LegId, QueueId
from tests.world import agent

QUEUES = ("light", "heavy", "other")
TEAM = {one.agent_id: one for one in (agent("anna"), agent("boris"))}


def plan_of(weights: Sequence[int], steps: Sequence[float]) -> RoutingPlan:
    return RoutingPlan(
        TEAM,
        {
            QueueId(name): Queue(
                QueueId(name),
                tuple(TEAM),
                StrategyChoice("longest-idle"),
                priority_step_s=step_s,
                weight=weight,
            )
            for name, weight, step_s in zip(QUEUES, weights, steps, strict=True)
        },
    )


class Floor:
    """Who is rung talks at once.  ``served``: (call, when), in order."""

    def __init__(self, plan: RoutingPlan, agents: int) -> None:
        self.dispatcher = Dispatcher(plan, strategies=Registry.builtin(), rng=random.Random(1))
        self.now = 0.0
        self.talks: list[tuple[LegId, CallId]] = []
        self.served: list[tuple[CallId, float]] = []
        for agent_id in list(TEAM)[:agents]:
            self.tell(events.AgentLoggedIn(agent_id))

    def tell(self, event: events.Event) -> None:
        for command in self.dispatcher.handle(event, self.now).commands:
            if isinstance(command, commands.RingDevice):
                self.talks.append((command.leg_id, command.call_id))
                self.served.append((command.call_id, self.now))
                self.tell(events.DeviceAnswered(command.leg_id))
                self.tell(events.Joined(command.leg_id))

    def comes(self, call: str, queue: str, priority: int = 0) -> None:
        self.tell(events.CallerQueued(CallId(call), QueueId(queue), "", priority=priority))

    def ends(self) -> None:
        leg_id, call_id = self.talks.pop(0)
        self.tell(events.LegEnded(leg_id, Disposition.ANSWERED))
        self.tell(events.CallerLeft(call_id))


@given(
    weights=st.tuples(*[st.integers(0, 5)] * 3),
    steps=st.tuples(*[st.sampled_from([1.0, 4.0, 60.0])] * 3),
    agents=st.integers(1, 2),
    happens=st.lists(
        st.tuples(st.floats(0.0, 9.0), st.sampled_from([*QUEUES, ""]), st.integers(0, 2)),
        max_size=40,
    ),
)
@settings(max_examples=150, deadline=None)
def test_served_is_who_has_waited_longest_with_the_start_of_their_queue(
    weights: tuple[int, ...],
    steps: tuple[float, ...],
    agents: int,
    happens: list[tuple[float, str, int]],
) -> None:
    floor = Floor(plan_of(weights, steps), agents)
    worth: dict[CallId, float] = {}
    came: dict[CallId, float] = {}
    for number, (after_s, queue, priority) in enumerate(happens):
        floor.now += after_s
        if queue:
            place = QUEUES.index(queue)
            call_id = CallId(f"c{number:02}")
            came[call_id] = floor.now
            worth[call_id] = floor.now - (weights[place] + priority) * steps[place]
            floor.comes(call_id, queue, priority)
        elif floor.talks:
            floor.ends()
    while floor.talks:
        floor.now += 1.0
        floor.ends()

    assert len(floor.served) == len(came), "somebody was never served"
    order = [call_id for call_id, _ in floor.served]
    for place, (call_id, at) in enumerate(floor.served):
        # Of all who were there and came to their turn later, none had a better place.
        for later in order[place + 1 :]:
            assert came[later] > at or worth[call_id] <= worth[later] or came[later] == at


def test_nobody_starves_beside_a_queue_that_never_ends() -> None:
    floor = Floor(plan_of((0, 10, 0), (5.0, 5.0, 5.0)), agents=1)
    floor.comes("first", "heavy")
    floor.comes("light", "light")
    for second in range(200):  # two come for each that is served
        floor.now = second + 1.0
        floor.comes(f"h{second}", "heavy")
        if second % 2:
            floor.ends()
    passed = [call_id for call_id, _ in floor.served]

    # 10 steps of 5 s: who comes 50 s after the light one does not pass.
    assert passed.index(CallId("light")) == passed.index(CallId("h48")) + 1


def test_another_weight_holds_at_once_and_leaves_the_order_within_a_queue() -> None:
    plan = plan_of((0, 0, 0), (60.0, 60.0, 60.0))
    floor = Floor(plan, agents=1)
    for number, queue in enumerate(("other", "light", "light", "heavy", "heavy")):
        floor.now += 1.0
        floor.comes(f"{queue}-{number}", queue)
    heavy = QueueId("heavy")
    weighty = {**plan.queues, heavy: replace(plan.queues[heavy], weight=1)}
    floor.tell(events.PlanReplaced(replace(plan, queues=weighty)))
    while floor.talks:
        floor.now += 1.0
        floor.ends()

    order = [call_id for call_id, _ in floor.served]
    assert order == ["other-0", "heavy-3", "heavy-4", "light-1", "light-2"]
