"""Managers and queues: names to agents, devices to dial strings, members to lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pbx.plan.context import Context
from pbx.plan.faults import quoted
from pbx.plan.outside_numbers import e164, refuse_dear
from pbx.plan.resolve_strategies import StrategyReader
from pbx.plan.schema import DeviceShape, ManagerShape, MemberShape, QueueShape
from pbx.plan.written import Wrong
from routing.plan import Agent, Device, Queue
from routing.values import AgentId, DeviceId, QueueId

LEAST_RING_S = 1.0


@dataclass(frozen=True, slots=True)
class Extensions:
    """Internal numbers."""

    agents: Mapping[str, AgentId]
    queues: Mapping[str, QueueId]


def agents(context: Context) -> dict[AgentId, Agent]:
    """All managers."""
    return {
        AgentId(key): _agent(context, key, shape) for key, shape in context.shape.managers.items()
    }


def _agent(context: Context, key: str, shape: ManagerShape) -> Agent:
    settings = context.shape.settings
    pause_after = shape.pause_after_no_answers
    return Agent(
        agent_id=AgentId(key),
        name=shape.name,
        department=shape.department,
        skills=dict(shape.skills),
        devices=_devices(context, key, shape),
        wrap_up_s=settings.wrap_up if shape.wrap_up is None else shape.wrap_up,
        calls_at_once=shape.calls_at_once,
        pause_after_no_answers=(
            settings.pause_after_no_answers if pause_after is None else pause_after
        ),
    )


def _devices(context: Context, key: str, shape: ManagerShape) -> tuple[Device, ...]:
    given = shape.devices or [DeviceShape.model_validate({"phone": key})]
    devices: list[Device] = []
    begins = 0.0
    for index, device in enumerate(given):
        path = ("managers", key, "devices", index)
        ring_time = device.ring_time or context.shape.settings.ring_time
        delay = begins + device.delay
        if shape.ring == "one-after-another":
            begins = delay + ring_time
        address = _address(context, path, device)
        if any(address == other.address for other in devices):
            context.wrong(path, f"{quoted(address)} is this manager's device already")
        devices.append(Device(DeviceId(f"{key}/{index + 1}"), address, delay, ring_time))
    return tuple(devices)


def _address(context: Context, path: tuple[str | int, ...], device: DeviceShape) -> str:
    if device.phone is not None:
        return f"PJSIP/{device.phone}"
    if device.sip is not None:
        return f"PJSIP/outbound/{device.sip}"
    kind = "mobile" if device.mobile is not None else "home"
    return outside_address(context, (*path, kind), device.mobile or device.home or "")[1]


def outside_address(context: Context, path: tuple[str | int, ...], text: str) -> tuple[str, str]:
    """(E.164, dial string) of a number that is called through the trunk."""
    settings = context.shape.settings
    try:
        number = e164(text, settings.region)
    except Wrong as error:
        context.wrong_name(path, error)
        return text, text
    try:
        refuse_dear(number, tuple(settings.outside))
    except Wrong as error:
        context.wrong(path, error.message, error.hint, error.notes)
    if settings.trunk is None:
        context.wrong(path, "there is no trunk to call it", "set settings.trunk")
        return number, number
    return number, settings.trunk.replace("{number}", number)


def rings_for(agent: Agent) -> float:
    """Seconds until the last of an agent's devices has rung."""
    return max((one.delay_s + one.ring_time_s for one in agent.devices), default=LEAST_RING_S)


def queues(
    context: Context, people: Mapping[AgentId, Agent], strategies: StrategyReader
) -> dict[QueueId, Queue]:
    """All queues."""
    return {
        QueueId(key): _queue(context, key, shape, people, strategies)
        for key, shape in context.shape.queues.items()
    }


def _queue(
    context: Context,
    key: str,
    shape: QueueShape,
    people: Mapping[AgentId, Agent],
    strategies: StrategyReader,
) -> Queue:
    path = ("queues", key)
    members = _members(context, key, shape, people)
    longest = max((rings_for(people[one]) for one in members), default=LEAST_RING_S)
    ring_time = longest if shape.ring_time is None else shape.ring_time
    _warn_of_silent_devices(context, path, ring_time, [people[one] for one in members])
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
        weights=weights,
    )


def _members(
    context: Context, key: str, shape: QueueShape, people: Mapping[AgentId, Agent]
) -> tuple[AgentId, ...]:
    found: dict[AgentId, None] = {}
    for index, member in enumerate(shape.members):
        path: tuple[str | int, ...] = ("queues", key, "members", index)
        for agent_id in _expand(context, path, member, people):
            found[agent_id] = None
    return tuple(found)


def _expand(
    context: Context,
    path: tuple[str | int, ...],
    member: MemberShape,
    people: Mapping[AgentId, Agent],
) -> list[AgentId]:
    if member.manager is not None:
        agent_id = AgentId(member.manager)
        if agent_id in people:
            return [agent_id]
        context.unknown((*path, "manager"), "manager", member.manager, people)
        return []
    if member.department is not None:
        department = member.department
        inside = [one.agent_id for one in people.values() if one.department == department]
        if not inside:
            known = {one.department for one in people.values() if one.department}
            context.unknown((*path, "department"), "department", department, known)
        return inside
    needs = member.skill or {}
    if not check_skills(context, (*path, "skill"), needs, people):
        return []
    able = [
        one.agent_id
        for one in people.values()
        if all(one.skills.get(skill, 0) >= level for skill, level in needs.items())
    ]
    if not able:
        context.wrong((*path, "skill"), "no manager has these skills at these levels")
    return able


def check_skills(
    context: Context,
    path: tuple[str | int, ...],
    needs: Mapping[str, int],
    people: Mapping[AgentId, Agent],
) -> bool:
    """Refuse skills that no manager has at all."""
    known = {skill for one in people.values() for skill in one.skills}
    strange = [skill for skill in needs if skill not in known]
    for skill in strange:
        context.unknown((*path, skill), "skill", skill, known)
    return not strange


def _weights(
    context: Context, key: str, shape: QueueShape, members: tuple[AgentId, ...]
) -> dict[AgentId, int]:
    for name in shape.weights:
        if AgentId(name) not in members:
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


def extensions(context: Context) -> Extensions:
    """All internal numbers; each belongs to one manager or queue."""
    first: dict[str, tuple[str, ...]] = {}
    managers: dict[str, AgentId] = {}
    lines: dict[str, QueueId] = {}
    for key, manager in context.shape.managers.items():
        if _is_new(context, first, manager.extension, ("managers", key, "extension")):
            managers[manager.extension or ""] = AgentId(key)
    for key, queue in context.shape.queues.items():
        if _is_new(context, first, queue.extension, ("queues", key, "extension")):
            lines[queue.extension or ""] = QueueId(key)
    return Extensions(managers, lines)


def _is_new(
    context: Context, first: dict[str, tuple[str, ...]], given: str | None, path: tuple[str, ...]
) -> bool:
    if given is None:
        return False
    if given in first:
        place = str(context.mark(first[given]))
        context.wrong(path, f"extension {given} is given twice", "", (f"first: {place}",))
        return False
    first[given] = path
    return True
