"""What the distribution remembers of the past: read from the log when the engine starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from routing.last_talks import LastTalks
from routing.values import AgentId, QueueId, Seconds


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """An agent's day so far.  ``last_ended_at``: end of the last call's talk, 0 for none."""

    calls: int = 0
    talk_s: Seconds = 0.0
    last_ended_at: Seconds = 0.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """A wait that is over, of a caller with a ``number``.  ``reason`` as in ``facts.WaitEnded``:
    who ``left`` hung up."""

    queue_id: QueueId
    number: str
    began_at: Seconds
    ended_at: Seconds
    reason: str


@dataclass(frozen=True, slots=True)
class Memory:
    """``last_chosen``: per queue, the agent offered last (round-robin goes on after them).
    ``dropped``: waits in the order in which they began, for the places of who calls again."""

    last_chosen: Mapping[QueueId, AgentId] = field(default_factory=dict)
    last_talks: LastTalks = field(default_factory=LastTalks)
    records: Mapping[AgentId, AgentRecord] = field(default_factory=dict)
    dropped: Sequence[Dropped] = ()
