"""Queues: who serves them, how, and for how long a phone rings."""

from __future__ import annotations

from pbx.plan.context import Context
from pbx.plan.faults import quoted
from pbx.plan.model import Rescue
from pbx.plan.resolve_people import LEAST_RING_S, People, check_skills, rings_for
from pbx.plan.resolve_strategies import StrategyReader
from pbx.plan.schema import MemberShape, QueueShape
from routing.plan import Agent, Queue
from routing.values import AgentId, QueueId

MAX_MEMBERS = 500_000
"""Of all queues together, each counted in each: a few lines could name everyone everywhere."""


MAX_RESCUE = 800
"""Of the dial string of all rescue phones: an AMI line is cut at 1,024 bytes."""


def queues(context: Context, everyone: People, strategies: StrategyReader) -> dict[QueueId, Queue]:
    """All queues."""
    found: dict[QueueId, Queue] = {}
    left = MAX_MEMBERS
    for key, shape in context.shape.queues.items():
        queue = _queue(context, key, shape, everyone, strategies)
        left -= len(queue.members)
        if left < 0:
            message = f"the queues have more than {MAX_MEMBERS:,} members altogether"
            context.wrong_key(("queues", key), message)
            break
        found[QueueId(key)] = queue
    return found


def _queue(
    context: Context,
    key: str,
    shape: QueueShape,
    everyone: People,
    strategies: StrategyReader,
) -> Queue:
    path = ("queues", key)
    members = _members(context, key, shape, everyone)
    longest = max((rings_for(everyone.agents[one]) for one in members), default=LEAST_RING_S)
    ring_time = longest if shape.ring_time is None else shape.ring_time
    _warn_of_silent_devices(context, path, ring_time, [everyone.agents[one] for one in members])
    if shape.max_wait is not None and shape.max_wait < ring_time:
        context.warn((*path, "max_wait"), f"ends before one offer has rung for {ring_time:g} s")
    strategy = strategies.read((*path, "strategy"), shape.strategy)
    weights = _weights(context, key, shape, members)
    chain = [strategy]
    while chain[-1].fallback is not None:
        chain.append(chain[-1].fallback)
    if weights and all(one.name != "weighted" for one in chain):
        context.warn((*path, "weights"), "only strategy weighted looks at weights")
    return Queue(
        queue_id=QueueId(key),
        members=members,
        strategy=strategy,
        ring_time_s=ring_time,
        retry_delay_s=shape.retry,
        max_wait_s=shape.max_wait,
        max_length=shape.max_length,
        leave_when_no_agents=shape.leave_when_no_managers,
        short_abandon_s=shape.short_abandon,
        priority_step_s=shape.priority_step,
        returning_s=shape.returning,
        manager_wait_s=shape.manager_wait,
        weights=weights,
        weight=shape.weight,
    )


def _members(
    context: Context, key: str, shape: QueueShape, everyone: People
) -> tuple[AgentId, ...]:
    found: dict[AgentId, None] = {}
    for index, member in enumerate(shape.members):
        path: tuple[str | int, ...] = ("queues", key, "members", index)
        for agent_id in _expand(context, path, member, everyone):
            found[agent_id] = None
    return tuple(found)


def rescue(context: Context, everyone: People) -> Rescue:
    """Who serves callers while no engine runs."""
    shape = context.shape.settings.rescue
    if shape is None:
        return Rescue()
    found: dict[str, None] = {}
    for index, member in enumerate(shape.members):
        path: tuple[str | int, ...] = ("settings", "rescue", "members", index)
        for agent_id in _expand(context, path, member, everyone):
            for device in everyone.agents[agent_id].devices:
                found[device.address] = None
    if len("&".join(found)) > MAX_RESCUE:
        message = f"more phones than one line of Asterisk's can name ({MAX_RESCUE} characters)"
        context.wrong(("settings", "rescue", "members"), message, "name fewer members")
    return Rescue(tuple(found), shape.ring_time, shape.voicemail)


def _expand(
    context: Context,
    path: tuple[str | int, ...],
    member: MemberShape,
    everyone: People,
) -> list[AgentId]:
    if member.manager is not None:
        agent_id = AgentId(member.manager)
        if agent_id in everyone.agents:
            return [agent_id]
        context.unknown((*path, "manager"), "manager", member.manager, everyone.agents)
        return []
    if member.department is not None:
        inside = everyone.departments.get(member.department, ())
        if not inside:
            known = everyone.departments
            context.unknown((*path, "department"), "department", member.department, known)
        return [one.agent_id for one in inside]
    needs = member.skill or {}
    if not check_skills(context, (*path, "skill"), needs, everyone):
        return []
    rarest = min(needs, key=lambda skill: len(everyone.skilled[skill]))
    able = [
        one.agent_id
        for one in everyone.skilled[rarest]
        if all(one.skills.get(skill, 0) >= level for skill, level in needs.items())
    ]
    if not able:
        context.wrong((*path, "skill"), "no manager has these skills at these levels")
    return able


def _weights(
    context: Context, key: str, shape: QueueShape, members: tuple[AgentId, ...]
) -> dict[AgentId, int]:
    serving = frozenset(members)
    for name in shape.weights:
        if AgentId(name) not in serving:
            path = ("queues", key, "weights", name)
            if name in context.shape.managers:
                context.wrong_key(path, f"{quoted(name)} is no member of this queue")
            else:
                context.unknown(path, "manager", name, members)
    if shape.weights and not any(shape.weights.values()):
        context.wrong(("queues", key, "weights"), "all weights are 0")
    return {AgentId(name): weight for name, weight in shape.weights.items()}


def _warn_of_silent_devices(
    context: Context, path: tuple[str, ...], ring_time: float, members: list[Agent]
) -> None:
    silent = [
        device.device_id for one in members for device in one.devices if device.delay_s >= ring_time
    ]
    if silent:
        names = ", ".join(silent[:5])
        context.warn(
            (*path, "ring_time"), f"an offer ends after {ring_time:g} s, before {names} rings"
        )
