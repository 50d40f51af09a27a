"""What can be wrong with a whole tree: targets that don't exist, nodes nobody reaches, and loops
in which a caller goes round without end.

The rule for loops: a caller who never presses anything must in the end be served or hear the
call end.  So what breaks a loop is

- a key pressed: the ``keys`` of a menu or a queue, a menu's ``on_invalid`` (someone who presses
  wrong keys is there), and ``next`` of CollectDigits where it needs a digit at all; not a menu's
  ``on_timeout``, nor ``on_failure``, which silence alone brings about;
- a wait in a queue, whatever ended it: it takes time and a manager may take the call, so 'queue,
  excuse, same queue' is a way to keep a caller in line.  A queue that can turn callers away at
  once (full, nobody at work) is a wait only if something else in the loop takes time: without
  that the caller would be turned round in no time at all.

A manager dialled, an outside number and a recording break nothing: a silent caller would be rung
through, or recorded, for ever.  All is said of the tree as it stands: that a Branch may never take
one of its ways is not looked into.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from ivr import nodes
from ivr.nodes import Node, NodeId, Tree
from routing.values import QueueId, ReturnReason

_WORDS = frozenset({nodes.REPEAT, nodes.BACK, nodes.MAIN})
_AT_ONCE = (ReturnReason.QUEUE_FULL, ReturnReason.NO_AGENTS)
"""Why a queue gives a caller back who has not waited."""


class Pace(Enum):
    """What it takes to go a way."""

    AT_ONCE = auto()
    """Nothing."""
    TIME = auto()
    """Time: a prompt, a silence, a ringing phone."""
    WAIT = auto()
    """A wait in a queue."""
    INPUT = auto()
    """A key pressed by the caller."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way out of a node.  ``field`` names it for error texts (``keys.2``, ``on_timeout``)."""

    field: str
    target: NodeId
    pace: Pace


@dataclass(frozen=True, slots=True)
class MissingTarget:
    """``field`` of ``node_id`` leads to ``target``, which is no node."""

    node_id: NodeId
    field: str
    target: NodeId


def ways(node: Node) -> Iterator[Way]:
    """All ways out of ``node``, those within a menu (``!back``) left out."""
    match node:
        case nodes.Menu():
            for key, target in node.keys.items():
                if target not in _WORDS:
                    yield Way(f"keys.{key}", target, Pace.INPUT)
            yield Way("on_timeout", node.on_timeout, Pace.TIME)
            yield Way("on_invalid", node.on_invalid, Pace.INPUT)
        case nodes.CollectDigits():
            yield Way("next", node.next, Pace.INPUT if node.min_digits else Pace.TIME)
            yield Way("on_failure", node.on_failure, Pace.TIME)
        case nodes.Play():
            yield Way("next", node.next, Pace.TIME if node.prompts else Pace.AT_ONCE)
        case nodes.AskCallback():
            takes_time = bool(node.prompts) or node.confirm
            yield Way("next", node.next, Pace.TIME if takes_time else Pace.AT_ONCE)
            if node.on_failure:
                yield Way("on_failure", node.on_failure, Pace.TIME)
        case nodes.SetVariable() | nodes.NeedSkill():
            yield Way("next", node.next, Pace.AT_ONCE)
        case nodes.Voicemail():
            yield Way("next", node.next, Pace.TIME)
        case nodes.DialAgent():
            # One who is busy or not at work is known to be so before anything rings.
            yield Way("on_busy", node.on_busy, Pace.AT_ONCE)
            yield Way("on_no_answer", node.on_no_answer, Pace.TIME)
            yield Way("on_unknown", node.on_unknown, Pace.AT_ONCE)
        case nodes.ToQueue():
            yield Way("on_overflow", node.on_overflow, Pace.WAIT)
            for reason, target in node.overflow.items():
                yield Way(f"overflow.{reason}", target, Pace.WAIT)
            if node.after_talk is not None:
                yield Way("after_talk", node.after_talk, Pace.WAIT)
            for key, target in node.keys.items():
                yield Way(f"keys.{key}", target, Pace.INPUT)
        case nodes.Hours():
            yield Way("open", node.open, Pace.AT_ONCE)
            yield Way("closed", node.closed, Pace.AT_ONCE)
            yield Way("on_holiday", node.on_holiday, Pace.AT_ONCE)
        case nodes.Branch():
            for value, target in node.cases.items():
                yield Way(f"cases.{value}", target, Pace.AT_ONCE)
            yield Way("default", node.default, Pace.AT_ONCE)
        case nodes.Goto():
            yield Way("target", node.target, Pace.AT_ONCE)
        case nodes.CallOut():
            # A line that is down refuses at once.
            yield Way("on_failure", node.on_failure, Pace.AT_ONCE)
        case nodes.HangUp():
            return


def missing_targets(tree: Tree) -> list[MissingTarget]:
    """Ways that lead nowhere, in the tree's order."""
    return [
        MissingTarget(node_id, way.field, way.target)
        for node_id, node in tree.items()
        for way in ways(node)
        if way.target not in tree
    ]


def unreachable(tree: Tree, entries: Iterable[NodeId]) -> list[NodeId]:
    """Nodes that no way from ``entries`` leads to, in the tree's order."""
    found = {entry for entry in entries if entry in tree}
    left = deque(found)
    while left:
        for way in ways(tree[left.popleft()]):
            if way.target in tree and way.target not in found:
                found.add(way.target)
                left.append(way.target)
    return [node_id for node_id in tree if node_id not in found]


def loops_without_input(
    tree: Tree, *, turning_away: Collection[QueueId] = frozenset()
) -> list[list[NodeId]]:
    """Loops that a caller who does nothing would never leave, by the rule above.

    ``turning_away``: queues that can give a caller back without a wait.  Of several loops that
    share nodes one of the shortest is given.  A loop begins with its first node in the tree.
    """
    endless: dict[NodeId, list[NodeId]] = {}
    instant: dict[NodeId, list[NodeId]] = {}
    for node_id, node in tree.items():
        out = [way for way in ways(node) if way.target in tree]
        endless[node_id] = [way.target for way in out if way.pace in (Pace.AT_ONCE, Pace.TIME)]
        instant[node_id] = [way.target for way in out if way.pace is Pace.AT_ONCE]
        if isinstance(node, nodes.ToQueue) and node.queue_id in turning_away:
            given_back = [node.overflow.get(why.value, node.on_overflow) for why in _AT_ONCE]
            instant[node_id] += [target for target in given_back if target in tree]
    loops = _loops(endless)
    known = {node_id for loop in loops for node_id in loop}
    return loops + [loop for loop in _loops(instant) if known.isdisjoint(loop)]


def _loops(graph: Mapping[NodeId, list[NodeId]]) -> list[list[NodeId]]:
    """A shortest loop through the first node that is in one, of each knot of ``graph``."""
    place = {node_id: number for number, node_id in enumerate(graph)}
    found = []
    for knot in _knots(graph):
        members = set(knot)
        first = min(knot, key=place.__getitem__)
        found.append(_shortest_back(first, graph, members))
    return sorted(found, key=lambda loop: place[loop[0]])


def _shortest_back(
    first: NodeId, graph: Mapping[NodeId, list[NodeId]], members: set[NodeId]
) -> list[NodeId]:
    """From ``first`` back to itself inside its knot, breadth first."""
    came_from: dict[NodeId, NodeId] = {}
    left = deque([first])
    while first not in came_from:
        node_id = left.popleft()
        for target in graph[node_id]:
            if target in members and target not in came_from:
                came_from[target] = node_id
                left.append(target)
    loop = []
    node_id = first
    while True:
        node_id = came_from[node_id]
        loop.append(node_id)
        if node_id == first:
            return loop[::-1]


def _knots(graph: Mapping[NodeId, list[NodeId]]) -> list[list[NodeId]]:
    """The strongly connected components that hold a loop (Tarjan 1972; without recursion: a tree
    may be deeper than Python's stack)."""
    order: dict[NodeId, int] = {}
    low: dict[NodeId, int] = {}
    open_nodes: list[NodeId] = []
    is_open: set[NodeId] = set()
    knots = []
    for root in graph:
        if root in order:
            continue
        work = [(root, iter(graph[root]))]
        order[root] = low[root] = len(order)
        open_nodes.append(root)
        is_open.add(root)
        while work:
            node_id, targets = work[-1]
            for target in targets:
                if target not in order:
                    order[target] = low[target] = len(order)
                    open_nodes.append(target)
                    is_open.add(target)
                    work.append((target, iter(graph[target])))
                    break
                if target in is_open:
                    low[node_id] = min(low[node_id], order[target])
            else:
                work.pop()
                if work:
                    before = work[-1][0]
                    low[before] = min(low[before], low[node_id])
                if low[node_id] == order[node_id]:
                    knot = [open_nodes.pop()]
                    while knot[-1] != node_id:
                        knot.append(open_nodes.pop())
                    is_open.difference_update(knot)
                    if len(knot) > 1 or node_id in graph[node_id]:
                        knots.append(knot)
    return knots
