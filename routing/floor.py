"""What the whole distribution knows, and the one way in which an agent's state changes.

House rules: the files that take part in the distribution (``dispatcher`` lists them) share one
``Floor`` and nothing else.  Whatever changes what holds of an agent calls ``settle`` after it, so
that the state follows and the indexes of who is free stay right.
"""

from __future__ import annotations

from collections.abc import Sequence

from routing import commands, facts
from routing.agent_state import rest_state
from routing.agents import WorkingAgent
from routing.leg_book import LegBook
from routing.members import Members
from routing.memory import Memory
from routing.offer import Call, Chorus
from routing.plan import Queue
from routing.timers import Timers
from routing.values import AgentId, AgentState, CallId, QueueId, Seconds

_FREE, _RESERVED = AgentState.FREE, AgentState.RESERVED  # looked up once


class Floor:
    """Agents, queues' members, calls and legs of one company; what the event in hand brought.

    ``id_prefix`` makes ids of offers and legs unique over restarts.  ``tells``: somebody reads the
    facts; else those that come with each call are not made.
    """

    def __init__(self, memory: Memory, id_prefix: str, *, tells: bool) -> None:
        self.id_prefix = id_prefix
        self.tells = tells
        self.now: Seconds = 0.0
        self.timers = Timers()
        self.agents: dict[AgentId, WorkingAgent] = {}
        self.members: dict[QueueId, Members] = {}
        self.calls: dict[CallId, Call] = {}
        self.legs = LegBook(self.agents, id_prefix)
        self.freed: dict[AgentId, None] = {}
        """Who became free and has not been offered a call yet, in order."""
        self.last_talks = memory.last_talks.copy()
        self._commands: list[commands.Given] = []
        self._facts: list[facts.Fact] = []
        self.command = self._commands.append
        self.tell = self._facts.append

    def brought(self) -> tuple[tuple[commands.Given, ...], tuple[facts.Fact, ...]]:
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
        if isinstance(agent.queue_part, Chorus):
            self.legs.dissolve(agent.queue_part)
        old, new = agent.state, rest_state(agent)
        agent_id = agent.agent_id
        if new is not old:
            if self.tells:
                why = (agent.pause_reason if new is AgentState.PAUSED else None) or reason
                self.tell_change(agent, new, why, call.call_id if call else None)
            agent.state = new
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

    def tell_change(
        self, agent: WorkingAgent, new: AgentState, why: str, call_id: CallId | None
    ) -> None:
        """The agent is about to move to this state."""
        lasted_s = 0.0 if agent.since is None else self.now - agent.since
        self.tell(facts.AgentChanged(agent.agent_id, agent.state, new, why, call_id, lasted_s))

    def take_from_free(self, agents: Sequence[WorkingAgent], chorus: Chorus) -> None:
        """Free agents are offered a call, and nothing else holds of them: they are reserved."""
        now = self.now
        for agent in agents:
            agent.state, agent.since, agent.queue_part = _RESERVED, now, chorus
        if self.freed:
            for agent_id in chorus.agent_ids:
                self.freed.pop(agent_id, None)
        chorus.aside = [
            (members, members.set_aside(those))
            for queue_id, those in _by_queue(agents).items()
            for members in (self.members[queue_id],)
        ]

    def give_to_free(self, chorus: Chorus) -> None:
        """The offer for which these were taken is over, and nothing else has been heard of them:
        they are what they were."""
        now, agent_ids = self.now, chorus.agents_left()
        for agent in map(self.agents.__getitem__, agent_ids):
            agent.state, agent.since, agent.queue_part = _FREE, now, None
        self.freed.update(dict.fromkeys(agent_ids))
        gone = [chorus.agent_ids[place] for place in chorus.leg_ids.but]
        for members, aside in chorus.aside:
            members.put_back(aside, gone)

    def reorder(self, agent: WorkingAgent) -> None:
        """What the order of the free goes by has changed for this agent."""
        if agent.known_free:
            for queue_id in agent.queues:
                self.members[queue_id].leave(agent)
                self.members[queue_id].enter(agent)

    def somebody_on_duty(self, queue: Queue) -> bool:
        """At least one member is logged in."""
        return any(self.agents[one].logged_in for one in queue.members if one in self.agents)


def _by_queue(agents: Sequence[WorkingAgent]) -> dict[QueueId, Sequence[WorkingAgent]]:
    """The members of each queue among these."""
    queues = agents[0].queues
    if not [agent for agent in agents if agent.queues is not queues]:
        return dict.fromkeys(queues, agents)
    found: dict[QueueId, list[WorkingAgent]] = {}
    for agent in agents:
        for queue_id in agent.queues:
            found.setdefault(queue_id, []).append(agent)
    return {**found}
