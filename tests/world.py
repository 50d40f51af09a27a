"""A small company and a stage for it: plans built in code, calls played in virtual time."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ivr.nodes import HangUp, Menu, Node, Play, Prompt, PromptKind, ToQueue, Voicemail
from pbx.engine.virtual import Crm, VirtualWorld
from pbx.journal import port as journal
from pbx.plan.model import Number, Plan, QueueSounds, Speech
from pbx.switch.script import CallerScript, PhoneAct, Script
from routing import facts
from routing.dispatcher import Dispatcher
from routing.memory import Memory
from routing.plan import Agent, Device, Queue, RoutingPlan, StrategyChoice
from routing.strategy import Registry
from routing.values import AgentId, DeviceId, Outcome, QueueId

T = TypeVar("T")

START = 1_795_000_000.0
"""When all stories begin: 2026-11-18 11:06:40 UTC."""
DID = "+78005553535"
SALES = QueueId("sales")


def agent(name: str, *phones: tuple[str, float], wrap_up_s: float = 0.0, **more: object) -> Agent:
    """A manager with phones as (address, delay)."""
    given = phones or ((f"PJSIP/{name}", 0.0),)
    devices = tuple(
        Device(DeviceId(f"{name}/{n}"), address, delay_s=delay, ring_time_s=20.0)
        for n, (address, delay) in enumerate(given, start=1)
    )
    return Agent(AgentId(name), name.title(), devices=devices, wrap_up_s=wrap_up_s, **more)  # type: ignore[arg-type]


def sales(
    *members: Agent, strategy: str = "ring-all", params: Mapping[str, object] = {}, **more: object
) -> Queue:
    """The queue ``sales`` with these members."""
    ids = tuple(member.agent_id for member in members)
    return Queue(SALES, ids, StrategyChoice(strategy, params), **more)  # type: ignore[arg-type]


def words(name: str) -> tuple[Prompt, ...]:
    """One prompt."""
    return (Prompt(PromptKind.TEXT, name, {"en": name, "ru": name}),)


def tree() -> dict[str, Node]:
    """Welcome, a menu (1 sales, 2 a message, 3 the menu's second level), voicemail, good-bye."""
    nodes: Sequence[Node] = (
        Play("welcome", words("welcome"), "main"),
        _menu("main", {"1": "to-sales", "2": "message", "3": "deep"}),
        _menu("deep", {"1": "to-sales", "9": "!back"}),
        ToQueue("to-sales", SALES, 0, (), on_overflow="message"),
        Voicemail("message", "sales", words("leave a message"), 60.0, 3.0, "bye"),
        HangUp("bye", words("bye")),
    )
    return {node.node_id: node for node in nodes}


def _menu(node_id: str, keys: dict[str, str]) -> Menu:
    return Menu(
        node_id,
        words(node_id),
        keys,
        timeout_s=5.0,
        inter_digit_s=2.0,
        retries=1,
        barge_in=True,
        invalid_prompts=words("invalid"),
        timeout_prompts=words("nothing pressed"),
        on_timeout="bye",
        on_invalid="bye",
    )


def plan(
    agents: Sequence[Agent],
    queues: Sequence[Queue],
    *,
    entry: str = "to-sales",
    lines: int | None = None,
    nodes: Mapping[str, Node] | None = None,
) -> Plan:
    """A company with one number."""
    number = Number(
        DID, entry, "ru", source="site", also=("88005553535",), lines=lines, above="message"
    )
    return Plan(
        numbers={DID: number},
        routing=RoutingPlan(
            {one.agent_id: one for one in agents}, {one.queue_id: one for one in queues}
        ),
        tree=nodes or tree(),
        extensions={str(101 + n): one.agent_id for n, one in enumerate(agents)},
        queue_extensions={"200": SALES},
        queue_entries={SALES: "to-sales"},
        on_duty=frozenset(one.agent_id for one in agents),
        queue_sounds={one.queue_id: QueueSounds("default") for one in queues},
        prompts=(),
        prompts_dir=Path("prompts"),
        speech=Speech((), {}),
        languages=("ru", "en"),
        region="RU",
        trunk="PJSIP/{number}@trunk",
        allowed_prefixes=("+7",),
        digest="",
    )


@dataclass(slots=True)
class Story:
    """What the journal was told, and questions to it."""

    entries: list[journal.Stamped] = field(default_factory=list)

    def of(self, kind: type[T]) -> list[T]:
        """All entries of a kind."""
        return [one.entry for one in self.entries if isinstance(one.entry, kind)]

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """Outcome by call."""
        return {one.call_id: one.outcome for one in self.of(journal.CallEnded)}

    @property
    def legs(self) -> list[tuple[str, str, str]]:
        """(call, agent, disposition) of every leg, in the order of their ends."""
        return [
            (one.call_id, one.agent_id, one.disposition.value) for one in self.of(facts.LegFinished)
        ]

    @property
    def talks(self) -> dict[str, str]:
        """Who talked with whom: call to agent (the last one)."""
        return {one.call_id: one.agent_id for one in self.of(facts.LegJoined)}


def stage(
    company: Plan,
    callers: Sequence[CallerScript],
    phones: Mapping[str, tuple[PhoneAct, ...]],
    *,
    memory: Memory | None = None,
    id_prefix: str = "",
    crm: Crm | None = None,
) -> tuple[VirtualWorld, Story]:
    """The company, callers and phones, ready to run."""
    story = Story()
    dispatcher = Dispatcher(
        company.routing,
        strategies=Registry.builtin(),
        rng=random.Random(1),
        memory=memory or Memory(),
        id_prefix=id_prefix,
    )
    world = VirtualWorld(
        company,
        dispatcher,
        Script(tuple(callers), phones),
        start=START,
        on_entry=story.entries.append,
        id_prefix=id_prefix,
        crm=crm,
    )
    return world, story


def play(
    company: Plan,
    callers: Sequence[CallerScript],
    phones: Mapping[str, tuple[PhoneAct, ...]],
    *,
    for_s: float = 600.0,
    crm: Crm | None = None,
) -> Story:
    """Play the script to its end and check that nothing is left behind."""
    world, story = stage(company, callers, phones, crm=crm)
    world.run(START + for_s)
    assert not world.switch.busy, "callers or legs are left in the switch"
    assert not world.core.calls.by_id, "calls are left in the engine"
    assert not world.core.calls.on_number
    assert not world.core.recordings.live, "recordings of legs that are gone"
    return story
