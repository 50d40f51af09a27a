"""One kind of step after the other, as it becomes a node."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ivr import nodes, phrases
from ivr.nodes import Node, NodeId
from ivr.schedule import Schedule
from pbx.plan import schema_nodes as shapes
from pbx.plan.context import Context
from pbx.plan.resolve_people import check_skills, outside_address, rings_for
from pbx.plan.schema import QueueShape
from routing.values import AgentId, QueueId, ReturnReason, SkillNeed

if TYPE_CHECKING:
    from pbx.plan.resolve_tree import TreeBuilder

HANG_UP: NodeId = "hangup"
"""The one node that just ends a call; ``hangup`` can't be a menu's name."""
MENU_WORDS = ("repeat", "back", "main")
"""What a menu's key can mean besides a step."""
BUILT_IN_VARIABLES = ("language",)
CLOSED = "closed"
"""In place of a ReturnReason: the caller never came into the queue, it is closed."""
OVERFLOWS = {
    CLOSED: "on_closed",
    ReturnReason.MAX_WAIT.value: "on_max_wait",
    ReturnReason.QUEUE_FULL.value: "on_full",
    ReturnReason.NO_AGENTS.value: "on_no_managers",
}
"""Why a queue gives a caller back, and the key that names the way then."""

_REFERENCE = re.compile(r"\{([^{}]{1,64})\}")
"""``{name}`` in a value stands for that variable (ivr/variables.py)."""

Path = tuple[str | int, ...]
Target = Any
"""A step as its model: one of the shapes, a word, a list of steps, or None."""
Build = Callable[["TreeBuilder", Any, Path, NodeId, NodeId | None], Node]
"""(builder, shape, path, id, the node that follows in a list of steps) -> the node."""


def _next(
    build: TreeBuilder, shape: Target, path: Path, node_id: NodeId, after: NodeId | None
) -> NodeId:
    """What follows: the next of a list, ``then``, or the end."""
    return after or build.step(shape.then, (*path, "then"), f"{node_id}/then")


def _menu(
    build: TreeBuilder, shape: shapes.MenuShape, path: Path, node_id: NodeId, after: NodeId | None
) -> Node:
    keys = {}
    for key, target in shape.keys.items():
        if isinstance(target, str) and target in MENU_WORDS:
            keys[key] = f"!{target}"
        else:
            keys[key] = build.step(target, (*path, "keys", key), f"{node_id}/{key}")
    on_timeout = build.step(shape.on_timeout, (*path, "on_timeout"), f"{node_id}/timeout")
    on_invalid = on_timeout
    if shape.on_invalid is not None:
        on_invalid = build.step(shape.on_invalid, (*path, "on_invalid"), f"{node_id}/invalid")
    say = build.prompts.said
    return nodes.Menu(
        node_id=node_id,
        prompts=say((*path, "menu"), f"{node_id}.menu", shape.menu),
        keys=keys,
        timeout_s=shape.timeout,
        inter_digit_s=shape.between_digits,
        retries=shape.retries,
        barge_in=shape.barge_in,
        invalid_prompts=say((*path, "say_invalid"), f"{node_id}.invalid", shape.say_invalid),
        timeout_prompts=say((*path, "say_timeout"), f"{node_id}.timeout", shape.say_timeout),
        on_timeout=on_timeout,
        on_invalid=on_invalid,
    )


def _play(
    build: TreeBuilder, shape: shapes.PlayShape, path: Path, node_id: NodeId, after: NodeId | None
) -> Node:
    prompts = build.prompts.said((*path, "play"), f"{node_id}.play", shape.play)
    return nodes.Play(node_id, prompts, _next(build, shape, path, node_id, after))


def _collect(
    build: TreeBuilder,
    shape: shapes.CollectShape,
    path: Path,
    node_id: NodeId,
    after: NodeId | None,
) -> Node:
    build.variables.add(shape.collect)
    if shape.collect in BUILT_IN_VARIABLES:
        build.context.wrong((*path, "collect"), f"digits can't be the {shape.collect}")
    say = build.prompts.said
    fewest, most = shape.digits
    return nodes.CollectDigits(
        node_id=node_id,
        prompts=say((*path, "say"), f"{node_id}.say", shape.say),
        variable=shape.collect,
        min_digits=fewest,
        max_digits=most,
        timeout_s=shape.timeout,
        inter_digit_s=shape.between_digits,
        retries=shape.retries,
        barge_in=shape.barge_in,
        invalid_prompts=say((*path, "say_invalid"), f"{node_id}.invalid", shape.say_invalid),
        next=_next(build, shape, path, node_id, after),
        on_failure=_way(build, shape, path, node_id, "otherwise"),
    )


def _way(build: TreeBuilder, shape: Target, path: Path, node_id: NodeId, key: str) -> NodeId:
    """The way under ``key``, or the one under ``otherwise``, or the end."""
    if getattr(shape, key) is not None:
        slot = key.removeprefix("on_")
        return build.step(getattr(shape, key), (*path, key), f"{node_id}/{slot}")
    if f"{node_id}/otherwise" in build.nodes:
        return f"{node_id}/otherwise"
    return build.step(shape.otherwise, (*path, "otherwise"), f"{node_id}/otherwise")


def _dial(
    build: TreeBuilder, shape: shapes.DialShape, path: Path, node_id: NodeId, after: NodeId | None
) -> Node:
    agent = build.everyone.agents.get(AgentId(shape.dial))
    if agent is None:
        build.context.unknown((*path, "dial"), "manager", shape.dial, build.everyone.agents)
    longest = rings_for(agent) if agent else build.context.shape.settings.ring_time
    return nodes.DialAgent(
        node_id=node_id,
        agent_id=AgentId(shape.dial),
        variable=None,
        extensions={},
        ring_time_s=longest if shape.ring_time is None else shape.ring_time,
        on_busy=_way(build, shape, path, node_id, "on_busy"),
        on_no_answer=_way(build, shape, path, node_id, "on_no_answer"),
        on_unknown=_way(build, shape, path, node_id, "otherwise"),
    )


def _dial_extension(
    build: TreeBuilder,
    shape: shapes.DialExtensionShape,
    path: Path,
    node_id: NodeId,
    after: NodeId | None,
) -> Node:
    build.read_variables.append(((*path, "dial_extension"), shape.dial_extension))
    if not build.dialled:
        build.context.wrong(path, "no manager has an extension")
    return nodes.DialAgent(
        node_id=node_id,
        agent_id=None,
        variable=shape.dial_extension,
        extensions=build.dialled,
        ring_time_s=build.longest_ring_s if shape.ring_time is None else shape.ring_time,
        on_busy=_way(build, shape, path, node_id, "on_busy"),
        on_no_answer=_way(build, shape, path, node_id, "on_no_answer"),
        on_unknown=_way(build, shape, path, node_id, "on_unknown"),
    )


def _queue(
    build: TreeBuilder,
    shape: shapes.QueueStepShape,
    path: Path,
    node_id: NodeId,
    after: NodeId | None,
) -> Node:
    queues = build.context.shape.queues
    usual: NodeId = HANG_UP
    ways: dict[str, NodeId] = {}
    if shape.queue in queues:
        build.queues_used.add(shape.queue)
    else:
        build.context.unknown((*path, "queue"), "queue", shape.queue, queues)
    if shape.on_overflow is not None:
        usual = build.step(shape.on_overflow, (*path, "on_overflow"), f"{node_id}/overflow")
    elif shape.queue in queues:
        usual, ways = build.ways_of(shape.queue)
    else:
        usual = build.hang_up(path)
    check_skills(build.context, (*path, "skills"), shape.skills, build.everyone)
    after_talk = None
    if shape.after_talk is not None:
        after_talk = build.step(shape.after_talk, (*path, "after_talk"), f"{node_id}/after")
    if shape.queue in queues:
        warn_of_idle_ways(build.context, path, shape, queues[shape.queue])
    step = nodes.ToQueue(
        node_id=node_id,
        queue_id=QueueId(shape.queue),
        priority=shape.priority,
        needs=tuple(SkillNeed(skill, level) for skill, level in shape.skills.items()),
        on_overflow=usual,
        overflow={**ways, **_own_ways(build, shape, path, node_id)},
        after_talk=after_talk,
        keys=build.keys_of(shape.queue) if shape.queue in queues else {},
    )
    return build.in_hours(step, path)


def warn_of_idle_ways(context: Context, path: Path, shape: Target, queue: QueueShape) -> None:
    """Ways of ``shape`` (the queue, or a step that leads there) that no caller will ever take."""
    needed = {
        "on_closed": ("hours", queue.hours is not None),
        "on_max_wait": ("max_wait", queue.max_wait is not None),
        "on_full": ("max_length", queue.max_length is not None),
        "on_no_managers": ("leave_when_no_managers", queue.leave_when_no_managers),
    }
    for key, (other, given) in needed.items():
        if getattr(shape, key) is not None and not given:
            context.warn((*path, key), f"{key} is never taken", f"the queue needs {other}")


def _own_ways(build: TreeBuilder, shape: Target, path: Path, node_id: NodeId) -> dict[str, NodeId]:
    """The ways for single reasons that a step or a queue gives."""
    return {
        reason: build.step(
            getattr(shape, key), (*path, key), f"{node_id}/{key.removeprefix('on_')}"
        )
        for reason, key in OVERFLOWS.items()
        if getattr(shape, key) is not None
    }


def _hours_step(
    build: TreeBuilder, shape: shapes.HoursShape, path: Path, node_id: NodeId, after: NodeId | None
) -> Node:
    schedule = build.hours.get(shape.hours)
    if schedule is None:
        build.context.unknown((*path, "hours"), "schedule", shape.hours, build.hours)
        schedule = Schedule(shape.hours, build.context.shape.settings.time_zone, {})
    build.schedules_used.add(shape.hours)
    closed = build.step(shape.closed, (*path, "closed"), f"{node_id}/closed")
    holiday = closed
    if shape.holiday is not None:
        holiday = build.step(shape.holiday, (*path, "holiday"), f"{node_id}/holiday")
    return nodes.Hours(
        node_id=node_id,
        schedule=schedule,
        open=build.step(shape.open, (*path, "open"), f"{node_id}/open"),
        closed=closed,
        on_holiday=holiday,
    )


def _set(
    build: TreeBuilder, shape: shapes.SetShape, path: Path, node_id: NodeId, after: NodeId | None
) -> Node:
    pairs = list(shape.set.items())
    languages = build.context.shape.settings.languages
    for variable, value in pairs:
        build.variables.add(variable)
        for reference in _REFERENCE.findall(value):
            build.read_variables.append(((*path, "set", variable), reference))
        is_fixed = not _REFERENCE.search(value)
        if variable == "language" and is_fixed and value not in languages:
            build.context.unknown((*path, "set", variable), "language", value, languages)
    following = _next(build, shape, path, node_id, after)
    for number in range(len(pairs), 1, -1):
        inner = f"{node_id}+{number}"
        build.put(nodes.SetVariable(inner, *pairs[number - 1], following), path)
        following = inner
    return nodes.SetVariable(node_id, *pairs[0], following)


def _need_skill(
    build: TreeBuilder,
    shape: shapes.NeedSkillShape,
    path: Path,
    node_id: NodeId,
    after: NodeId | None,
) -> Node:
    check_skills(build.context, (*path, "need_skill"), shape.need_skill, build.everyone)
    needs = [SkillNeed(skill, level) for skill, level in shape.need_skill.items()]
    following = _next(build, shape, path, node_id, after)
    for number in range(len(needs), 1, -1):
        inner = f"{node_id}+{number}"
        build.put(nodes.NeedSkill(inner, needs[number - 1], following), path)
        following = inner
    return nodes.NeedSkill(node_id, needs[0], following)


def _branch(
    build: TreeBuilder, shape: shapes.BranchShape, path: Path, node_id: NodeId, after: NodeId | None
) -> Node:
    build.read_variables.append(((*path, "branch"), shape.branch))
    if shape.branch == "language":
        languages = build.context.shape.settings.languages
        for value in shape.cases:
            if value not in languages:
                where = (*path, "cases", value)
                build.context.unknown(where, "language", value, languages)
    return nodes.Branch(
        node_id=node_id,
        variable=shape.branch,
        cases={
            value: build.step(target, (*path, "cases", value), f"{node_id}/={value}")
            for value, target in shape.cases.items()
        },
        default=_way(build, shape, path, node_id, "otherwise"),
    )


def _goto(
    build: TreeBuilder, shape: shapes.GotoShape, path: Path, node_id: NodeId, after: NodeId | None
) -> Node:
    build.gotos.append(((*path, "goto"), shape.goto))
    if shape.goto == HANG_UP:
        build.hang_up(path)
    return nodes.Goto(node_id, shape.goto)


def _call_out(
    build: TreeBuilder,
    shape: shapes.CallOutShape,
    path: Path,
    node_id: NodeId,
    after: NodeId | None,
) -> Node:
    number, address = outside_address(build.context, (*path, "call_out"), shape.call_out)
    settings = build.context.shape.settings
    return nodes.CallOut(
        node_id=node_id,
        number=number,
        address=address,
        ring_time_s=settings.ring_time if shape.ring_time is None else shape.ring_time,
        on_failure=_way(build, shape, path, node_id, "otherwise"),
    )


def _voicemail(
    build: TreeBuilder,
    shape: shapes.VoicemailShape,
    path: Path,
    node_id: NodeId,
    after: NodeId | None,
) -> Node:
    return nodes.Voicemail(
        node_id=node_id,
        box=shape.voicemail,
        prompts=build.prompts.said((*path, "say"), f"{node_id}.say", shape.say),
        max_s=shape.max_length,
        silence_s=shape.silence,
        next=_next(build, shape, path, node_id, after),
    )


def _callback(
    build: TreeBuilder,
    shape: shapes.CallbackShape,
    path: Path,
    node_id: NodeId,
    after: NodeId | None,
) -> Node:
    queues = build.context.shape.queues
    if shape.callback is not None and shape.callback not in queues:
        build.context.unknown((*path, "callback"), "queue", shape.callback, queues)
    if shape.confirm:
        build.prompts.keep(phrases.callbacks())
    return nodes.AskCallback(
        node_id=node_id,
        queue_id=None if shape.callback is None else QueueId(shape.callback),
        prompts=build.prompts.said((*path, "say"), f"{node_id}.say", shape.say),
        next=_next(build, shape, path, node_id, after),
        confirm=shape.confirm,
        retries=shape.retries,
        on_failure=""
        if shape.otherwise is None
        else build.step(shape.otherwise, (*path, "otherwise"), f"{node_id}/otherwise"),
    )


def _hang_up_step(
    build: TreeBuilder, shape: shapes.HangUpShape, path: Path, node_id: NodeId, after: NodeId | None
) -> Node:
    if shape.reject and shape.hangup:
        build.context.wrong(path, "a rejected call hears nothing", "drop the prompt or reject")
    prompts = build.prompts.said((*path, "hangup"), f"{node_id}.hangup", shape.hangup)
    return nodes.HangUp(node_id, prompts, shape.reject)


BUILDERS: Mapping[type, Build] = {
    shapes.MenuShape: _menu,
    shapes.PlayShape: _play,
    shapes.CollectShape: _collect,
    shapes.DialShape: _dial,
    shapes.DialExtensionShape: _dial_extension,
    shapes.QueueStepShape: _queue,
    shapes.HoursShape: _hours_step,
    shapes.SetShape: _set,
    shapes.NeedSkillShape: _need_skill,
    shapes.BranchShape: _branch,
    shapes.GotoShape: _goto,
    shapes.CallOutShape: _call_out,
    shapes.VoicemailShape: _voicemail,
    shapes.CallbackShape: _callback,
    shapes.HangUpShape: _hang_up_step,
}
