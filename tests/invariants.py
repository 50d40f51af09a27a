"""What must hold of the distribution at any moment, as named functions."""

from __future__ import annotations

from routing.dispatcher import Dispatcher
from routing.offer import Call, Chorus, Part
from routing.timers import Timer
from routing.values import AgentState


def no_agent_has_two_calls(dispatcher: Dispatcher) -> None:
    """A queue's call never reaches someone who rings or talks already."""
    for agent in dispatcher.agents.values():
        part = agent.queue_part
        rings = part is not None and part.offer.offer_id not in agent.talks
        of_queues = sum(agent.talks.values()) + rings
        assert of_queues <= 1, f"{agent.agent_id} has {of_queues} calls of queues"
        ours = agent.talks.keys() | agent.parts.keys()
        assert len(ours) <= agent.plan.calls_at_once


def no_call_has_two_agents(dispatcher: Dispatcher) -> None:
    """At most one leg of a call talks."""
    talking: set[str] = set()
    for leg in dispatcher.legs.values():
        if leg.joined_at is not None:
            call_id = leg.part.offer.call.call_id
            assert call_id not in talking, f"{call_id} talks with two"
            talking.add(call_id)


def states_follow_from_what_holds(dispatcher: Dispatcher) -> None:
    """No agent is stuck in a state that nothing holds them in."""
    for agent in dispatcher.agents.values():
        assert agent.state is agent.now_is(), agent.agent_id
        if agent.state in (AgentState.RESERVED, AgentState.RINGING):
            assert agent.parts or isinstance(agent.queue_part, Chorus)


def who_is_free_is_known(dispatcher: Dispatcher) -> None:
    """The indexes of free agents say what the agents' states say."""
    for queue_id in {queue for agent in dispatcher.agents.values() for queue in agent.queues}:
        free = sum(
            agent.state is AgentState.FREE and agent.reachable
            for agent in dispatcher.agents.values()
            if queue_id in agent.queues
        )
        assert dispatcher.free_in(queue_id) == free


def no_call_forgotten(dispatcher: Dispatcher) -> None:
    """Who waits without an offer has nobody who could help, or a deadline to be asked again."""
    for call in dispatcher.calls.values():
        if call.joined is not None or call.queue_id is None or call.offer is not None:
            continue
        assert call.in_line, f"{call.call_id} waits and stands in no line"
        if call.ask_again is not None and call.ask_again.alive:
            continue
        for agent in dispatcher.agents.values():
            if call.queue_id not in agent.queues or agent.state is not AgentState.FREE:
                continue
            helps = all(agent.skills.get(n.skill, 0) >= n.min_level for n in call.needs_now)
            assert not (helps and agent.reachable), (
                f"{agent.agent_id} is free and {call.call_id} waits"
            )


def positions_are_those_of_the_order_of_service(dispatcher: Dispatcher) -> None:
    """Who is told to be third is third."""
    lines: dict[str, list[Call]] = {}
    for call in dispatcher.calls.values():
        position = dispatcher.position(call.call_id)
        if call.joined is not None or call.queue_id is None:
            assert position is None
        else:
            lines.setdefault(call.queue_id, []).append(call)
    for line in lines.values():
        in_order = sorted(line, key=lambda call: call.turn)
        told = [dispatcher.position(call.call_id) for call in in_order]
        assert told == list(range(1, len(in_order) + 1))


def who_picked_up_a_callback_has_it(dispatcher: Dispatcher) -> None:
    """Nobody else is rung for it any more, and there is one leg to call the client for."""
    for leg in dispatcher.legs.values():
        offer = leg.part.offer
        taken_by = offer.call.taken_by
        if taken_by is not None and offer.call.offer is offer:
            assert taken_by in dispatcher.legs
            assert leg.leg_id == taken_by or leg.stopped


def nobody_waits_where_nobody_is_at_work(dispatcher: Dispatcher) -> None:
    """Where callers are to go on when nobody is at work, or nobody is left to serve them."""
    for call in dispatcher.calls.values():
        if call.joined is not None or call.queue_id is None or call.offer is not None:
            continue
        serving = [one for one in dispatcher.agents.values() if call.queue_id in one.queues]
        assert serving, f"{call.call_id} waits in a queue without members"
        if call.leaves_if_nobody:
            assert any(one.logged_in for one in serving), f"{call.call_id} waits for nobody"


def every_timer_has_an_owner(dispatcher: Dispatcher) -> None:
    """Deadlines that count belong to a call, a leg, a part or an agent that exists."""
    owned: set[int] = set()  # one may have several owners
    parts: dict[int, Part | Chorus] = {}
    for call in dispatcher.calls.values():
        owned |= {id(timer) for timer in call.timers() if timer.alive}
    for leg in dispatcher.legs.values():
        owned |= _alive(leg.grace)
        parts[id(leg.part)] = leg.part
    for call in dispatcher.calls.values():
        if call.offer is not None:
            parts.update({id(part): part for part in call.offer.parts.values()})
    for part in parts.values():
        owned |= _alive(part.deadline)
        if isinstance(part, Part):
            owned |= {id(timer) for timer in part.to_start.values() if timer.alive}
    for agent in dispatcher.agents.values():
        owned |= _alive(agent.wrap_up)
    assert dispatcher.timers.alive() == len(owned)


def _alive(timer: Timer | None) -> set[int]:
    return {id(timer)} if timer is not None and timer.alive else set()


ALL = (
    no_agent_has_two_calls,
    no_call_has_two_agents,
    states_follow_from_what_holds,
    who_is_free_is_known,
    no_call_forgotten,
    positions_are_those_of_the_order_of_service,
    who_picked_up_a_callback_has_it,
    nobody_waits_where_nobody_is_at_work,
    every_timer_has_an_owner,
)
