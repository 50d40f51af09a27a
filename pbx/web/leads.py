"""Where a number's callers may come to, by the plan: whose they may become while they are in the
menu.  Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from ivr import nodes
from ivr.checks import ways
from ivr.nodes import Node, NodeId
from pbx.plan.model import Plan
from routing.values import AgentId

Leads = Mapping[str, frozenset[str]]
"""Departments by number of ours."""


def leads_of(plan: Plan) -> Leads:
    """Of every number: the departments of who may be rung for its callers, whatever they press."""
    agents, found = plan.routing.agents, {}
    # Numbers mostly share their menus.
    of_entry: dict[tuple[NodeId | None, ...], frozenset[str]] = {}
    for did, number in plan.numbers.items():
        entries = (number.entry, number.above)
        if entries not in of_entry:
            rung = _rung(plan, [one for one in entries if one is not None])
            of_entry[entries] = frozenset(agents[one].department for one in rung if one in agents)
        found[did] = of_entry[entries]
    return found


def _rung(plan: Plan, entries: Iterable[NodeId]) -> set[AgentId]:
    """Who may be rung on the ways from there."""
    rung: set[AgentId] = set()
    seen = {one for one in entries if one in plan.tree}
    left = deque(seen)
    while left:
        node = plan.tree[left.popleft()]
        rung.update(_rung_by(plan, node))
        more = {way.target for way in ways(node) if way.target in plan.tree} - seen
        seen |= more
        left.extend(more)
    return rung


def _rung_by(plan: Plan, node: Node) -> Iterable[AgentId]:
    match node:
        case nodes.ToQueue() | nodes.AskCallback():
            queue = plan.routing.queues.get(node.queue_id) if node.queue_id else None
            return queue.members if queue is not None else ()
        case nodes.DialAgent():
            return [node.agent_id] if node.agent_id is not None else node.extensions.values()
    return ()
