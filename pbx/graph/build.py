"""A plan to its picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from ivr import nodes
from ivr.nodes import BACK, MAIN, REPEAT, Node, NodeId
from pbx.graph.model import Box, Graph, Kind, Way
from pbx.graph.words import (
    WORD_OF_KEY,
    box_lines,
    duration,
    group_of,
    kind_of_step,
    title_of_step,
    ways_out,
)
from pbx.plan.model import Plan
from pbx.plan.resolve_nodes import HANG_UP, OVERFLOWS
from routing.values import AgentId, QueueId

NAMED = 6
"""Managers of a team who are named; of a larger one the rest is a number."""
_NO_DEPARTMENT = "no department"


def build(plan: Plan) -> Graph:
    """The picture of a plan: what callers can reach, from the numbers to the managers."""
    return _Builder(plan).build()


class _Builder:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._boxes: dict[str, Box] = {}
        self._ways: dict[tuple[str, str, str], Way] = {}
        self._open: deque[NodeId] = deque()
        self._seen: set[NodeId] = set()

    def build(self) -> Graph:
        """Numbers first, then whatever they lead to, in the order of the plan."""
        for number in self._plan.numbers.values():
            box_id = f"number={number.did}"
            lines = tuple(one for one in (number.title, number.source) if one)
            if number.lines is not None:
                lines = (*lines, f"{number.lines} at once")
            self._box(box_id, Kind.NUMBER, number.did, lines)
            self._way(box_id, number.entry, "")
            if number.above is not None:
                self._way(box_id, number.above, "all lines busy")
        for node_id in self._plan.queue_entries.values():
            # Managers transfer callers here by extension: reached without any menu.
            self._reached(node_id)
        while self._open:
            node = self._plan.tree[self._open.popleft()]
            if isinstance(node, nodes.ToQueue):
                self._queue(node)
                self._out_of_queue(node)
            else:
                self._step(node)
        return Graph(tuple(self._boxes.values()), tuple(self._ways.values()))

    # Boxes -------------------------------------------------------------------------------

    def _box(
        self, box_id: str, kind: Kind, title: str, lines: tuple[str, ...], group: str = ""
    ) -> None:
        place = self._plan.places.get(box_id)
        self._boxes.setdefault(box_id, Box(box_id, kind, title, lines, group, place))

    def _step(self, node: Node) -> None:
        """A step's box and the ways out of it."""
        self._boxes[node.node_id] = Box(
            node.node_id,
            kind_of_step(node),
            title_of_step(node, self._plan.agent_titles),
            box_lines(node),
            group_of(node.node_id),
            self._plan.places.get(node.node_id),
            dict(self._stays(node)),
        )
        for label, key, target in ways_out(node):
            if target not in (REPEAT, BACK, MAIN) and self._landing(target)[0] is not None:
                self._way(node.node_id, target, label, key)

    def _stays(self, node: Node) -> Iterator[tuple[str, str]]:
        """Keys of a menu that lead to no box of their own."""
        if not isinstance(node, nodes.Menu):
            return
        for key, target in node.keys.items():
            if target in WORD_OF_KEY:
                yield key, WORD_OF_KEY[target]
            elif self._landing(target)[0] is None:
                yield key, "hang up"

    def _queue(self, node: nodes.ToQueue) -> None:
        """The box of a step's queue, and its managers."""
        queue = self._plan.routing.queues[node.queue_id]
        box_id = f"queue={queue.queue_id}"
        if box_id in self._boxes:
            return
        lines = [queue.strategy.name]
        if queue.max_wait_s is not None:
            lines.append(f"waits up to {duration(queue.max_wait_s)}")
        if queue.max_length is not None:
            lines.append(f"up to {queue.max_length} callers")
        title = self._plan.queue_titles.get(queue.queue_id, queue.queue_id)
        self._box(box_id, Kind.QUEUE, title, tuple(lines))
        self._teams(queue.queue_id)

    def _teams(self, queue_id: QueueId) -> None:
        """The members, folded by department."""
        by_department: dict[str, list[AgentId]] = {}
        for agent_id in self._plan.routing.queues[queue_id].members:
            department = self._plan.routing.agents[agent_id].department
            by_department.setdefault(department, []).append(agent_id)
        sizes: dict[str, int] = {}
        for agent in self._plan.routing.agents.values():
            sizes[agent.department] = sizes.get(agent.department, 0) + 1
        for department, members in by_department.items():
            # A whole department is one box for all queues that it serves.
            whole = len(members) == sizes[department]
            box_id = f"team={department}" if whole else f"team={department}/{queue_id}"
            names = [self._plan.agent_titles.get(one, one) for one in members]
            shown = tuple(names[:NAMED])
            if len(names) > NAMED:
                shown = (*shown[: NAMED - 1], f"and {len(names) - NAMED + 1} more")
            title = department or _NO_DEPARTMENT
            if not whole:
                title = f"{title}: {len(members)} of {sizes[department]}"
            self._box(box_id, Kind.TEAM, title, shown)
            self._add(Way(f"queue={queue_id}", box_id, ""))

    # Ways --------------------------------------------------------------------------------

    def _way(self, source: str, target: NodeId, label: str, key: str | None = None) -> None:
        """A way to wherever ``target`` leads."""
        landing, through = self._landing(target)
        if landing is None:
            return
        place = self._plan.places.get(through[0] if through else target)
        if isinstance(landing, nodes.ToQueue):
            self._reached(landing.node_id)
            needs = ", ".join(f"{one.skill} {one.min_level}" for one in landing.needs)
            more = [label, needs, f"priority {landing.priority}" if landing.priority else ""]
            whole = " · ".join(one for one in more if one)
            here = f"queue={landing.queue_id}"
            self._add(Way(source, here, whole, through, key, place))
        else:
            self._reached(landing.node_id)
            self._add(Way(source, landing.node_id, label, through, key, place))

    def _reached(self, node_id: NodeId) -> None:
        """Have this step looked at, once."""
        if node_id not in self._seen:
            self._seen.add(node_id)
            self._open.append(node_id)

    def _out_of_queue(self, node: nodes.ToQueue) -> None:
        """Where those go who waited in vain; a step's own ways begin at the queue's box too."""
        source = f"queue={node.queue_id}"
        ways: list[tuple[str, str | None, str]] = [("not served", None, node.on_overflow)]
        ways += [
            (OVERFLOWS.get(reason, reason).removeprefix("on_").replace("_", " "), None, target)
            for reason, target in node.overflow.items()
        ]
        ways += [(f"key {key}", key, target) for key, target in node.keys.items()]
        if node.after_talk is not None:
            ways.append(("after the talk", None, node.after_talk))
        for label, key, target in ways:
            self._way(source, target, label, key)

    def _add(self, way: Way) -> None:
        """Keep a way; steps that lead the same way by the same key are one."""
        known = (way.source, way.target, way.label)
        have = self._ways.get(known)
        if have is None:
            self._ways[known] = way
        elif not set(way.through) <= set(have.through):
            through = tuple(dict.fromkeys((*have.through, *way.through)))
            self._ways[known] = Way(
                have.source, have.target, have.label, through, have.key, have.place
            )

    def _landing(self, target: NodeId) -> tuple[Node | None, tuple[NodeId, ...]]:
        """Where ``target`` leads (None: the call just ends), and the steps without a box."""
        through: list[NodeId] = []
        while True:
            node = self._plan.tree.get(target)
            if node is None or target == HANG_UP or target in through:
                return None, tuple(through)
            if isinstance(node, nodes.ToQueue):
                return node, (*through, target)
            if not isinstance(node, nodes.Goto):
                return node, tuple(through)
            through.append(target)
            target = node.target
