"""The distribution under any order of events, in virtual time."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from routing import commands, events, facts
from routing.dispatcher import Dispatcher
from routing.plan import Agent, Device, Queue, RoutingPlan, StrategyChoice
from routing.strategy import Registry
from routing.values import (
    AgentId,
    AgentState,
    CallId,
    DeviceId,
    Disposition,
    LegId,
    QueueId,
    SkillNeed,
)
from tests import invariants

NAMES = ("anna", "boris", "vera", "gleb")
STRATEGIES = Registry.builtin().names()


def make_plan(
    strategy: str,
    other: str,
    size: int,
    wrap_up_s: float,
    limit: int,
    leaves: bool = False,
    one_phone: tuple[bool, ...] = (False, False, False, False),
) -> RoutingPlan:
    agents = {
        AgentId(name): Agent(
            AgentId(name),
            name,
            skills={"tech": n + 1, "english": 4 - n},
            devices=(
                Device(DeviceId(f"{name}/1"), f"PJSIP/{name}", 0.0, 15.0),
                Device(DeviceId(f"{name}/2"), f"PJSIP/{name}-m", 5.0, 10.0),
            )[: 1 if one_phone[n] else 2],
            wrap_up_s=wrap_up_s,
            calls_at_once=1 + n % 2,
            pause_after_no_answers=limit,
        )
        for n, name in enumerate(NAMES[:size])
    }
    members = tuple(agents)
    return RoutingPlan(
        agents,
        {
            QueueId("a"): Queue(
                QueueId("a"), members, StrategyChoice(strategy), 12.0, 4.0, max_wait_s=60.0
            ),
            QueueId("b"): Queue(
                QueueId("b"),
                members[::-1],
                StrategyChoice(other, {"widen_after_s": [5.0]}),
                12.0,
                4.0,
                max_length=3,
                weights={members[0]: 5},
                priority_step_s=10.0,
                returning_s=30.0,
                leave_when_no_agents=leaves,
            ),
        },
    )


def one_by_one(event: events.Event) -> events.Event:
    """The same, without what is told of many legs at once."""
    if not isinstance(event, events.LegsEnded):
        return event
    ends: list[events.LegEnded] = []
    for one in event.ends:
        if isinstance(one, events.EndedAlike):
            ends += [events.LegEnded(leg_id, one.disposition) for leg_id in one.leg_ids]
        else:
            ends.append(one)
    return events.LegsEnded(tuple(ends))


class Distribution(RuleBasedStateMachine):
    """Callers, phones that keep the switch's promises, and time."""

    @initialize(
        strategy=st.sampled_from(STRATEGIES),
        other=st.sampled_from(STRATEGIES),
        size=st.integers(1, 4),
        wrap_up_s=st.sampled_from([0.0, 7.0]),
        limit=st.sampled_from([0, 2]),
        one_phone=st.tuples(*[st.booleans()] * 4) | st.just((True,) * 4),
    )
    def start(
        self,
        strategy: str,
        other: str,
        size: int,
        wrap_up_s: float,
        limit: int,
        one_phone: tuple[bool, ...],
    ) -> None:
        self.one_phone = one_phone
        self.plan = make_plan(strategy, other, size, wrap_up_s, limit, one_phone=one_phone)
        self.dispatcher = Dispatcher(self.plan, strategies=Registry.builtin(), rng=random.Random(7))
        self.unread = Dispatcher(
            self.plan, strategies=Registry.builtin(), rng=random.Random(7), tells=False
        )
        self.now = 1000.0
        self.wake_at: float | None = None
        self.callers: list[CallId] = []
        self.with_us: set[CallId] = set()
        self.called_back: set[CallId] = set()
        self.talking: dict[CallId, LegId] = {}
        self.legs: dict[LegId, CallId] = {}
        self.answered: set[LegId] = set()
        self.own: dict[AgentId, int] = {}
        self.to_stop: list[tuple[LegId, Disposition]] = []
        self.stopped_together: list[commands.StopTogether] = []
        self.made = 0
        for agent_id in self.plan.agents:
            self.tell(events.AgentLoggedIn(agent_id))

    def tell(self, event: events.Event) -> None:
        step = self.dispatcher.handle(one_by_one(event), self.now)
        assert self.unread.handle(event, self.now).commands == step.commands
        self.stopped_together += [
            one for one in step.given if isinstance(one, commands.StopTogether)
        ]
        for fact in step.facts:
            if isinstance(fact, facts.Irregular):
                assert fact.what == "a leg picked up and never joined"
        for command in step.commands:
            match command:
                case commands.RingDevice(leg_id, _, call_id, agent_id):
                    assert leg_id not in self.legs, f"{leg_id} twice, for {agent_id}"
                    assert call_id in self.with_us, "rung for somebody who is not with us"
                    assert call_id not in self.talking, "rung for somebody who talks"
                    self.legs[leg_id] = call_id
                case commands.StopRinging(leg_id, disposition):
                    # The switch always ends what it is told to stop, a moment later.
                    self.to_stop.append((leg_id, disposition))
                case commands.ReturnCaller(call_id, _):
                    self.with_us.discard(call_id)
                case commands.WakeAt(at):
                    self.wake_at = at

    def pick(self, of: Iterable[str], which: int) -> str:
        ordered = sorted(of)
        return ordered[which % len(ordered)]

    @rule(
        queue=st.sampled_from(["a", "b"]),
        priority=st.integers(0, 2),
        number=st.sampled_from(["", "+79161", "+79162"]),
        levels=st.tuples(st.integers(0, 3), st.integers(0, 3)),
        manager=st.sampled_from([None, None, "anna", "boris", "nobody"]),
    )
    def a_caller_comes(
        self,
        queue: str,
        priority: int,
        number: str,
        levels: tuple[int, int],
        manager: str | None,
    ) -> None:
        self.made += 1
        call_id = CallId(f"c{self.made}")
        self.with_us.add(call_id)
        needs = tuple(
            SkillNeed(skill, level)
            for skill, level in zip(("tech", "english"), levels, strict=True)
            if level
        )
        named = None if manager is None else AgentId(manager)
        self.tell(
            events.CallerQueued(call_id, QueueId(queue), number, needs, priority, manager=named)
        )

    @rule(
        queue=st.sampled_from(["a", "b"]),
        priority=st.integers(0, 2),
        waited_s=st.floats(0.0, 60.0),
        within_s=st.sampled_from([5.0, 40.0]),
    )
    def a_callback_takes_a_place(
        self, queue: str, priority: int, waited_s: float, within_s: float
    ) -> None:
        self.made += 1
        call_id = CallId(f"c{self.made}")
        self.with_us.add(call_id)
        self.called_back.add(call_id)
        since = self.now - waited_s
        self.tell(
            events.CallbackQueued(call_id, QueueId(queue), "+79163", (), priority, since, within_s)
        )

    @rule(which=st.integers(0, 3))
    def a_caller_dials_an_extension(self, which: int) -> None:
        self.made += 1
        call_id = CallId(f"c{self.made}")
        self.with_us.add(call_id)
        agent_id = AgentId(self.pick(self.plan.agents, which))
        self.tell(events.CallerForAgent(call_id, agent_id, "+79161", 10.0))

    @rule(which=st.integers(0, 3), within_s=st.sampled_from([5.0, 40.0]))
    def an_agent_asks_for_a_call(self, which: int, within_s: float) -> None:
        self.made += 1
        call_id = CallId(f"c{self.made}")
        self.with_us.add(call_id)
        self.called_back.add(call_id)
        agent_id = AgentId(self.pick(self.plan.agents, which))
        self.tell(events.CallerForAgent(call_id, agent_id, "+79161", 10.0, within_s))

    @rule(
        which=st.integers(0, 3),
        queue=st.sampled_from(["a", "b", None]),
        began_s=st.sampled_from([None, 0.0, 30.0]),
    )
    def a_talk_is_found(self, which: int, queue: str | None, began_s: float | None) -> None:
        """Of an engine before us: whoever talks is rung for nobody."""
        agent_id = AgentId(self.pick(self.plan.agents, which))
        if self.dispatcher.agents[agent_id].calls_now:
            return
        self.made += 1
        call_id, leg_id = CallId(f"c{self.made}"), LegId(f"old-{self.made}")
        self.with_us.add(call_id)
        self.talking[call_id] = leg_id
        self.legs[leg_id] = call_id
        self.answered.add(leg_id)
        joined_at = None if began_s is None else self.now - began_s
        self.tell(
            events.TalkFound(
                call_id,
                leg_id,
                agent_id,
                DeviceId(f"{agent_id}/1"),
                QueueId(queue) if queue else None,
                "+79161",
                started_at=self.now - 60.0,
                joined_at=joined_at,
            )
        )
        assert self.dispatcher.agent_state(agent_id) is AgentState.TALKING

    @precondition(lambda self: self.with_us)
    @rule(which=st.integers(0, 9))
    def a_caller_hangs_up(self, which: int) -> None:
        call_id = CallId(self.pick(self.with_us, which))
        self.with_us.discard(call_id)
        if call_id in self.called_back and call_id not in self.talking:
            self.tell(events.CallbackWithdrawn(call_id, "got_through"))
        else:
            self.tell(events.CallerLeft(call_id))
        if leg_id := self.talking.pop(call_id, None):
            self.end(leg_id, Disposition.ANSWERED)

    def end(self, leg_id: LegId, disposition: Disposition) -> None:
        if leg_id in self.legs:
            del self.legs[leg_id]
            self.answered.discard(leg_id)
            self.tell(events.LegEnded(leg_id, disposition))

    @precondition(lambda self: self.legs)
    @rule(which=st.integers(0, 9))
    def a_phone_rings(self, which: int) -> None:
        leg_id = LegId(self.pick(self.legs, which))
        if leg_id not in self.answered:
            self.tell(events.DeviceRinging(leg_id))

    @precondition(lambda self: self.legs)
    @rule(which=st.integers(0, 9), joins=st.booleans())
    def a_phone_is_picked_up(self, which: int, joins: bool) -> None:
        leg_id = LegId(self.pick(self.legs, which))
        call_id = self.legs[leg_id]
        if leg_id in self.answered:
            return
        self.answered.add(leg_id)
        self.tell(events.DeviceAnswered(leg_id))
        if leg_id not in self.legs:
            return
        if call_id in self.talking or call_id not in self.with_us:
            self.end(leg_id, Disposition.ANSWERED_ELSEWHERE)
        elif call_id in self.called_back:
            # Only for who has it is the client called.
            call = self.dispatcher.calls.get(call_id)
            if call is not None and call.taken_by == leg_id and joins:
                self.talking[call_id] = leg_id
                self.tell(events.Joined(leg_id))
        elif joins:
            self.talking[call_id] = leg_id
            self.tell(events.Joined(leg_id))

    @precondition(lambda self: self.legs)
    @rule(
        which=st.integers(0, 9),
        how=st.sampled_from(
            [Disposition.BUSY, Disposition.REJECTED, Disposition.FAILED, Disposition.NO_ANSWER]
        ),
    )
    def a_leg_ends_by_itself(self, which: int, how: Disposition) -> None:
        leg_id = LegId(self.pick(self.legs, which))
        call_id = self.legs[leg_id]
        if self.talking.get(call_id) == leg_id:
            del self.talking[call_id]
            self.with_us.discard(call_id)
            self.end(leg_id, Disposition.ANSWERED)
            self.tell(events.CallerLeft(call_id))
        else:
            self.end(leg_id, how)

    @precondition(lambda self: self.to_stop)
    @rule(which=st.integers(0, 9))
    def the_switch_stops_a_leg(self, which: int) -> None:
        self.stop_one(which)

    @precondition(lambda self: self.to_stop)
    @rule()
    def the_switch_stops_all_legs_at_once(self) -> None:
        stops, self.to_stop = self.to_stop, []
        ends = [
            events.LegEnded(leg_id, disposition)
            for leg_id, disposition in stops
            if leg_id in self.legs and self.talking.get(self.legs[leg_id]) != leg_id
        ]
        for end in ends:
            del self.legs[end.leg_id]
            self.answered.discard(end.leg_id)
        told: list[events.LegEnded | events.EndedAlike] = list(ends)
        for one in self.stopped_together:
            those = [end for end in ends if end.leg_id in one.leg_ids]
            if [end.leg_id for end in those] == list(one.leg_ids):
                told.insert(told.index(those[0]), events.EndedAlike(one.leg_ids, one.disposition))
                told = [end for end in told if end not in those]
        self.stopped_together.clear()
        if told:
            self.tell(events.LegsEnded(tuple(told)))

    def stop_one(self, which: int) -> None:
        leg_id, disposition = self.to_stop.pop(which % len(self.to_stop))
        call_id = self.legs.get(leg_id)
        if call_id is not None and self.talking.get(call_id) == leg_id:
            return  # it won before the stop came through
        self.end(leg_id, disposition)

    @rule(which=st.integers(0, 3), what=st.sampled_from(["pause", "resume", "out", "in"]))
    def an_agent_decides(self, which: int, what: str) -> None:
        agent_id = AgentId(self.pick(self.plan.agents, which))
        match what:
            case "pause":
                self.tell(events.AgentPaused(agent_id, "lunch"))
            case "resume":
                self.tell(events.AgentResumed(agent_id))
            case "out":
                self.tell(events.AgentLoggedOut(agent_id))
            case _:
                self.tell(events.AgentLoggedIn(agent_id))

    @rule(which=st.integers(0, 3))
    def an_agent_makes_or_ends_a_call(self, which: int) -> None:
        agent_id = AgentId(self.pick(self.plan.agents, which))
        if self.own.pop(agent_id, 0):
            self.tell(events.OwnCallEnded(agent_id, "own"))
        else:
            self.own[agent_id] = 1
            self.tell(events.OwnCallStarted(agent_id, "own"))

    @rule()
    def a_day_begins(self) -> None:
        self.tell(events.DayBegan())

    @rule(which=st.integers(0, 7), reachable=st.booleans())
    def a_phone_comes_or_goes(self, which: int, reachable: bool) -> None:
        devices = [one.device_id for a in self.plan.agents.values() for one in a.devices]
        device_id = DeviceId(self.pick(devices, which))
        self.tell(
            events.DeviceReachable(device_id) if reachable else events.DeviceUnreachable(device_id)
        )

    @rule(
        strategy=st.sampled_from(STRATEGIES),
        other=st.sampled_from(STRATEGIES),
        size=st.integers(1, 4),
        leaves=st.booleans(),
        b=st.sampled_from(["there", "gone", "without members"]),
        cut_off=st.booleans(),
    )
    def the_plan_is_replaced(
        self, strategy: str, other: str, size: int, leaves: bool, b: str, cut_off: bool
    ) -> None:
        before = set(self.plan.agents)
        self.plan = made = make_plan(strategy, other, size, 5.0, 2, leaves, self.one_phone)
        queues = dict(made.queues)
        if b == "gone":
            del queues[QueueId("b")]
        elif b == "without members":
            queues[QueueId("b")] = replace(queues[QueueId("b")], members=(), weights={})
        unreachable = {DeviceId("anna/1"), DeviceId("gleb/2")} if cut_off else set()
        self.tell(
            events.PlanReplaced(
                RoutingPlan(made.agents, queues),
                frozenset(set(made.agents) - before),
                frozenset(unreachable),
            )
        )
        self.own = {one: n for one, n in self.own.items() if one in self.dispatcher.agents}

    @rule(exact=st.booleans())
    def time_goes_to_the_next_deadline(self, exact: bool) -> None:
        while self.to_stop:
            self.stop_one(0)
        if self.wake_at is None:
            return
        at, self.wake_at = self.wake_at, None
        self.now = max(self.now, at if exact else at + 3.0)
        self.tell(events.Woke())

    @rule(seconds=st.floats(0.0, 30.0))
    def time_goes_by(self, seconds: float) -> None:
        while self.to_stop:
            self.stop_one(0)
        if self.wake_at is None or self.now + seconds < self.wake_at:
            self.now += seconds

    @invariant()
    def all_holds(self) -> None:
        if not hasattr(self, "dispatcher"):
            return
        for holds in invariants.ALL:
            holds(self.dispatcher)
            holds(self.unread)

    def teardown(self) -> None:
        """When all callers have gone and all legs have ended, nothing is left."""
        if not hasattr(self, "dispatcher"):
            return
        for call_id in sorted(self.with_us):
            self.tell(events.CallerLeft(call_id))
        for leg_id in sorted(self.legs):
            self.end(leg_id, Disposition.CANCELLED)
        for agent_id in list(self.own):
            if agent_id in self.dispatcher.agents:
                self.tell(events.OwnCallEnded(agent_id, "own"))
        assert not self.dispatcher.calls
        assert not self.dispatcher.legs
        for holds in invariants.ALL:
            holds(self.dispatcher)
        busy = (AgentState.RESERVED, AgentState.RINGING, AgentState.TALKING)
        assert all(agent.state not in busy for agent in self.dispatcher.agents.values())


Distribution.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
test_nothing_breaks_the_distribution = Distribution.TestCase
