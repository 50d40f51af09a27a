"""One run: made-up callers and managers around the dispatcher that runs production.

House rules: nothing is decided here that production decides; this only plays those who are outside
of the engine: callers (they come, give up, call again), managers (they hear a phone, answer or
don't, talk) and a switch that does at once what it is told.  The menus are walked by ways.py.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from zoneinfo import ZoneInfo

from pbx.days import day_ends
from pbx.plan.model import Number, Plan
from pbx.simulate.callers import Caller, Demand, again
from pbx.simulate.reactions import Manners, Phone, Reaction, Reactions, Rung, phone
from pbx.simulate.tally import Tally
from pbx.simulate.ways import Ends, Presses, ToAgent, ToQueue, Way, Ways
from routing import commands, events, facts
from routing.dispatcher import Dispatcher
from routing.memory import Memory
from routing.plan import Agent, RoutingPlan
from routing.strategy import Registry
from routing.values import (
    AgentId,
    AgentState,
    CallId,
    Disposition,
    LegId,
    OfferId,
    Outcome,
    ReturnReason,
    Seconds,
)

_NO_ANSWER = Disposition.NO_ANSWER


@dataclass(frozen=True, slots=True)
class Attendance:
    """When managers are at work: ``events`` (seconds from the run's begin, in order) of who comes,
    goes, pauses and has calls of their own; ``present_s``: how long each is there to be called."""

    events: Sequence[tuple[Seconds, events.Event]]
    present_s: Mapping[AgentId, Seconds]


class Ending(StrEnum):
    """How a caller's call ends."""

    IN_MENU = "in_menu"
    ANSWERED = "answered"
    ABANDONED = "abandoned"
    OVERFLOW = "overflow"


Seen = Callable[[Caller, Ending, Seconds, AgentId | None], None]
"""Told of each call: how it ended, the wait for that, and who answered."""
Told = Callable[[Seconds, facts.Fact], None]
"""Told of all that the distribution tells the journal, with the time."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a talk is worth: the share of callers that goes on to the next stage.

    ``base`` with a manager whose level is 1 (or where no ``skill`` matters), ``per_level`` more for
    each level above, ``same_manager`` more when the caller knows them.
    ``skill`` "": the skill that the caller needs.  ``skilled_from``: the level that counts as
    skilled.
    """

    base: float = 0.0
    per_level: float = 0.0
    same_manager: float = 0.0
    skill: str = ""
    skilled_from: int = 2


@dataclass(frozen=True, slots=True)
class Setting:
    """All that a run is made of, but for the callers and the strategy.

    ``length_s``: how long callers come; the run ends when the last of them has gone.  ``start``:
    core time of the begin.  ``warm_up_s``: calls of the first so many seconds are not counted.
    ``attendance`` None: all whom the plan has on duty, from begin to end.  ``memory``: of what was
    before.
    """

    plan: Plan
    demand: Demand
    manners: Manners = field(default_factory=Manners)
    stage: Stage = Stage()
    presses: Presses = field(default_factory=dict)
    start: Seconds = 0.0
    length_s: Seconds = 36_000.0
    warm_up_s: Seconds = 0.0
    target_s: Seconds = 20.0
    attendance: Attendance | None = None
    memory: Memory = field(default_factory=Memory)


@dataclass(slots=True)
class _Call:
    """A caller while they are there."""

    caller: Caller
    call_id: CallId
    number: Number | None
    entry: str
    counted: bool
    keys: tuple[str, ...] = ()
    since_s: Seconds | None = None
    skill: str = ""
    talks_with: AgentId | None = None
    over: bool = False
    hears: dict[tuple[OfferId, AgentId], Reaction] = field(default_factory=dict)
    """By core time: who has several phones hears them as one."""
    rung: Rung = field(default_factory=Rung)
    phones: list[tuple[Phone, Iterator[Phone]]] = field(default_factory=list)
    """A heap: what the phones that ring for them will bring, with what comes after it of those
    that ring together.  Of hundreds only the first to be answered counts: only the earliest has an
    entry in the world's."""
    next_s: Seconds = math.inf
    """When that entry is due (core time)."""


Action = Callable[[], object]
_HUNG_UP = Ends(Outcome.ABANDONED_IN_MENU)
_TURNED_AWAY = Ends(Outcome.OVERFLOW)
"""For callers of a queue who came by no menu that could lead on."""


class World:
    """Plays ``callers`` against a plan whose routing is ``routing``; see ``run``."""

    def __init__(
        self,
        setting: Setting,
        routing: RoutingPlan,
        callers: Sequence[Caller],
        *,
        registry: Registry,
        seed: int,
        seen: Seen | None = None,
        told: Told | None = None,
    ) -> None:
        self._setting = setting
        self._seen = seen
        self._told = told
        self._agents = routing.agents
        self._callers = callers
        self._dispatcher = Dispatcher(
            routing,
            strategies=registry,
            rng=random.Random(seed),
            memory=setting.memory,
            tells=told is not None,
        )
        self._ways = Ways(setting.plan, setting.presses, start=setting.start)
        self._reactions = Reactions(setting.manners, self._agents, seed)
        self._calls: dict[CallId, _Call] = {}
        self._legs = self._dispatcher.legs
        """Those that ring or talk: what ends is told at once."""
        self._several = {one for one, agent in self._agents.items() if len(agent.devices) > 1}
        self._on_number: dict[str, int] = {}
        self._last: dict[str, AgentId] = {}
        self._heap: list[tuple[Seconds, int, Action]] = []
        self._order = 0
        self._made = 0
        self._wakes_at = math.inf
        self._now = setting.start
        self._pending: deque[events.Event] = deque()
        self._busy = False
        self.tally = Tally(present_s=dict(_present(setting, self._agents)))

    def run(self, progress: Callable[[Seconds], None] | None = None) -> Tally:
        """Play it to the end.  ``progress`` is told the time reached (s) now and then."""
        start, heap = self._setting.start, self._heap
        attendance = self._setting.attendance
        at_work = self.tally.present_s
        self.tally.busy_s = dict.fromkeys(at_work, 0.0)
        self.tally.calls = dict.fromkeys(at_work, 0)
        if attendance is None:
            for agent_id in at_work:
                self._tell(events.AgentLoggedIn(agent_id))
        else:
            for at_s, event in attendance.events:
                self._at(start + at_s, partial(self._tell, event))
        for at_s in midnights(self._setting):
            self._at(start + at_s, partial(self._tell, events.DayBegan()))
        coming = iter(self._callers)
        caller = next(coming, None)
        comes_at = start + caller.at_s if caller is not None else math.inf
        steps = 0
        while True:
            next_at = heap[0][0] if heap else math.inf
            if comes_at <= next_at and comes_at <= self._wakes_at:
                if caller is None:
                    break
                self._now = comes_at
                self._arrives(caller)
                caller = next(coming, None)
                comes_at = start + caller.at_s if caller is not None else math.inf
            elif next_at <= self._wakes_at:
                self._now, _, action = heapq.heappop(heap)
                action()
            else:
                self._now, self._wakes_at = self._wakes_at, math.inf
                self._tell(events.Woke())
            steps += 1
            if progress is not None and not steps % 4096:
                progress(self._now - start)
        return self.tally

    def _at(self, when: Seconds, action: Action) -> None:
        self._order += 1
        heapq.heappush(self._heap, (when, self._order, action))

    # Callers -----------------------------------------------------------------------------

    def _arrives(self, caller: Caller) -> None:
        self._made += 1
        plan = self._setting.plan
        counted = self._now - self._setting.start >= self._setting.warm_up_s
        call_id = CallId(f"c{self._made}")
        queue_id = caller.target.queue_id
        if queue_id is not None:
            call = _Call(caller, call_id, None, "", counted)
            self._goes(call, ToQueue(queue_id))
            return
        number = plan.numbers[caller.target.did]
        busy = self._on_number.get(number.did, 0)
        full = number.lines is not None and busy >= number.lines
        entry = number.above if full and number.above is not None else number.entry
        self._on_number[number.did] = busy + 1
        call = _Call(caller, call_id, number, entry, counted)
        at_s = self._now - self._setting.start
        if caller.hangs_up:
            self._goes(call, _HUNG_UP)
            return
        way: Way
        if caller.keys is None:
            way, call.keys = self._ways.lead(entry, number, caller.stream, at_s)
        else:
            way, call.keys = self._ways.follow(entry, number, caller.keys, at_s), caller.keys
        menu_s = self._setting.demand.menu_s if caller.menu_s is None else caller.menu_s
        if menu_s > 0 and not isinstance(way, Ends):
            self._at(self._now + menu_s, lambda: self._goes(call, way))
        else:
            self._goes(call, way)

    def _goes(self, call: _Call, way: Way) -> None:
        """The menus lead the caller somewhere."""
        if isinstance(way, Ends):
            if call.counted:
                if call.since_s is None:
                    self.tally.ended_in_menu += 1
                else:
                    self.tally.overflowed += 1
                    self._waited(call)
            self._tell_seen(call, Ending.IN_MENU if call.since_s is None else Ending.OVERFLOW)
            self._over(call)
            return
        caller = call.caller
        if call.since_s is None:
            call.since_s = self._now
            self._calls[call.call_id] = call
            if call.counted:
                self.tally.offered += 1
            if caller.patience_s < math.inf:
                self._at(self._now + caller.patience_s, lambda: self._gives_up(call))
        if isinstance(way, ToAgent):
            agent_id = AgentId(way.agent_id)
            self._tell(
                events.CallerForAgent(call.call_id, agent_id, caller.number, way.ring_time_s)
            )
            return
        priority = way.priority + self._setting.plan.vip.priority_of(caller.number)
        if call.number is not None:
            priority += call.number.priority
        if way.needs:
            call.skill = way.needs[0].skill
        self._tell(
            events.CallerQueued(call.call_id, way.queue_id, caller.number, way.needs, priority)
        )

    def _returned(self, call_id: CallId, reason: ReturnReason) -> None:
        call = self._calls[call_id]
        if call.number is None:
            self._goes(call, _TURNED_AWAY)
            return
        start = self._setting.start
        way = self._ways.back(
            call_id,
            call.entry,
            call.number,
            call.keys,
            call.caller.stream,
            call.caller.at_s,
            reason,
            self._now - start,
            follows=call.caller.keys is not None,
        )
        self._goes(call, way)

    def _gives_up(self, call: _Call) -> None:
        if call.over or call.talks_with is not None:
            return
        if call.counted:
            self.tally.abandoned += 1
            self._waited(call)
        self._tell_seen(call, Ending.ABANDONED)
        self._over(call)
        self._tell(events.CallerLeft(call.call_id))
        setting = self._setting
        more = again(call.caller, setting.demand, self._now - setting.start)
        if more is not None and more.at_s < setting.length_s:
            if call.counted:
                self.tally.redials += 1
            self._at(setting.start + more.at_s, lambda: self._arrives(more))

    def _tell_seen(self, call: _Call, how: Ending, agent_id: AgentId | None = None) -> None:
        if self._seen is not None:
            since_s = self._now if call.since_s is None else call.since_s
            self._seen(call.caller, how, self._now - since_s, agent_id)

    def _waited(self, call: _Call) -> Seconds:
        waited_s = self._now - (self._now if call.since_s is None else call.since_s)
        self.tally.longest_wait_s = max(self.tally.longest_wait_s, waited_s)
        return waited_s

    def _over(self, call: _Call) -> None:
        call.over = True
        self._calls.pop(call.call_id, None)
        self._ways.forget(call.call_id)
        if call.number is not None:
            self._on_number[call.number.did] -= 1

    # Managers ----------------------------------------------------------------------------

    def _rings(self, command: commands.RingDevice) -> None:
        """A phone rings: they hear it, and answer in their time or not at all."""
        now = self._now
        call = self._calls[command.call_id]
        leg_id, agent_id = command.leg_id, command.agent_id
        reaction = None
        if agent_id in self._several:
            reaction = call.hears.get((command.offer_id, agent_id))
        if reaction is None:
            if call.counted:
                self.tally.rung += 1
            delay_s, how = self._reactions.one(call.caller, agent_id, call.rung)
            reaction = now + delay_s, how
            if agent_id in self._several:
                call.hears[command.offer_id, agent_id] = reaction
        self._order += 1
        one = phone(leg_id, agent_id, reaction, now, command.ring_time_s, self._order)
        self._will_bring(call, one, iter(()))

    def _ring_together(self, command: commands.RingTogether) -> None:
        """Many phones ring at once, each that of somebody who has no other."""
        call = self._calls[command.call_id]
        count = len(command.leg_ids)
        if call.counted:
            self.tally.rung += count
        phones = self._reactions.together(
            call.caller, command, call.rung, now=self._now, order=self._order + 1
        )
        self._order += count
        self._will_bring(call, next(phones), phones)

    def _will_bring(self, call: _Call, one: Phone, then: Iterator[Phone]) -> None:
        heapq.heappush(call.phones, (one, then))
        if one[0] < call.next_s:
            self._look_at_phones(call)

    def _look_at_phones(self, call: _Call) -> None:
        """See to it that the earliest of what their phones bring is brought."""
        call.next_s = call.phones[0][0][0]
        self._at(call.next_s, lambda: self._phones_bring(call))

    def _phones_bring(self, call: _Call) -> None:
        phones = call.phones
        while phones and phones[0][0][0] <= self._now:
            (_, _, leg_id, agent_id, how), then = heapq.heappop(phones)
            if leg_id in self._legs:
                if how is Disposition.ANSWERED:
                    self._answers(call, leg_id, agent_id)
                else:
                    self._ended(leg_id, agent_id, how)
            waits = call.talks_with is None and not call.over
            if waits and (after := next(then, None)) is not None:
                heapq.heappush(phones, (after, then))
        call.next_s = math.inf
        if phones:
            self._look_at_phones(call)

    def _answers(self, call: _Call, leg_id: LegId, agent_id: AgentId) -> None:
        if call.over or call.talks_with is not None:
            return
        self._tell(events.Joined(leg_id), joined=lambda: self._joined(call, leg_id, agent_id))
        assert call.talks_with == agent_id, "a phone that rings for a waiting caller has them"

    def _joined(self, call: _Call, leg_id: LegId, agent_id: AgentId) -> None:
        call.talks_with = agent_id
        call.phones.clear()
        call.rung.forget()
        caller = call.caller
        self._at(self._now + caller.talk_s, lambda: self._talked(call, leg_id, agent_id))
        self._busy_for(agent_id, caller.talk_s)
        known = self._last.get(caller.number) or self._known_before(caller.number)
        same = known == agent_id
        if call.counted:
            self._count_answer(call, agent_id, known, same)
        self._tell_seen(call, Ending.ANSWERED, agent_id)
        self._last[caller.number] = agent_id

    def _known_before(self, number: str) -> AgentId | None:
        before = self._setting.memory.last_talks.get(number)
        return before.agent_id if before is not None else None

    def _count_answer(
        self, call: _Call, agent_id: AgentId, known: AgentId | None, same: bool
    ) -> None:
        tally, stage = self.tally, self._setting.stage
        waited_s = self._waited(call)
        tally.waits_s.append(waited_s)
        tally.in_time += waited_s <= self._setting.target_s
        tally.calls[agent_id] = tally.calls.get(agent_id, 0) + 1
        tally.known += known is not None
        tally.same += same
        skill = stage.skill or call.skill
        level = self._agents[agent_id].skills.get(skill, 0) if skill else 1
        if skill:
            tally.skill_asked += 1
            tally.skilled += level >= stage.skilled_from
        won = stage.base + stage.per_level * max(level - 1, 0) + stage.same_manager * same
        tally.passed += call.caller.stage < won

    def _busy_for(self, agent_id: AgentId, talk_s: Seconds) -> None:
        """Count talk and wrap-up, as far as they are within the run's hours."""
        setting = self._setting
        agent: Agent = self._agents[agent_id]
        begins = max(self._now, setting.start + setting.warm_up_s)
        ends = min(self._now + talk_s + agent.wrap_up_s, setting.start + setting.length_s)
        if ends > begins and agent_id in self.tally.busy_s:
            self.tally.busy_s[agent_id] += ends - begins

    def _talked(self, call: _Call, leg_id: LegId, agent_id: AgentId) -> None:
        self._over(call)
        self._ended(leg_id, agent_id, Disposition.ANSWERED)

    def _ended(self, leg_id: LegId, agent_id: AgentId, disposition: Disposition) -> None:
        self._tell(events.LegEnded(leg_id, disposition))
        if disposition is Disposition.NO_ANSWER:
            self._maybe_back(agent_id)

    def _silent(self, stopped: Sequence[commands.StopRinging | commands.StopTogether]) -> None:
        """Phones that were told to stop are silent at once."""
        ends: list[events.LegEnded | events.EndedAlike] = []
        for one in stopped:
            if isinstance(one, commands.StopTogether):
                ends.append(events.EndedAlike(one.leg_ids, one.disposition))
                silent: Sequence[LegId] = one.leg_ids
            else:
                ends.append(events.LegEnded(one.leg_id, one.disposition))
                silent = (one.leg_id,)
            if one.disposition is _NO_ANSWER:
                for leg_id in silent:
                    agent_id = self._legs[leg_id].part.agent_id
                    self._at(self._now, partial(self._maybe_back, agent_id))
        if ends:
            self._pending.append(events.LegsEnded(tuple(ends)))

    def _maybe_back(self, agent_id: AgentId) -> None:
        """Who was paused for not answering comes back by themselves."""
        if self._dispatcher.agent_state(agent_id) is AgentState.PAUSED:
            back_at = self._now + self._setting.manners.back_after_s
            self._at(back_at, lambda: self._back(agent_id))

    def _back(self, agent_id: AgentId) -> None:
        self._tell(events.AgentResumed(agent_id))

    # The dispatcher ----------------------------------------------------------------------

    def _tell(self, event: events.Event, *, joined: Action | None = None) -> None:
        """Give the distribution an event, and do what it commands; what that brings about waits
        until it is done.  ``joined``: to be done when it has taken the event."""
        self._pending.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._pending:
                step = self._dispatcher.handle(self._pending.popleft(), self._now)
                if self._told is not None:
                    for fact in step.facts:
                        self._told(self._now, fact)
                if joined is not None:
                    joined()
                    joined = None
                self._carry_out(step.given)
        finally:
            self._busy = False

    def _carry_out(self, told: Sequence[commands.Given]) -> None:
        stopped: list[commands.StopRinging | commands.StopTogether] = []
        for command in told:
            match command:
                case commands.WakeAt(at):
                    self._wakes_at = at
                case commands.RingDevice():
                    self._rings(command)
                case commands.RingTogether():
                    self._ring_together(command)
                case commands.StopRinging() | commands.StopTogether():
                    stopped.append(command)
                case commands.ReturnCaller(call_id, reason):
                    self._returned(call_id, reason)
        if stopped:
            self._silent(stopped)


def midnights(setting: Setting) -> list[Seconds]:
    """When a day begins during the run, seconds from its begin."""
    zone = ZoneInfo(setting.plan.time_zone)
    found: list[Seconds] = []
    at = begins = datetime.fromtimestamp(setting.start, UTC)
    while (at := day_ends(at, zone)) < begins + timedelta(seconds=setting.length_s):
        found.append((at - begins).total_seconds())
    return found


def _present(setting: Setting, agents: Mapping[AgentId, Agent]) -> Mapping[AgentId, Seconds]:
    if setting.attendance is not None:
        return setting.attendance.present_s
    there_s = setting.length_s - setting.warm_up_s
    return {one: there_s for one in agents if one in setting.plan.on_duty}
