"""Who stands behind an address of the switch, and which number of ours behind what was dialled."""

from __future__ import annotations

from collections.abc import Mapping

from pbx.plan.model import Number, Plan
from routing.plan import RoutingPlan
from routing.values import AgentId, DeviceId


class DeviceMap:
    """Address to agents and devices; several agents may share a phone."""

    def __init__(self, plan: RoutingPlan) -> None:
        self._agents: dict[str, list[AgentId]] = {}
        self._devices: dict[str, list[DeviceId]] = {}
        for agent in plan.agents.values():
            for device in agent.devices:
                agents = self._agents.setdefault(device.address, [])
                if agent.agent_id not in agents:
                    agents.append(agent.agent_id)
                self._devices.setdefault(device.address, []).append(device.device_id)

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses of the plan."""
        return tuple(self._agents)

    def agents_at(self, address: str) -> list[AgentId]:
        """Whose phone it is."""
        return self._agents.get(address, [])

    def devices_at(self, address: str) -> list[DeviceId]:
        """The plan's devices with this address."""
        return self._devices.get(address, [])


def spellings(plan: Plan) -> Mapping[str, Number]:
    """Each way the trunk may write one of our numbers."""
    found: dict[str, Number] = {}
    for number in plan.numbers.values():
        for spelling in (number.did, number.did.removeprefix("+"), *number.also):
            found[spelling] = number
    return found
