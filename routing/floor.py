"""What the whole distribution knows, and the one way in which an agent's state changes.

House rules: the files that take part in the distribution (``dispatcher`` lists them) share one
``Floor`` and nothing else.  Whatever changes what holds of an agent calls ``settle`` after it, so
that the state follows and the indexes of who is free stay right.
"""

from __future__ import annotations

from routing import commands, facts
from routing.agent_state import rest_state
from routing.agents import WorkingAgent
from routing.members import Members
from routing.memory import LastTalk, Memory
from routing.offer import Call, Leg
from routing.plan import Queue
from routing.timers import Timers
from routing.values import AgentId, AgentState, CallId, LegId, QueueId, Seconds

_FREE = AgentState.FREE  # looked up once


class Floor:
    """Agents, queues' members, calls and legs of one company; what the event in hand brought.

    ``id_prefix`` makes ids of offers and legs unique over restarts.  ``tells``: somebody reads the
    facts; else those that come with each ring are not made.
    """

    def __init__(self, memory: Memory, id_prefix: str, *, tells: bool) -> None:
        self.id_prefix = id_prefix
        self.tells = tells
        self.now: Seconds = 0.0
        self.timers = Timers()
        self.agents: dict[AgentId, WorkingAgent] = {}
        self.members: dict[QueueId, Members] = {}
        self.calls: dict[CallId, Call] = {}
        self.legs: dict[LegId, Leg] = {}
        self.freed: dict[AgentId, None] = {}
        """Who became free and has not been offered a call yet, in order."""
        self.last_talks: dict[str, LastTalk] = dict(memory.last_talks)
        self._commands: list[commands.Command] = []
        self._facts: list[facts.Fact] = []
        self.command = self._commands.append
        self.tell = self._facts.append

    def brought(self) -> tuple[tuple[commands.Command, ...], tuple[facts.Fact, ...]]:
        """What was commanded and told since this was last asked."""
        found = tuple(self._commands), tuple(self._facts)
        self._commands.clear()
        self._facts.clear()
        return found

    def irregular(self, what: str) -> None:
        """An event that does not fit was left alone."""
        self.tell(facts.Irregular(what))

    def settle(self, agent: WorkingAgent, reason: str, call: Call | None = None) -> None:
        """Let the agent's state follow from what holds, and keep the indexes right.

        ``reason``: what changed; a pause is told by its own, whenever it begins to show.
        """
        old, new = agent.state, rest_state(agent)
        agent_id = agent.agent_id
        if new is not old:
            agent.state = new
            if self.tells:
                lasted_s = 0.0 if agent.since is None else self.now - agent.since
                call_id = call.call_id if call else None
                why = (agent.pause_reason if new is AgentState.PAUSED else None) or reason
                self.tell(facts.AgentChanged(agent_id, old, new, why, call_id, lasted_s))
            agent.since = self.now
        if new is _FREE and agent.reachable:
            if not agent.known_free:
                agent.known_free = True
                for queue_id in agent.queues:
                    self.members[queue_id].enter(agent)
            if new is not old or reason == "reachable":
                self.freed[agent_id] = None
        elif agent.known_free:
            agent.known_free = False
            self.freed.pop(agent_id, None)
            for queue_id in agent.queues:
                self.members[queue_id].leave(agent)

    def reorder(self, agent: WorkingAgent) -> None:
        """What the order of the free goes by has changed for this agent."""
        if agent.known_free:
            for queue_id in agent.queues:
                self.members[queue_id].leave(agent)
                self.members[queue_id].enter(agent)

    def somebody_on_duty(self, queue: Queue) -> bool:
        """At least one member is logged in."""
        return any(self.agents[one].logged_in for one in queue.members if one in self.agents)
