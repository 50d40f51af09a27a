"""What callers did: how many reached each box, took each way, and left where.

All numbers are calls: who hears a menu three times is one of its callers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ivr import nodes
from pbx.graph.model import Graph, Kind, Way
from pbx.journal.walks import Walked
from pbx.plan.model import Plan
from routing.values import Outcome

_LEFT = (Outcome.ABANDONED_IN_MENU, Outcome.ABANDONED_WAITING)


@dataclass(slots=True)
class Funnel:
    """Counts of calls, by the boxes and ways of one picture.

    ``reached``: by box.  ``left``: hung up there themselves.  ``took``: by way.  ``answered``: by
    queue's box.  ``elsewhere``: by (from, to), what no way of the picture shows: back, main, a
    transfer, or a plan that was another one then.  ``unknown``: by step, those not in this plan.
    """

    calls: int = 0
    reached: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    took: Counter[Way] = field(default_factory=Counter)
    elsewhere: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    def share_left(self, box_id: str) -> float | None:
        """Of those who reached it; None when nobody did."""
        reached = self.reached[box_id]
        return self.left[box_id] / reached if reached else None


class Counting:
    """Counts the log's calls into the picture of a plan."""

    def __init__(self, plan: Plan, graph: Graph) -> None:
        self._plan = plan
        self._funnel = Funnel()
        self._boxes = {box.box_id for box in graph.boxes}
        self._between: dict[tuple[str, str], list[Way]] = {}
        for way in graph.ways:
            self._between.setdefault((way.source, way.target), []).append(way)
        teams = {box.box_id for box in graph.boxes if box.kind is Kind.TEAM}
        self._team_of: dict[tuple[str, str], str] = {}
        for (source, target), _ in self._between.items():
            if target in teams:
                self._find_members(source, target)

    def _find_members(self, queue_box: str, team_box: str) -> None:
        department = team_box.removeprefix("team=")
        queue_id = queue_box.removeprefix("queue=")
        for known, queue in self._plan.routing.queues.items():
            if known != queue_id:
                continue
            for agent_id in queue.members:
                own = self._plan.routing.agents[agent_id].department
                if department in (own, f"{own}/{queue_id}"):
                    self._team_of[queue_box, agent_id] = team_box

    def count(self, calls: Iterable[Walked]) -> Funnel:
        """The counts of these calls."""
        for call in calls:
            self._count(call)
        return self._funnel

    def _count(self, call: Walked) -> None:
        funnel = self._funnel
        funnel.calls += 1
        boxes: set[str] = set()
        ways: set[Way] = set()
        elsewhere: set[tuple[str, str]] = set()
        unknown: set[str] = set()
        here = f"number={call.did}"
        boxes.add(here)
        key: str | None = None
        raw = here
        for node_id, digits in _visits(call):
            there = self._box_of(node_id, unknown)
            if there is not None and there != here:
                way = self._way(here, there, key, {raw, node_id})
                if way is not None:
                    ways.add(way)
                else:
                    elsewhere.add((here, there))
            if there is not None:
                here = there
                boxes.add(here)
            raw, key = node_id, digits
        if call.outcome in _LEFT:
            funnel.left[here] += 1
        if call.outcome == Outcome.ANSWERED and call.agent is not None:
            queue_box = f"queue={call.queue}"
            funnel.answered[queue_box if queue_box in self._boxes else here] += 1
            team = self._team_of.get((queue_box, call.agent))
            if team is not None:
                boxes.add(team)
                ways.update(self._between[queue_box, team])
        funnel.reached.update(one for one in boxes if one in self._boxes)
        funnel.took.update(ways)
        funnel.elsewhere.update(elsewhere)
        funnel.unknown.update(unknown)

    def _box_of(self, node_id: str, unknown: set[str]) -> str | None:
        """The box of a step that was passed; None where it has none."""
        node = self._plan.tree.get(node_id)
        if isinstance(node, nodes.ToQueue):
            return f"queue={node.queue_id}"
        if node_id in self._boxes:
            return node_id
        if node is None:
            unknown.add(node_id)
        return None

    def _way(self, source: str, target: str, key: str | None, passed: set[str]) -> Way | None:
        """Of the ways between two boxes the one with this key, or through these steps."""
        between = self._between.get((source, target), [])
        if key:
            for way in between:
                if way.key == key:
                    return way
        for way in between:
            if passed & set(way.through):
                return way
        return next((way for way in between if way.key is None), next(iter(between), None))


def _visits(call: Walked) -> Iterator[tuple[str, str | None]]:
    """Steps in order, each once however often it was tried, and where the caller was at the end.

    What was pressed is that of the last try: it led on.
    """
    pending: tuple[str, str | None] | None = None
    for node_id, digits in call.steps:
        if pending is not None and pending[0] != node_id:
            yield pending
        pending = node_id, digits
    if pending is not None:
        yield pending
    if call.last_node and (pending is None or pending[0] != call.last_node):
        yield call.last_node, None
