"""Menus: nested steps to a flat tree of nodes that name each other by id.

Ids read like the way a caller takes: ``welcome``, ``welcome/2``, ``welcome/2/timeout``; the
further steps of a list are ``welcome.2``, ``welcome.3``.  A number's own steps begin with the
number, a queue's ways out with ``queue=``: no menu can have such a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ivr import nodes
from ivr.nodes import Node, NodeId
from ivr.schedule import Schedule
from pbx.plan import schema_nodes as shapes
from pbx.plan.context import Context
from pbx.plan.faults import quoted
from pbx.plan.resolve_nodes import (
    BUILDERS,
    BUILT_IN_VARIABLES,
    CLOSED,
    HANG_UP,
    MENU_WORDS,
    OVERFLOWS,
    Path,
    Target,
    warn_of_idle_ways,
)
from pbx.plan.resolve_people import People, rings_for
from pbx.plan.resolve_prompts import PromptBook
from pbx.plan.shape_faults import about
from routing.values import AgentId, QueueId

_STEPPING = (
    shapes.PlayShape,
    shapes.CollectShape,
    shapes.SetShape,
    shapes.NeedSkillShape,
    shapes.VoicemailShape,
    shapes.CallbackShape,
)
"""Steps that another can follow in a list."""


class TreeBuilder:
    """Builds the tree; ``nodes`` and ``paths`` (where each node stands) are the result."""

    def __init__(
        self,
        context: Context,
        everyone: People,
        hours: Mapping[str, Schedule],
        dialled: Mapping[str, AgentId],
        dialled_queues: Mapping[str, QueueId],
        prompts: PromptBook,
    ) -> None:
        self.nodes: dict[NodeId, Node] = {}
        self.paths: dict[NodeId, Path] = {}
        self.context = context
        self.everyone = everyone
        self.hours = hours
        self.dialled = dialled
        self.dialled_queues = dialled_queues
        self.prompts = prompts
        self.longest_ring_s = max(
            (rings_for(everyone.agents[one]) for one in dialled.values()), default=0.0
        )
        self.targets = [name for name in context.shape.menus if name not in shapes.WORDS]
        self.targets.append(HANG_UP)
        self.variables = set(BUILT_IN_VARIABLES)
        self.read_variables: list[tuple[Path, str]] = []
        self.gotos: list[tuple[Path, str]] = []
        self.queues_used: set[str] = set()
        self.queue_entries: dict[QueueId, NodeId] = {}
        self.schedules_used: set[str] = set()

    def menus(self) -> None:
        """Build every named menu."""
        for name, shape in self.context.shape.menus.items():
            path: Path = ("menus", name)
            if name in shapes.WORDS:
                message = f"{quoted(name)} is a word with a meaning of its own"
                mark = self.context.key_mark(path)
                self.context.names.add(mark.fault(about(path, message), "rename the menu"))
                continue
            self.named(shape, path, name)

    def queue_ways(self) -> None:
        """Build every queue's own ways out (steps refer to them by ``ways_of``), and the ways
        into those that have an extension."""
        for name, shape in self.context.shape.queues.items():
            warn_of_idle_ways(self.context, ("queues", name), shape, shape)
            if shape.hours is not None:
                self.schedules_used.add(shape.hours)
                if shape.hours not in self.hours:
                    path: Path = ("queues", name, "hours")
                    self.context.unknown(path, "schedule", shape.hours, self.hours)
            for key in ("on_overflow", *OVERFLOWS.values()):
                if getattr(shape, key) is not None:
                    self.named(getattr(shape, key), ("queues", name, key), _way_id(name, key))
            for key, target in shape.keys.items():
                path = ("queues", name, "keys", key)
                if len(key) > 1:
                    self.context.wrong_key(path, "one key alone leaves a line", "0 to 9, * or #")
                self.named(target, path, _way_id(name, key))
        for queue_id in self.dialled_queues.values():
            usual, ways = self.ways_of(queue_id)
            entry = nodes.ToQueue(
                f"queue={queue_id}",
                queue_id,
                0,
                (),
                on_overflow=usual,
                overflow=ways,
                keys=self.keys_of(queue_id),
            )
            self.put(self.in_hours(entry, ("queues", queue_id)), ("queues", queue_id))
            self.queue_entries[queue_id] = entry.node_id

    def in_hours(self, step: nodes.ToQueue, path: Path) -> Node:
        """The step into a queue, behind the queue's own hours where it has some."""
        ways = dict(step.overflow)
        closed = ways.pop(CLOSED, step.on_overflow)
        shape = self.context.shape.queues.get(step.queue_id)
        schedule = self.hours.get(shape.hours) if shape and shape.hours else None
        if schedule is None:
            return replace(step, overflow=ways)
        inside = replace(step, node_id=f"{step.node_id}/open", overflow=ways)
        self.put(inside, path)
        return nodes.Hours(step.node_id, schedule, inside.node_id, closed, closed)

    def ways_of(self, queue: str) -> tuple[NodeId, dict[str, NodeId]]:
        """(the usual way, ways for single reasons) out of a queue, as the queue says."""
        shape = self.context.shape.queues[queue]
        usual = _way_id(queue, "on_overflow") if shape.on_overflow is not None else None
        ways = {
            reason: _way_id(queue, key)
            for reason, key in OVERFLOWS.items()
            if getattr(shape, key) is not None
        }
        return usual or self.hang_up(("queues", queue)), ways

    def keys_of(self, queue: str) -> dict[str, NodeId]:
        """What leaves a queue."""
        return {key: _way_id(queue, key) for key in self.context.shape.queues[queue].keys}

    def named(self, shape: Target, path: Path, node_id: NodeId) -> None:
        """Build a step so that ``node_id`` leads there, whatever it is."""
        target = self.step(shape, path, node_id)
        if node_id not in self.nodes:
            self.put(nodes.Goto(node_id, target), path)

    def finish(self) -> None:
        """Checks that need the whole tree."""
        for path, variable in self.read_variables:
            if variable not in self.variables:
                self.context.unknown(path, "variable", variable, self.variables)
        for path, target in self.gotos:
            if target not in self.nodes:
                self.context.unknown(path, "menu", target, self.targets)

    def step(self, shape: Target, path: Path, node_id: NodeId) -> NodeId:
        """Build a step and what is nested in it; the id that leads there."""
        if shape is None:
            return self.hang_up(path)
        if isinstance(shape, str):
            return self.word(shape, path)
        if isinstance(shape, shapes.Steps):
            return self._steps(shape.root, path, node_id)
        self.put(BUILDERS[type(shape)](self, shape, path, node_id, None), path)
        return node_id

    def put(self, node: Node, path: Path) -> None:
        """Keep a node and where it stands."""
        self.nodes[node.node_id] = node
        self.paths.setdefault(node.node_id, path)

    def hang_up(self, path: Path) -> NodeId:
        """The node that just ends the call; ``path`` is the first place that needs it."""
        if HANG_UP not in self.nodes:
            self.put(nodes.HangUp(HANG_UP), path)
        return HANG_UP

    def word(self, word: str, path: Path) -> NodeId:
        """Where a bare word leads."""
        if word == HANG_UP:
            return self.hang_up(path)
        if word in MENU_WORDS:
            self.context.wrong(path, f"{quoted(word)} works as a menu's key only")
        elif word not in self.context.shape.menus:
            self.context.unknown(path, "menu", word, self.targets)
        return word

    def _steps(self, steps: list[Any], path: Path, node_id: NodeId) -> NodeId:
        ids = [node_id, *(f"{node_id}.{number}" for number in range(2, len(steps) + 1))]
        for index, shape in enumerate(steps[:-1]):
            here: Path = (*path, index)
            if isinstance(shape, _STEPPING) and shape.then is None:
                after = ids[index + 1]
                if index == len(steps) - 2:
                    after = self.step(steps[-1], (*path, index + 1), after)
                self.put(BUILDERS[type(shape)](self, shape, here, ids[index], after), here)
            else:
                self.context.wrong(here, "nothing can follow this step", "make it the last one")
        if len(steps) == 1:
            return self.step(steps[0], (*path, 0), node_id)
        return node_id


def _way_id(queue: str, key: str) -> NodeId:
    return f"queue={queue}/{key.removeprefix('on_')}"
