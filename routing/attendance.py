"""Agents at work: they come, pause, make calls of their own, and their phones come and go."""

from __future__ import annotations

from routing import events
from routing.floor import Floor
from routing.ringing import Ringing
from routing.values import QueueId, ReturnReason
from routing.waiting import Waiting


class Attendance:
    """What agents and their devices do outside the calls we give them."""

    def __init__(self, floor: Floor, waiting: Waiting, ringing: Ringing) -> None:
        self._floor = floor
        self._waiting = waiting
        self._ringing = ringing

    def about(
        self,
        event: events.AgentLoggedIn
        | events.AgentLoggedOut
        | events.AgentPaused
        | events.AgentResumed
        | events.OwnCallStarted
        | events.OwnCallEnded,
    ) -> None:
        """An agent comes, goes, pauses or has a call of their own."""
        agent = self._floor.agents.get(event.agent_id)
        if agent is None:
            self._floor.irregular(f"{type(event).__name__} for an unknown agent")
            return
        match event:
            case events.AgentLoggedIn():
                agent.logged_in = True
                self._floor.settle(agent, "logged_in")
            case events.AgentLoggedOut():
                agent.logged_in = False
                self._ringing.withdraw_queue_part(agent)
                self._floor.settle(agent, "logged_out")
                for queue_id in agent.queues:
                    self.leave_if_nobody(queue_id)
            case events.AgentPaused(_, reason):
                agent.pause_reason = reason
                self._ringing.withdraw_queue_part(agent)
                self._floor.settle(agent, reason)
            case events.AgentResumed():
                agent.pause_reason = None
                agent.unanswered = 0
                if agent.wrap_up is not None:
                    agent.wrap_up.cancel()
                    agent.wrap_up = None
                self._floor.settle(agent, "resumed")
            case events.OwnCallStarted(_, key):
                agent.own_calls.add(key)
                self._ringing.withdraw_queue_part(agent)
                self._floor.settle(agent, "own_call")
            case events.OwnCallEnded(_, key):
                if key not in agent.own_calls:
                    self._floor.irregular("end of an own call that is not known")
                agent.own_calls.discard(key)
                self._floor.settle(agent, "own_call_ended")

    def reachability(self, device_id: str, reachable: bool) -> None:
        """A device can or can't be rung."""
        for agent in self._floor.agents.values():
            for device in agent.plan.devices:
                if device.device_id != device_id:
                    continue
                if reachable:
                    agent.unreachable.discard(device.device_id)
                else:
                    agent.unreachable.add(device.device_id)
                self._floor.settle(agent, "reachable" if reachable else "unreachable")
                return
        self._floor.irregular("reachability of an unknown device")

    def day_began(self) -> None:
        """Nobody has talked today.  Who is free stays so, in the order that this brings."""
        self._floor.legs.dissolve_all()  # their places among the free are not kept
        for agent in self._floor.agents.values():
            agent.calls, agent.talk_s = 0, 0.0
            self._floor.reorder(agent)

    def leave_if_nobody(self, queue_id: QueueId) -> None:
        """Callers who are to have no wait without agents leave when the last one has gone."""
        if self._floor.somebody_on_duty(self._floor.members[queue_id].queue):
            return
        for call in self._waiting.in_queue(queue_id):
            if call.leaves_if_nobody and not call.picked_up:
                self._ringing.send_back(call, ReturnReason.NO_AGENTS)
