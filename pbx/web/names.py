"""What the plan's keys are called by people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby

from pbx.funnel.stages import CALL_TITLES
from pbx.plan.model import Plan
from pbx.plan.schema_funnel import USUAL_STAGES
from pbx.web.principal import Principal
from pbx.web.seen import queues_seen
from pbx.web.texts import Texts
from pbx.web.words import phone
from routing.values import AgentId, QueueId

_USUAL_TITLES = {**CALL_TITLES, **USUAL_STAGES}

_PHONE = re.compile(r"PJSIP/([^@/]+)(?:@\S+)?")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a list to choose from."""

    key: str
    name: str


@dataclass(frozen=True, slots=True)
class Group:
    """Choices under a heading, "" for none."""

    title: str
    choices: tuple[Choice, ...]


class Names:
    """By one plan; what it does not know (any more) keeps its key."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def agent(self, agent_id: str | None) -> str:
        """A manager's name."""
        found = self._plan.routing.agents.get(AgentId(agent_id or ""))
        return found.name if found is not None and found.name else agent_id or ""

    def queue(self, queue_id: str | None) -> str:
        """A queue's title."""
        return self._plan.queue_titles.get(QueueId(queue_id or ""), queue_id or "")

    def number(self, did: str) -> str:
        """A number of ours as it is read, with its title."""
        known = self._plan.numbers.get(did)
        return f"{phone(did)} · {known.title}" if known is not None and known.title else phone(did)

    def line(self, did: str) -> str:
        """A number of ours in short: its title, where it has one."""
        known = self._plan.numbers.get(did)
        return known.title if known is not None and known.title else phone(did)

    def device(self, address: str) -> str:
        """A dial string as it is read: the telephone's name, or an outside number."""
        found = _PHONE.fullmatch(address)
        return phone(found[1]) if found else phone(address)

    def agents_for(self, principal: Principal) -> list[Group]:
        """Managers whom somebody may look at, by department."""
        seen = sorted(
            (
                one
                for one in self._plan.routing.agents.values()
                if principal.sees_agent(one.agent_id)
            ),
            key=lambda one: (one.department.casefold(), one.name.casefold(), one.agent_id),
        )
        return [
            Group(department, tuple(Choice(one.agent_id, one.name or one.agent_id) for one in some))
            for department, some in groupby(seen, key=lambda one: one.department)
        ]

    def queues_for(self, principal: Principal) -> list[Choice]:
        """Queues that somebody may look at; a manager: those that they serve."""
        found = [Choice(one, self.queue(one)) for one in queues_seen(principal, self._plan)]
        return sorted(found, key=lambda one: one.name.casefold())

    def numbers(self) -> list[Choice]:
        """The numbers that the company advertises."""
        return [Choice(did, self.number(did)) for did in self._plan.numbers]


def stage_title(stage: str, title: str, t: Texts) -> str:
    """As the plan calls it; what a plan is born with in the page's language."""
    return t(f"funnel.stage.{stage}") if title == _USUAL_TITLES.get(stage) else title


def stage_titles(plan: Plan, t: Texts) -> dict[str, str]:
    """Of all stages."""
    own = plan.funnel.stages if plan.funnel is not None else {}
    return {
        str(key): stage_title(str(key), title, t) for key, title in {**CALL_TITLES, **own}.items()
    }
