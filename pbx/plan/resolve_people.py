"""Managers: to agents, their devices to dial strings; and who has which extension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pbx.plan.context import Context
from pbx.plan.faults import quoted
from pbx.plan.outside_numbers import e164, refuse_dear
from pbx.plan.schema import DeviceShape, ManagerShape
from pbx.plan.written import Wrong
from routing.plan import Agent, Device
from routing.values import AgentId, DeviceId, QueueId

LEAST_RING_S = 1.0


@dataclass(frozen=True, slots=True)
class People:
    """All managers, by key, by department and by skill, in the plan's order.  ``outside``: dial
    strings of their mobiles and home phones, with the E.164 number behind each."""

    agents: Mapping[AgentId, Agent]
    departments: Mapping[str, tuple[Agent, ...]]
    skilled: Mapping[str, tuple[Agent, ...]]
    outside: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Extensions:
    """Internal numbers."""

    agents: Mapping[str, AgentId]
    queues: Mapping[str, QueueId]


def people(context: Context) -> People:
    """All managers."""
    outside: dict[str, str] = {}
    agents = {
        AgentId(key): _agent(context, key, shape, outside)
        for key, shape in context.shape.managers.items()
    }
    departments: dict[str, list[Agent]] = {}
    skilled: dict[str, list[Agent]] = {}
    for agent in agents.values():
        if agent.department:
            departments.setdefault(agent.department, []).append(agent)
        for skill in agent.skills:
            skilled.setdefault(skill, []).append(agent)
    return People(
        agents,
        {name: tuple(inside) for name, inside in departments.items()},
        {name: tuple(able) for name, able in skilled.items()},
        outside,
    )


def _agent(context: Context, key: str, shape: ManagerShape, outside: dict[str, str]) -> Agent:
    settings = context.shape.settings
    if shape.language is not None and shape.language not in settings.languages:
        path = ("managers", key, "language")
        context.unknown(path, "language", shape.language, settings.languages)
    pause_after = shape.pause_after_no_answers
    return Agent(
        agent_id=AgentId(key),
        name=shape.name,
        department=shape.department,
        skills=dict(shape.skills),
        devices=_devices(context, key, shape, outside),
        wrap_up_s=settings.wrap_up if shape.wrap_up is None else shape.wrap_up,
        calls_at_once=shape.calls_at_once,
        pause_after_no_answers=(
            settings.pause_after_no_answers if pause_after is None else pause_after
        ),
    )


def _devices(
    context: Context, key: str, shape: ManagerShape, outside: dict[str, str]
) -> tuple[Device, ...]:
    given = shape.devices or [DeviceShape.model_validate({"phone": key})]
    devices: list[Device] = []
    begins = 0.0
    for index, device in enumerate(given):
        path = ("managers", key, "devices", index)
        ring_time = device.ring_time or context.shape.settings.ring_time
        delay = begins + device.delay
        if shape.ring == "one-after-another":
            begins = delay + ring_time
        address, number = _address(context, path, device)
        if number:
            outside[address] = number
        if any(address == other.address for other in devices):
            context.wrong(path, f"{quoted(address)} is this manager's device already")
        devices.append(Device(DeviceId(f"{key}/{index + 1}"), address, delay, ring_time))
    return tuple(devices)


def _address(context: Context, path: tuple[str | int, ...], device: DeviceShape) -> tuple[str, str]:
    """(dial string, E.164 number where it is one outside)."""
    if device.phone is not None:
        return f"PJSIP/{device.phone}", ""
    if device.sip is not None:
        return f"PJSIP/outbound/{device.sip}", ""
    kind = "mobile" if device.mobile is not None else "home"
    number, address = outside_address(context, (*path, kind), device.mobile or device.home or "")
    return address, number


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


def check_skills(
    context: Context, path: tuple[str | int, ...], needs: Mapping[str, int], everyone: People
) -> bool:
    """Refuse skills that no manager has at all."""
    strange = [skill for skill in needs if skill not in everyone.skilled]
    for skill in strange:
        context.unknown((*path, skill), "skill", skill, everyone.skilled)
    return not strange


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
