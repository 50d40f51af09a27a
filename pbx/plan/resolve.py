"""The shape of a plan to the plan itself: names to things, then whether things go together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ivr.checks import loops_without_input, unreachable
from ivr.nodes import CallOut
from ivr.schedule import Schedule
from pbx.plan.context import Context
from pbx.plan.model import FunnelPlan, Number, OutsideLimits, Place, Plan, Speech
from pbx.plan.outside_numbers import check_region
from pbx.plan.resolve_callbacks import asked_hours, callback_rules
from pbx.plan.resolve_nodes import HANG_UP
from pbx.plan.resolve_numbers import numbers, vips
from pbx.plan.resolve_people import extensions, people
from pbx.plan.resolve_prompts import PromptBook
from pbx.plan.resolve_queues import queues, rescue
from pbx.plan.resolve_recording import queue_records
from pbx.plan.resolve_schedules import schedules
from pbx.plan.resolve_strategies import StrategyReader
from pbx.plan.resolve_tree import TreeBuilder
from pbx.plan.resolve_waiting import music_class, queue_sounds
from pbx.plan.schema import PlanShape, SpeechShape
from pbx.plan.shape_faults import about
from pbx.plan.source import Faults
from pbx.plan.source import Mapping as MappingNode
from pbx.plan.written import Wrong
from routing.plan import Queue, RoutingPlan
from routing.strategy import Registry
from routing.values import AgentId, QueueId

_COMMANDS = {
    "espeak-ng": (
        *("espeak-ng", "-v", "{voice}", "-s", "{speed}", "-a", "120"),
        *("-f", "{text_file}", "-w", "{out}"),
    ),
    "piper": (
        *("piper", "--model", "{voice}", "--length_scale", "{speed}"),
        *("--output_file", "{out}"),
    ),
}
"""Known engines only: a plan never names a program to run.  piper reads the text from its input."""
_SPEEDS = {
    "espeak-ng": {"slow": "120", "normal": "145", "fast": "175"},  # words a minute
    "piper": {"slow": "1.25", "normal": "1.0", "fast": "0.85"},  # length of each sound
}


def resolve(
    root: MappingNode,
    shape: PlanShape,
    registry: Registry,
    *,
    folder: Path,
    sources: tuple[Path, ...],
    digest: str,
) -> Plan:
    """The plan.  Raises PlanError with all mistakes of the first pass that finds one."""
    context = Context(root, shape)
    settings = shape.settings
    _stop_at_wrong_region(context)
    everyone = people(context)
    lines = queues(context, everyone, StrategyReader(context, registry))
    rescued = rescue(context, everyone)
    dialled = extensions(context)
    hours = schedules(context)
    outside = _outside_limits(context, hours)
    prompts = PromptBook(context)
    tree = TreeBuilder(context, everyone, hours, dialled.agents, dialled.queues, prompts)
    tree.menus()
    tree.queue_ways()
    found = numbers(context, tree)
    vip = vips(context)
    sounds = queue_sounds(context, prompts)
    records = queue_records(context, prompts)
    back = callback_rules(context, prompts, hours)
    tree.finish()
    context.names.stop()
    _refuse_calls_to_oneself(context, tree, found)
    context.checks.stop()  # a step in the wrong place would show as a loop too
    _refuse_loops(context, tree)
    context.checks.stop()
    _warn(context, tree, found, lines, prompts)
    return Plan(
        numbers=found,
        routing=RoutingPlan(agents=everyone.agents, queues=lines),
        tree=tree.nodes,
        extensions=dialled.agents,
        queue_extensions=dialled.queues,
        queue_entries=tree.queue_entries,
        on_duty=frozenset(AgentId(key) for key, one in shape.managers.items() if one.on_duty),
        queue_sounds=sounds,
        prompts=prompts.all(),
        prompts_dir=folder / settings.prompts_dir,
        speech=_speech(settings.speech, settings.languages),
        languages=tuple(dict.fromkeys(settings.languages)),
        region=settings.region,
        trunk=settings.trunk or "",
        allowed_prefixes=tuple(settings.outside) if settings.trunk else (),
        digest=digest,
        sources=sources,
        vip=vip,
        default_music=music_class(settings.music),
        agent_titles={AgentId(key): one.name for key, one in shape.managers.items()},
        queue_titles={QueueId(key): one.title or key for key, one in shape.queues.items()},
        time_zone=settings.time_zone.key,
        rescue=rescued,
        outside_limits=outside,
        outside_devices=everyone.outside,
        queue_records=records,
        funnel=FunnelPlan(
            dict(settings.funnel.stages), settings.funnel.talk, settings.funnel.undecided_for
        ),
        callback_rules=back,
        agent_languages={
            AgentId(key): one.language for key, one in shape.managers.items() if one.language
        },
        warnings=tuple(context.warnings),
        places=_places(context, tree),
    )


def _places(context: Context, tree: TreeBuilder) -> dict[str, Place]:
    """Where each step, number (both known to the tree), queue and manager stands."""
    shape = context.shape
    paths: dict[str, tuple[str | int, ...]] = {
        **{f"queue={key}": ("queues", key) for key in shape.queues},
        **{f"manager={key}": ("managers", key) for key in shape.managers},
        **tree.paths,
    }
    places = {}
    for name, path in paths.items():
        mark = context.key_mark(path)
        places[name] = Place(mark.file.path, mark.line)
    return places


def _outside_limits(context: Context, hours: Mapping[str, Schedule]) -> OutsideLimits:
    settings = context.shape.settings
    name = settings.outside_hours
    if name is not None and name not in hours:
        context.unknown(("settings", "outside_hours"), "schedule", name, hours)
    return OutsideLimits(
        hours=hours.get(name) if name is not None else None,
        per_hour=settings.outside_per_hour,
        per_hour_each=settings.outside_per_hour_each,
    )


def _speech(shape: SpeechShape, languages: list[str]) -> Speech:
    speed = _SPEEDS[shape.engine][shape.speed]
    voices = dict(shape.voices)
    if shape.engine == "espeak-ng":
        voices = {language: language.split("_")[0] for language in languages} | voices
    command = tuple(part.replace("{speed}", speed) for part in _COMMANDS[shape.engine])
    return Speech(command, voices)


def _stop_at_wrong_region(context: Context) -> None:
    """Nothing that follows can read a number without it."""
    faults = Faults()
    settings = context.shape.settings
    try:
        check_region(settings.region)
    except Wrong as error:
        mark = context.mark(("settings", "region"))
        faults.add(mark.fault(about(("settings",), error.message), error.hint, error.notes))
    faults.stop()
    for language in settings.speech.voices:
        if language not in settings.languages:
            path = ("settings", "speech", "voices", language)
            context.unknown(path, "language", language, settings.languages)


def _refuse_calls_to_oneself(
    context: Context, tree: TreeBuilder, found: Mapping[str, Number]
) -> None:
    for node in tree.nodes.values():
        if isinstance(node, CallOut) and node.number in found:
            path = (*tree.paths[node.node_id], "call_out")
            context.wrong(path, f"{node.number} is this plan's own number", "it would call itself")


def _refuse_loops(context: Context, tree: TreeBuilder) -> None:
    turning_away = {
        QueueId(key)
        for key, queue in context.shape.queues.items()
        if queue.leave_when_no_managers or queue.max_length is not None
    }
    for loop in loops_without_input(tree.nodes, turning_away=turning_away):
        way = " > ".join((*loop, loop[0]))
        context.wrong_key(
            tree.paths[loop[0]],
            f"callers go round and round without pressing a key: {way}",
            "lead one of these steps out",
        )


def _warn(
    context: Context,
    tree: TreeBuilder,
    found: Mapping[str, Number],
    lines: Mapping[QueueId, Queue],
    prompts: PromptBook,
) -> None:
    """What is there and never used."""
    shape = context.shape
    _warn_of_unreachable(context, tree, found)
    if shape.settings.outside and shape.settings.outside_per_hour is None:
        context.warn(
            ("settings", "outside"),
            "outside numbers may be called without limit",
            "set outside_per_hour",
        )
    for key, queue in shape.queues.items():
        if key not in tree.queues_used and queue.extension is None:
            context.warn(("queues", key), "nothing leads to this queue")
    serving = {agent_id for queue in lines.values() for agent_id in queue.members}
    for key, manager in shape.managers.items():
        if AgentId(key) not in serving and manager.extension is None:
            context.warn(("managers", key), "is in no queue and has no extension")
    asked = {*tree.schedules_used, shape.settings.outside_hours, *asked_hours(context)}
    for key in shape.schedules:
        if key not in asked:
            context.warn(("schedules", key), "nothing asks this schedule")
    for key in prompts.unused():
        context.warn(("prompts", key), "is never said")


def _warn_of_unreachable(context: Context, tree: TreeBuilder, found: Mapping[str, Number]) -> None:
    """Only the outermost of nested steps is told.  A queue's own ways are left to the queue."""
    entries = [node for one in found.values() for node in (one.entry, one.above) if node]
    lost = [
        node_id
        for node_id in unreachable(tree.nodes, entries)
        if node_id != HANG_UP and not node_id.startswith("queue=")
    ]
    places = {tuple(tree.paths[node_id]) for node_id in lost}
    for node_id in lost:
        path = tree.paths[node_id]
        if not any(path[:length] in places for length in range(2, len(path))):
            context.warn(path, f'no caller can reach "{node_id}"')
