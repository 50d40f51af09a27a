"""An agent's states.

House rules: everything that decides an agent's state is in ``rest_state`` and ``MOVES``; the
dispatcher alone calls them.  A state is derived from what the agent is doing (calls, ringing,
wrap-up, pause), never set by hand: so no event, lost or doubled, can leave one stuck.  ``MOVES``
says which moves there are; any other is an error of ours.
"""

from __future__ import annotations

from typing import Protocol

from routing.timers import Timer
from routing.values import AgentState, OfferId

_S = AgentState

MOVES: dict[AgentState, dict[AgentState, str]] = {
    _S.OFFLINE: {
        _S.FREE: "logged in",
        _S.PAUSED: "logged in, paused",
        _S.TALKING: "own call",
        _S.RESERVED: "called by extension",
    },
    _S.FREE: {
        _S.RESERVED: "offered a call",
        _S.TALKING: "own call",
        _S.PAUSED: "paused",
        _S.OFFLINE: "logged out",
    },
    _S.RESERVED: {
        _S.RINGING: "the device rings",
        _S.TALKING: "joined, or own call",
        _S.FREE: "the offer is over",
        _S.PAUSED: "the offer is over, paused",
        _S.OFFLINE: "the offer is over, logged out",
        _S.WRAP_UP: "the offer is over, wrap-up of the call before",
    },
    _S.RINGING: {
        _S.TALKING: "joined, or own call",
        _S.FREE: "the offer is over",
        _S.PAUSED: "the offer is over, paused",
        _S.OFFLINE: "the offer is over, logged out",
        _S.WRAP_UP: "the offer is over, wrap-up of the call before",
    },
    _S.TALKING: {
        _S.WRAP_UP: "the talk is over",
        _S.FREE: "the talk is over",
        _S.PAUSED: "the talk is over, paused",
        _S.OFFLINE: "the talk is over, logged out",
        _S.RESERVED: "one call is over, another is offered by extension",
        _S.RINGING: "one call is over, another rings",
    },
    _S.WRAP_UP: {
        _S.FREE: "wrap-up is over",
        _S.RESERVED: "called by extension",
        _S.TALKING: "own call",
        _S.PAUSED: "paused",
        _S.OFFLINE: "logged out",
    },
    _S.PAUSED: {
        _S.FREE: "resumed",
        _S.RESERVED: "called by extension",
        _S.TALKING: "own call",
        _S.WRAP_UP: "resumed, wrap-up goes on",
        _S.OFFLINE: "logged out",
    },
}


class Holds(Protocol):
    """What holds of an agent."""

    own_calls: set[str]
    parts: dict[OfferId, bool]
    talks: dict[OfferId, bool]
    logged_in: bool
    removed: bool
    pause_reason: str | None
    wrap_up: Timer | None


# Looked up once: this is asked at each ring of each phone.
_RESERVED, _FREE = _S.RESERVED, _S.FREE


def rest_state(agent: Holds) -> AgentState:
    """What someone is doing, by what holds of them; the first that applies."""
    if agent.own_calls or agent.talks:
        return _S.TALKING
    if agent.parts:
        return _S.RINGING if True in agent.parts.values() else _RESERVED
    if not agent.logged_in or agent.removed:
        return _S.OFFLINE
    if agent.pause_reason is not None:
        return _S.PAUSED
    if agent.wrap_up is not None:
        return _S.WRAP_UP
    return _FREE
