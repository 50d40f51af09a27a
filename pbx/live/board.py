"""The live state, made of the engine's entries.  Pure: entries in, messages out.

House rules: an entry costs what it changes, never a look at everything.  What was touched is told
once, by its newest row (``changed``), so a message is as long as what has changed since the last.
A row is written (as JSON) once for each change, so a whole picture only joins what is written.
A change of who there is (a new plan) is told by a whole picture.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson

from pbx.journal import port as journal
from pbx.journal.port import OpenPause, Stamped
from pbx.live.rows import LiveAgent, LiveCall, LiveQueue, LiveStage, Row, stamp
from pbx.plan.model import Plan
from routing import facts
from routing.values import AgentId, AgentState, CallId, LegId, QueueId

Message = dict[str, Any]
"""What is told; its rows may be written already (``orjson.Fragment``)."""
MAX_CALLS = 100_000
"""Calls shown; more are never alive, so the oldest are of lost ends."""


class Board:
    """Everything that goes on."""

    def __init__(self, plan: Plan) -> None:
        self.agents: dict[AgentId, LiveAgent] = {}
        self.queues: dict[QueueId, LiveQueue] = {}
        self.calls: dict[CallId, LiveCall] = {}
        self._today: Row | None = None
        self._ready = False
        self._agents = _Written(self.agents)
        self._queues = _Written(self.queues)
        self._calls = _Written(self.calls)
        self._gone: set[CallId] = set()
        self._today_touched = False
        self._whole = False
        self.replace_plan(plan)

    # What comes in -----------------------------------------------------------------------

    def replace_plan(self, plan: Plan) -> None:
        """These managers and queues there are now; who is in the midst of something stays."""
        routing = plan.routing
        members: dict[AgentId, list[QueueId]] = {}
        for queue_id, queue in routing.queues.items():
            for agent_id in queue.members:
                members.setdefault(agent_id, []).append(queue_id)
        agents = {one: self.agents.get(one) or LiveAgent(one) for one in routing.agents}
        for agent_id, agent in self.agents.items():
            if agent_id not in agents and agent.on_duty:
                agents[agent_id] = agent
        self.agents = agents
        self._agents = _Written(agents)
        for agent_id, agent in agents.items():
            agent.known = agent_id in routing.agents
            agent.queues = tuple(members.get(agent_id, ()))
            if agent.known:
                spec = routing.agents[agent_id]
                agent.name, agent.department = spec.name, spec.department
        queues = {one: self.queues.get(one) or LiveQueue(one) for one in routing.queues}
        for queue_id, before in self.queues.items():
            if before.waiting:
                queues.setdefault(queue_id, before)
        self.queues = queues
        self._queues = _Written(queues)
        for queue_id, live in queues.items():
            live.known = queue_id in routing.queues
            live.name = plan.queue_titles.get(queue_id) or live.name or queue_id
            live.free = live.on_duty = 0
        for agent in agents.values():
            self._count(agent, 1)
        self._whole = True

    def unreachable(self, agents: Collection[AgentId]) -> None:
        """Of these managers no phone can be rung; of all others one can."""
        for agent_id, agent in self.agents.items():
            reachable = agent_id not in agents
            if reachable is not agent.reachable:
                self._count(agent, -1)
                agent.reachable = reachable
                self._count(agent, 1)
                self._agents.add(agent_id)

    def paused(self, pauses: Iterable[OpenPause]) -> None:
        """These pauses go on from before our time."""
        for pause in pauses:
            self._paused(pause.agent_id, pause.reason)

    def today(self, figures: Row) -> None:
        """The day's figures are these."""
        if figures != self._today:
            self._today, self._today_touched = figures, True

    def ready(self, ready: bool) -> None:
        """Whether the engine takes calls."""
        if ready is not self._ready:
            self._ready, self._whole = ready, True

    def take(self, stamped: Stamped) -> None:
        """Something happened."""
        at, entry = stamped.at, stamped.entry
        match entry:
            case facts.AgentChanged():
                self._agent_changed(entry, at)
            case journal.PauseStarted(_, agent_id, reason):
                self._paused(agent_id, reason)
            case journal.PauseEnded(_, agent_id):
                self._paused(agent_id, None)
            case journal.CallStarted():
                self._call_started(entry, at)
            case journal.CallEnded(call_id):
                self._call_ended(call_id)
            case journal.LookedUp(call_id, name=name):
                if (call := self.calls.get(call_id)) and call.name != name:
                    call.name = name
                    self._calls.add(call_id)
            case (
                journal.MenuStep(call_id)
                | facts.WaitStarted(call_id)
                | facts.WaitEnded(call_id)
                | facts.LegStarted(_, call_id)
                | facts.LegJoined(_, call_id)
                | facts.LegFinished(_, call_id)
                | journal.Transferred(call_id)
                | journal.OutsideLegStarted(call_id)
                | journal.OutsideLegFinished(call_id)
            ):
                if call := self.calls.get(call_id):
                    self._on_its_way(call, entry, at)
                    self._calls.add(call_id)

    def _agent_changed(self, entry: facts.AgentChanged, at: datetime) -> None:
        agent = self.agents.get(entry.agent_id)
        if agent is None:  # of a plan before; still in a call
            agent = self.agents[entry.agent_id] = LiveAgent(entry.agent_id, known=False)
        self._count(agent, -1)
        agent.state, agent.reason, agent.since = entry.new, entry.reason, at
        agent.call_id = entry.call_id
        self._count(agent, 1)
        self._agents.add(entry.agent_id)
        if not agent.known and not agent.on_duty:
            del self.agents[entry.agent_id]
            self._whole = True

    def _paused(self, agent_id: AgentId, reason: str | None) -> None:
        if agent := self.agents.get(agent_id):
            agent.pause = reason
            if reason is not None and agent.state is AgentState.PAUSED:
                agent.reason = reason
            self._agents.add(agent_id)

    def _count(self, agent: LiveAgent, sign: int) -> None:
        for queue_id in agent.queues:
            if queue := self.queues.get(queue_id):
                queue.free += sign * agent.free
                queue.on_duty += sign * agent.on_duty
                self._queues.add(queue_id)

    def _call_started(self, entry: journal.CallStarted, at: datetime) -> None:
        self._call_ended(entry.call_id)  # one that is told again begins anew
        self.calls[entry.call_id] = LiveCall(
            entry.call_id,
            entry.did,
            entry.number,
            entry.name,
            entry.source,
            entry.callback_of,
            at,
            reconstructed=entry.reconstructed,
        )
        self._calls.add(entry.call_id)
        self._gone.discard(entry.call_id)
        while len(self.calls) > MAX_CALLS:
            self._call_ended(next(iter(self.calls)))

    def _call_ended(self, call_id: CallId) -> None:
        if call := self.calls.pop(call_id, None):
            self._wait_ends(call)
            self._calls.add(call_id)
            self._gone.add(call_id)

    def _on_its_way(self, call: LiveCall, entry: journal.Entry, at: datetime) -> None:
        match entry:
            case journal.MenuStep(_, node):
                self._in_menu(call, at)
                call.node = node
            case facts.WaitStarted(_, queue_id, _, _, since):
                self._wait_starts(call, queue_id, at, since)
            case facts.WaitEnded():
                self._wait_ends(call)
            case facts.LegStarted(leg_id, _, _, agent_id):
                call.rung[leg_id] = agent_id
                if call.talks_on is None:  # else the talk has just been won
                    call.agent = None
                    call.now(LiveStage.RINGING, at)
            case facts.LegJoined(leg_id, _, agent_id):
                call.rung.pop(leg_id, None)
                call.talks_on, call.agent = leg_id, agent_id
                call.now(LiveStage.TALKING, at)
            case facts.LegFinished(leg_id):
                self._leg_finished(call, leg_id, at)
            case journal.Transferred():
                self._in_menu(call, at)
            case journal.OutsideLegStarted(agent=agent_id):
                if call.callback_of:
                    # Whoever picked up: the others' phones have been told to stop.
                    call.agent = next(iter(call.rung.values()), None)
                    call.now(LiveStage.CALLING, at)
                else:
                    call.agent = agent_id
                    call.now(LiveStage.OUTSIDE, at)
            case journal.OutsideLegFinished():
                if call.stage is LiveStage.OUTSIDE:
                    self._in_menu(call, at)

    def _in_menu(self, call: LiveCall, at: datetime) -> None:
        """Nobody has the caller."""
        call.agent = call.talks_on = None
        call.now(LiveStage.MENU, at)

    def _wait_starts(self, call: LiveCall, queue_id: QueueId, at: datetime, since: float) -> None:
        self._wait_ends(call)
        # Of a caller found after a time without an engine the wait began before.
        began = min(at, datetime.fromtimestamp(since, UTC)) if call.reconstructed else at
        call.queue = call.waits_in = queue_id
        call.waiting_since = began
        call.agent = call.talks_on = None
        call.now(LiveStage.WAITING, began)
        if not call.callback_of:
            queue = self.queues.setdefault(queue_id, LiveQueue(queue_id, queue_id, known=False))
            queue.comes(call.call_id, began)
            self._queues.add(queue_id)

    def _wait_ends(self, call: LiveCall) -> None:
        if call.waits_in is None:
            return
        if queue := self.queues.get(call.waits_in):
            queue.leaves(call.call_id)
            self._queues.add(call.waits_in)
            if not queue.known and not queue.waiting:
                del self.queues[call.waits_in]
                self._whole = True
        call.waits_in = call.waiting_since = None

    def _leg_finished(self, call: LiveCall, leg_id: LegId, at: datetime) -> None:
        call.rung.pop(leg_id, None)
        if leg_id == call.talks_on:
            call.talks_on = None
        if call.rung or call.stage is not LiveStage.RINGING:
            return
        if call.waiting_since is not None:
            call.now(LiveStage.WAITING, call.waiting_since)
        else:
            call.now(LiveStage.MENU, at)

    # What goes out -----------------------------------------------------------------------

    def snapshot(self, at: datetime) -> Message:
        """Everything, as it is now."""
        return {
            "type": "snapshot",
            "at": stamp(at),
            "ready": self._ready,
            "agents": self._agents.all(),
            "queues": self._queues.all(),
            "calls": self._calls.all(),
            "today": self._today,
        }

    def write(self) -> None:
        """Do now what there is to do for the rows that have changed so far."""
        for part in (self._agents, self._queues, self._calls):
            part.write()

    def changed(self, at: datetime) -> Message | None:
        """What has changed since this was last asked; None: nothing.  A new plan is a snapshot."""
        parts = {"agents": self._agents, "queues": self._queues, "calls": self._calls}
        if self._whole:
            for part in parts.values():
                part.touched()
            self._forget()
            return self.snapshot(at)
        rows = {name: part.touched() for name, part in parts.items()}
        if not (any(rows.values()) or self._gone or self._today_touched):
            return None
        message = {**self.nothing(at), **rows}
        message["gone"] = sorted(self._gone)
        if self._today_touched:
            message["today"] = self._today
        self._forget()
        return message

    @staticmethod
    def nothing(at: datetime) -> Message:
        """A change of nothing: the engine is there."""
        return {
            "type": "change",
            "at": stamp(at),
            "agents": [],
            "queues": [],
            "calls": [],
            "gone": [],
        }

    def _forget(self) -> None:
        self._gone.clear()
        self._today_touched = self._whole = False


class _Row(Protocol):
    def row(self) -> Row: ...


class _Written:
    """The rows of one part as JSON; what was touched is written anew when it is asked for."""

    def __init__(self, live: Mapping[Any, _Row]) -> None:
        self._live = live
        self._rows: dict[str, orjson.Fragment] = {}
        self._to_write: dict[str, None] = dict.fromkeys(live)
        self._to_tell: dict[str, None] = {}

    def add(self, one: str) -> None:
        """It has changed, has come, or is gone."""
        self._to_write[one] = None
        self._to_tell[one] = None

    def touched(self) -> list[orjson.Fragment]:
        """What has changed since this was last asked."""
        self.write()
        told = [self._rows[one] for one in self._to_tell if one in self._rows]
        self._to_tell.clear()
        return told

    def all(self) -> list[orjson.Fragment]:
        """Everything."""
        self.write()
        return list(self._rows.values())

    def write(self) -> None:
        """Write what is to be written anew."""
        for one in self._to_write:
            live = self._live.get(one)
            if live is None:
                self._rows.pop(one, None)
            else:
                self._rows[one] = orjson.Fragment(orjson.dumps(live.row()))
        self._to_write.clear()
