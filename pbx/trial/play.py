"""Plays one caller through a plan: who heard, pressed, rang and talked, and when."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from ivr.commands import Collect, PlayPrompts
from ivr.nodes import Prompt
from pbx.engine.virtual import Reply, VirtualWorld
from pbx.journal import port as journal
from pbx.journal.port import Stamped
from pbx.journal.walks import ASIDE
from pbx.lookup.port import Known, Request
from pbx.plan.model import Plan
from pbx.switch import port
from pbx.switch.script import CallerScript, PhoneAct, Reaction, Script
from pbx.switch.simulated import SimulatedSwitch
from routing import events, facts
from routing.dispatcher import Dispatcher
from routing.last_talks import LastTalk, LastTalks
from routing.memory import Memory
from routing.strategy import Registry
from routing.values import AgentId, CallId, Outcome, QueueId, Seconds

LONGEST_S = 7200.0
"""A call that has not ended by then is left as it stands, seconds."""
TALKED_AGO_S = 86_400.0
"""How long ago the talks of ``Situation.spoke`` were, seconds."""
LEAD_S = 30.0
"""By so much ``Situation.others`` come before the caller, seconds."""
ANSWERS = PhoneAct(Reaction.ANSWER, 3.0, 60.0)
"""What a phone does of which nothing is said."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The company when the caller comes.

    ``at``: aware.  ``busy``: managers in calls of their own.  ``away``: not at work.  ``spoke``:
    caller's number (E.164) to the manager who talked with them a day before.  ``phones``: what
    a manager's phones do, where it is not ``ANSWERS``.  ``others``: callers who came ``LEAD_S``
    before.  ``lookup``: what a CRM says of the caller, None where there is none.
    """

    at: datetime
    busy: frozenset[AgentId] = frozenset()
    away: frozenset[AgentId] = frozenset()
    spoke: Mapping[str, AgentId] = field(default_factory=dict)
    phones: Mapping[AgentId, PhoneAct] = field(default_factory=dict)
    others: tuple[CallerScript, ...] = ()
    lookup: Reply | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What was played to the caller, ``after_s`` their call began; ``asks``: a key is waited
    for."""

    after_s: Seconds
    prompts: tuple[Prompt, ...]
    language: str
    asks: bool


@dataclass(frozen=True, slots=True)
class Rang:
    """A manager's phone began to ring, ``after_s`` the call began."""

    after_s: Seconds
    agent_id: AgentId
    address: str


@dataclass(frozen=True, slots=True)
class Played:
    """The whole call.  ``outcome``: None where it had not ended after ``LONGEST_S``."""

    began: datetime
    entries: tuple[Stamped, ...]
    heard: tuple[Heard, ...]
    rang: tuple[Rang, ...]
    queues: tuple[QueueId, ...]
    talked: tuple[AgentId, ...]
    outcome: Outcome | None
    steps: tuple[tuple[str, str | None], ...]
    last_node: str | None
    voicemail: str | None
    callback: str | None


class ListeningSwitch(SimulatedSwitch):
    """Keeps what the script's last caller is played."""

    def __init__(self, script: Script, *, start: Seconds) -> None:
        super().__init__(script, start=start)
        self.call_id = CallId(f"sim-{len(script.callers)}")
        self._came_s = script.callers[-1].at_s
        self.heard: list[Heard] = []

    def send(self, command: port.SwitchCommand) -> None:
        """As ever, with an open ear."""
        match command:
            case port.ForCaller(self.call_id, PlayPrompts(prompts, language)) | port.Announce(
                self.call_id, prompts, language
            ):
                self._hears(prompts, language, asks=False)
            case port.ForCaller(self.call_id, Collect() as ask):
                self._hears(ask.prompts, ask.language, asks=True)
            case _:
                pass
        super().send(command)

    def _hears(self, prompts: tuple[Prompt, ...], language: str, *, asks: bool) -> None:
        self.heard.append(Heard(self._now - self._start - self._came_s, prompts, language, asks))


def script_of(plan: Plan, situation: Situation, caller: CallerScript) -> Script:
    """The others, the caller, and all managers' phones."""
    phones = {
        device.address: (situation.phones.get(agent.agent_id, ANSWERS),)
        for agent in plan.routing.agents.values()
        for device in agent.devices
    }
    return Script((*situation.others, replace(caller, at_s=_lead_s(situation))), phones)


def _lead_s(situation: Situation) -> Seconds:
    return LEAD_S if situation.others else 0.0


def start_of(situation: Situation) -> Seconds:
    """When the play begins (seconds since the epoch)."""
    return situation.at.timestamp() - _lead_s(situation)


def play(
    plan: Plan,
    situation: Situation,
    caller: CallerScript,
    *,
    strategies: Registry,
    switch: ListeningSwitch | None = None,
    on_entry: Callable[[Stamped], None] = lambda _: None,
) -> Played:
    """Play the call to its end; the same arguments give the same call.  ``switch``: one
    that has the script already; ``on_entry`` is told each entry as it is noted."""
    start = start_of(situation)
    if switch is None:
        switch = ListeningSwitch(script_of(plan, situation, caller), start=start)
    talks = {
        number: LastTalk(agent_id, start - TALKED_AGO_S)
        for number, agent_id in situation.spoke.items()
    }
    dispatcher = Dispatcher(
        plan.routing,
        strategies=strategies,
        rng=random.Random(1),
        memory=Memory(last_talks=LastTalks(talks)),
    )
    entries: list[Stamped] = []

    def note(stamped: Stamped) -> None:
        if getattr(stamped.entry, "call_id", "") == switch.call_id:
            entries.append(stamped)
            on_entry(stamped)

    said = situation.lookup

    def crm(request: Request) -> Reply:
        ours = said is not None and request.call_id == switch.call_id
        return said if said is not None and ours else Reply(Known(), 0.0)

    world = VirtualWorld(
        plan,
        dispatcher,
        start=start,
        on_entry=note,
        switch=switch,
        crm=None if said is None else crm,
    )
    for agent_id in sorted(situation.away):
        world.core.tell(events.AgentLoggedOut(agent_id), start)
    for agent_id in sorted(situation.busy):
        world.core.tell(events.OwnCallStarted(agent_id, "trial"), start)
    while (at := world.next_at) is not None and at < start + LONGEST_S:
        world.step()
        if entries and isinstance(entries[-1].entry, journal.CallEnded):
            break
    return _played(situation.at, entries, switch.heard)


def _played(began: datetime, entries: list[Stamped], heard: list[Heard]) -> Played:
    rang: list[Rang] = []
    queues: list[QueueId] = []
    talked: list[AgentId] = []
    steps: list[tuple[str, str | None]] = []
    outcome, last_node, voicemail, callback = None, None, None, None
    legs: dict[str, tuple[AgentId, str]] = {}
    for stamped in entries:
        match stamped.entry:
            case facts.LegStarted(leg_id, agent_id=agent_id, address=address):
                legs[leg_id] = agent_id, address
            case facts.LegRang(leg_id):
                agent_id, address = legs[leg_id]
                rang.append(Rang((stamped.at - began).total_seconds(), agent_id, address))
            case facts.WaitStarted(_, queue_id):
                queues.append(queue_id)
            case facts.LegJoined(_, _, agent_id):
                talked.append(agent_id)
            case journal.MenuStep(_, node_id, kind, digits) if kind not in ASIDE:
                steps.append((node_id, digits))
            case journal.MessageLeft(_, box):
                voicemail = box
            case journal.CallbackAsked(_, _, wanted):
                callback = str(wanted or "nobody")
            case journal.CallEnded() as ended:
                outcome, last_node = ended.outcome, ended.last_node
            case _:
                pass
    return Played(
        began=began,
        entries=tuple(entries),
        heard=tuple(heard),
        rang=tuple(rang),
        queues=tuple(queues),
        talked=tuple(talked),
        outcome=outcome,
        steps=tuple(steps),
        last_node=last_node,
        voicemail=voicemail,
        callback=callback,
    )
