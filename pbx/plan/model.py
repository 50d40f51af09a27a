"""A dial plan as loaded: immutable, whole, valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ivr.nodes import NodeId, Prompt, Tree
from ivr.schedule import Schedule
from pbx.plan.faults import Fault
from routing.plan import RoutingPlan
from routing.values import AgentId, QueueId, Seconds

KEEP_S = 90 * 86400.0
"""How long a recording is kept where nothing says it, seconds."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Which talks are recorded.

    ``share``: percent of the calls.  ``notice``: said once, before the caller is given to people.
    ``keep_s``: how long the file is kept.  ``pause_code``: the keys by which the manager stops and
    resumes it, "" for none.
    """

    share: int
    notice: tuple[Prompt, ...]
    keep_s: Seconds
    pause_code: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """A number the company advertises.

    ``did``: E.164.  ``also``: other spellings the trunk may send (``78005550100``).  ``lines``:
    calls at once, None for no limit; a call above goes to ``above`` instead of ``entry``.
    ``music``: class that its callers hear in any queue, None for the queue's own.
    ``priority``: of its callers in any queue, on top of the step's.  ``record``: which talks of its
    callers are recorded, where their queue does not say it.
    """

    did: str
    entry: NodeId
    language: str
    source: str = ""
    also: tuple[str, ...] = ()
    lines: int | None = None
    above: NodeId | None = None
    title: str = ""
    music: str | None = None
    priority: int = 0
    record: Recording | None = None


@dataclass(frozen=True, slots=True)
class Vip:
    """Callers of importance: E.164 numbers, and beginnings of such; ``priority`` on top.  A CRM may
    name more of them (docs/lookup.md), so that a priority there is always."""

    numbers: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    priority: int = 10

    def priority_of(self, number: str) -> int:
        """What a caller's number (E.164, "" when withheld) adds."""
        known = number in self.numbers or number.startswith(self.prefixes)
        return self.priority if known else 0


@dataclass(frozen=True, slots=True)
class Speech:
    """The speech engine: ``command`` is an argument list with ``{out}``, ``{text_file}`` and
    ``{voice}``; ``voices`` maps a language to a voice."""

    command: tuple[str, ...]
    voices: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Spoken:
    """When something is said to who waits: ``first_s`` after the wait began, then ``every_s`` after
    the end of the last time (None: once)."""

    first_s: Seconds
    every_s: Seconds | None


@dataclass(frozen=True, slots=True)
class Announcements:
    """What callers hear besides music while they wait in a queue.

    ``position`` and ``estimate``: whether their place in the line and the estimated wait are told,
    at the times of ``numbers``.  ``messages``: one at each time of ``between``, in the plan's order
    or (``shuffled``) at random, none again before all were heard.
    """

    numbers: Spoken
    position: bool
    estimate: bool
    between: Spoken
    messages: tuple[Prompt, ...] = ()
    shuffled: bool = False


@dataclass(frozen=True, slots=True)
class QueueSounds:
    """What a waiting caller of a queue hears: a music class, and what is said between."""

    music: str
    announcements: Announcements | None = None


@dataclass(frozen=True, slots=True)
class Rescue:
    """What the switch does with callers while no engine serves them: rings ``addresses`` at once
    for ``ring_time_s``, then takes a message where ``voicemail`` says so."""

    addresses: tuple[str, ...] = ()
    ring_time_s: Seconds = 40.0
    voicemail: bool = True


@dataclass(frozen=True, slots=True)
class OutsideLimits:
    """Against toll fraud: when outside numbers may be called (None: always) and how many calls
    there may be within an hour, together and for each manager (None: no limit)."""

    hours: Schedule | None = None
    per_hour: int | None = None
    per_hour_each: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the plan's files; ``line`` from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class FunnelPlan:
    """``stages``: names and titles in their order.  ``talk_s``: a caller who talked for so long is
    past the stage ``talked``.  ``undecided_for_s``: who has not come further by then is lost."""

    stages: Mapping[str, str]
    talk_s: Seconds
    undecided_for_s: Seconds


@dataclass(frozen=True, slots=True)
class CallbackRule:
    """How a queue calls clients back: so often, with such a pause between, in these ``hours``
    (None: always), until ``expires_s`` after it was asked for.  ``missed``: also who was missed and
    did not ask."""

    attempts: int = 3
    pause_s: Seconds = 600.0
    ring_time_s: Seconds = 30.0
    hours: Schedule | None = None
    expires_s: Seconds = 86_400.0
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything under config/.

    ``on_duty``: agents who are at work when the engine starts.  ``extensions``: what may be
    dialled inside (``101``) and the agent behind it.  ``queue_extensions``: the same for queues
    (transfer targets), and ``queue_entries``: the steps that lead into them.  ``region``: ISO 3166
    country of numbers written without +.  ``trunk``: dial string for outside numbers with
    ``{number}``.  ``allowed_prefixes``: E.164 prefixes that may be called outside, within
    ``outside_limits``.  ``outside_devices``: dial strings of managers' mobiles and home phones,
    with the E.164 number behind each.  ``queue_records``: which talks are recorded, for queues that
    say it, whatever the number says.  ``callback_rules``: of queues that call clients back by
    themselves.  ``agent_languages``: of managers whose language is not the first of ``languages``.
    ``digest``: sha256 of the sources.  ``time_zone``: of schedules and reports that name none.
    ``funnel``: None only where a plan is not from YAML.  ``warnings``: what works, but hardly as
    meant.
    ``places``: of each step by its id, and of ``number=+7...``, ``queue=sales``,
    ``manager=ivanov``; two plans that differ in places alone mean the same.
    """

    numbers: Mapping[str, Number]
    routing: RoutingPlan
    tree: Tree
    extensions: Mapping[str, AgentId]
    queue_extensions: Mapping[str, QueueId]
    queue_entries: Mapping[QueueId, NodeId]
    on_duty: frozenset[AgentId]
    queue_sounds: Mapping[QueueId, QueueSounds]
    prompts: tuple[Prompt, ...]
    prompts_dir: Path
    speech: Speech
    languages: tuple[str, ...]
    region: str
    trunk: str
    allowed_prefixes: tuple[str, ...]
    digest: str
    sources: tuple[Path, ...] = ()
    default_music: str = "default"
    vip: Vip = field(default_factory=Vip)
    agent_titles: Mapping[AgentId, str] = field(default_factory=dict)
    queue_titles: Mapping[QueueId, str] = field(default_factory=dict)
    time_zone: str = "UTC"
    rescue: Rescue = Rescue()
    outside_limits: OutsideLimits = field(default_factory=OutsideLimits)
    outside_devices: Mapping[str, str] = field(default_factory=dict)
    queue_records: Mapping[QueueId, Recording] = field(default_factory=dict)
    funnel: FunnelPlan | None = None
    callback_rules: Mapping[QueueId, CallbackRule] = field(default_factory=dict)
    agent_languages: Mapping[AgentId, str] = field(default_factory=dict)
    warnings: tuple[Fault, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)

    @property
    def addresses(self) -> frozenset[str]:
        """Dial strings of all managers' devices."""
        agents = self.routing.agents.values()
        return frozenset(device.address for agent in agents for device in agent.devices)
