"""Who rings together is kept as one: nothing of what is decided or told may show it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from routing import commands, events
from routing.dispatcher import Dispatcher
from routing.leg_ids import LegIds
from routing.plan import Agent, Device, Queue, RoutingPlan, StrategyChoice
from routing.strategy import Registry
from routing.values import AgentId, CallId, DeviceId, Disposition, LegId, QueueId, SkillNeed
from tests import invariants

NAMES = ("anna", "boris", "vera", "gleb", "dasha", "egor", "zoya")
A, B = QueueId("a"), QueueId("b")


def team(two_phones: frozenset[str], other: str) -> RoutingPlan:
    """All ring for queue a; some of them are in b too."""
    agents = {
        AgentId(name): Agent(
            AgentId(name),
            name,
            skills={"tech": 1 + place % 3},
            devices=(
                Device(DeviceId(f"{name}/1"), f"PJSIP/{name}", 0.0, 15.0 + place),
                Device(DeviceId(f"{name}/2"), f"PJSIP/{name}-m", 4.0, 10.0),
            )[: 2 if name in two_phones else 1],
            wrap_up_s=3.0 * (place % 2),
            calls_at_once=2,
            pause_after_no_answers=2,
        )
        for place, name in enumerate(NAMES)
    }
    queues = (
        Queue(A, tuple(agents), StrategyChoice("ring-all"), 12.0, 4.0, max_wait_s=40.0),
        Queue(B, tuple(agents)[1:5], StrategyChoice(other), 12.0, 4.0),
    )
    return RoutingPlan(agents, {one.queue_id: one for one in queues})


class Twins:
    """Two distributions that are told the same: in one of them nobody rings together for longer
    than an event takes.  A switch that does as it is told, in its own time."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.other = rng.choice(["ring-all", "fewest-calls", "skill-priority", "weighted"])
        two = frozenset(name for name in NAMES if rng.random() < 0.15)
        self.plan = team(two, self.other)
        self.together, self.one_by_one = (
            Dispatcher(self.plan, strategies=Registry.builtin(), rng=random.Random(seed))
            for _ in range(2)
        )
        self.now = 1000.0
        self.wake_at: float | None = None
        self.legs: dict[LegId, CallId] = {}
        self.stopped: list[commands.StopRinging | commands.StopTogether] = []
        self.talks: dict[CallId, LegId] = {}
        self.callers: list[CallId] = []
        self.made = 0
        self.rang_together = 0
        self.ended_together = 0
        for agent_id in self.plan.agents:
            self.tell(events.AgentLoggedIn(agent_id))

    def tell(self, event: events.Event) -> None:
        step = self.together.handle(event, self.now)
        same = self.one_by_one.handle(event, self.now)
        self.one_by_one._floor.legs.dissolve_all()
        assert same.commands == step.commands, event
        assert same.facts == step.facts, event
        for dispatcher in (self.together, self.one_by_one):
            for holds in invariants.ALL:
                holds(dispatcher)
        for one in step.commands:
            match one:
                case commands.RingDevice(leg_id, _, call_id):
                    self.legs[leg_id] = call_id
                case commands.ReturnCaller(call_id):
                    self.callers.remove(call_id)
                case commands.WakeAt(at):
                    self.wake_at = at
        for given in step.given:
            self.rang_together += isinstance(given, commands.RingTogether)
            if isinstance(given, commands.StopRinging | commands.StopTogether):
                self.stopped.append(given)

    def comes(self) -> None:
        self.made += 1
        call_id = CallId(f"c{self.made}")
        self.callers.append(call_id)
        queue_id = A if self.rng.random() < 0.8 else B
        needs = (SkillNeed("tech", 2),) if self.rng.random() < 0.3 else ()
        self.tell(events.CallerQueued(call_id, queue_id, f"+7{self.made % 5}", needs))

    def hangs_up(self) -> None:
        if self.callers:
            call_id = self.callers.pop(self.rng.randrange(len(self.callers)))
            self.tell(events.CallerLeft(call_id))
            if (leg_id := self.talks.pop(call_id, None)) is not None:
                self.ends(leg_id, Disposition.ANSWERED)

    def ends(self, leg_id: LegId, how: Disposition) -> None:
        if self.legs.pop(leg_id, None) is not None:
            self.tell(events.LegEnded(leg_id, how))

    def ringing(self) -> list[LegId]:
        silent = {leg_id for one in self.stopped for leg_id in self.ids(one)}
        talking = set(self.talks.values())
        return [one for one in self.legs if one not in silent and one not in talking]

    def joins(self) -> None:
        ringing = [one for one in self.ringing() if self.legs[one] not in self.talks]
        if ringing:
            leg_id = self.rng.choice(ringing)
            self.talks[self.legs[leg_id]] = leg_id
            self.tell(events.Joined(leg_id))

    def ends_by_itself(self) -> None:
        if ringing := self.ringing():
            kinds = (Disposition.BUSY, Disposition.REJECTED, Disposition.NO_ANSWER)
            self.ends(self.rng.choice(ringing), self.rng.choice(kinds))

    def rings(self) -> None:
        if ringing := self.ringing():
            leg_id = self.rng.choice(ringing)
            self.tell(events.DeviceRinging(leg_id))
            if self.rng.random() < 0.5:
                self.tell(events.DeviceAnswered(leg_id))

    @staticmethod
    def ids(stop: commands.StopRinging | commands.StopTogether) -> list[LegId]:
        return [stop.leg_id] if isinstance(stop, commands.StopRinging) else list(stop.leg_ids)

    def switch_stops(self) -> None:
        """At once, as it was told."""
        ends: list[events.LegEnded | events.EndedAlike] = []
        stopped, self.stopped = self.stopped, []
        for stop in stopped:
            left = [self.legs.pop(one) for one in self.ids(stop) if one in self.legs]
            if isinstance(stop, commands.StopRinging) and left:
                ends.append(events.LegEnded(stop.leg_id, stop.disposition))
            elif isinstance(stop, commands.StopTogether):
                assert len(left) == len(stop.leg_ids)
                ends.append(events.EndedAlike(stop.leg_ids, stop.disposition))
                self.ended_together += 1
        if ends:
            self.tell(events.LegsEnded(tuple(ends)))

    def talk_ends(self) -> None:
        if self.talks:
            call_id = self.rng.choice(sorted(self.talks))
            self.callers.remove(call_id)
            self.ends(self.talks.pop(call_id), Disposition.ANSWERED)

    def agent_decides(self) -> None:
        agent_id = AgentId(self.rng.choice(NAMES))
        device_id = DeviceId(f"{agent_id}/1")
        self.tell(
            self.rng.choice(
                (
                    events.AgentPaused(agent_id, "lunch"),
                    events.AgentResumed(agent_id),
                    events.AgentResumed(agent_id),
                    events.AgentLoggedOut(agent_id),
                    events.AgentLoggedIn(agent_id),
                    events.AgentLoggedIn(agent_id),
                    events.OwnCallStarted(agent_id, "own"),
                    events.OwnCallEnded(agent_id, "own"),
                    events.DeviceUnreachable(device_id),
                    events.DeviceReachable(device_id),
                )
            )
        )

    def is_dialled(self) -> None:
        self.made += 1
        call_id = CallId(f"c{self.made}")
        self.callers.append(call_id)
        self.tell(events.CallerForAgent(call_id, AgentId(self.rng.choice(NAMES)), "", 8.0))

    def plan_changes(self) -> None:
        one = self.rng.choice(sorted(self.plan.agents))
        new = (Device(DeviceId(f"{one}/9"), f"PJSIP/{one}-new"),)
        changed = replace(self.plan.agents[one], devices=self.rng.choice((new, ())))
        self.tell(
            events.PlanReplaced(replace(self.plan, agents={**self.plan.agents, one: changed}))
        )

    def time_goes(self) -> None:
        self.switch_stops()
        if self.wake_at is not None and self.rng.random() < 0.5:
            self.now, self.wake_at = max(self.now, self.wake_at), None
            self.tell(events.Woke())
        elif self.wake_at is None or self.now + 1.0 < self.wake_at:
            self.now += 1.0

    def live(self, steps: int) -> None:
        ways = {
            self.comes: 8,
            self.joins: 5,
            self.switch_stops: 7,
            self.talk_ends: 5,
            self.hangs_up: 2,
            self.ends_by_itself: 1,
            self.rings: 0.7,
            self.time_goes: 4,
            self.agent_decides: 1,
            self.is_dialled: 0.3,
            self.plan_changes: 0.2,
        }
        for way in self.rng.choices(list(ways), list(ways.values()), k=steps):
            way()
            if self.rng.random() < 0.01:
                self.tell(events.DayBegan())


@pytest.mark.parametrize("seed", range(60))
def test_ringing_together_is_ringing_one_by_one(seed: int) -> None:
    Twins(seed).live(250)


def test_they_do_ring_and_end_together_in_it() -> None:
    some = [Twins(seed) for seed in range(8)]
    for twins in some:
        twins.live(250)
    assert sum(twins.rang_together for twins in some) > 80
    assert sum(twins.ended_together for twins in some) > 30


def test_ids_are_those_that_were_counted_one_by_one() -> None:
    ids = LegIds("p-l", 8, 5, but=(1, 3))
    assert list(ids) == ["p-l8", "p-l10", "p-l12"]
    assert len(ids) == 3
    assert (ids[1], ids[-1], ids[:2]) == ("p-l10", "p-l12", ["p-l8", "p-l10"])
    assert [ids.place_of(LegId(f"p-l{number}")) for number in range(7, 14)] == [
        *(None, 0, None, 2, None, 4),
        None,
    ]


@pytest.mark.parametrize("leg_id", ["", "p-l", "p-l08", "p-l8x", "q-l8", "p-l٨", "p-l-8", "l8"])
def test_an_id_from_elsewhere_is_not_taken_for_one_of_ours(leg_id: str) -> None:
    assert LegIds("p-l", 8, 5).place_of(LegId(leg_id)) is None
