"""What a manager's own page shows of the log; asked in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pbx.days import day_began
from pbx.funnel.contact import marks, passed_with
from pbx.funnel.stages import CALL_TITLES
from pbx.funnel.telling import stages_of
from pbx.journal.agent_day import AgentDay, agent_days
from pbx.journal.queries import CallFilter, Heard, Sight, heard, list_calls
from pbx.journal.story import CallRow, LegRow
from pbx.missed.queries import TaskFilter, TaskSight, list_tasks
from pbx.missed.rules import Task
from pbx.web.state import WebState

CALLS = 20
TASKS = 30
FUNNEL = timedelta(days=30)
"""What the funnel in small is of."""
_CALLS_WITHIN = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage that a manager can tell."""

    key: str
    title: str


@dataclass(frozen=True, slots=True)
class OwnCall:
    """A call for which their phone rang.  ``leg``: the last such, ``talked``: they talked with the
    client; ``told``: stages told of it."""

    call: CallRow
    leg: LegRow | None
    talked: bool
    told: frozenset[str]
    heard: Heard

    @property
    def over(self) -> bool:
        """It can be said what came of it."""
        return self.talked and self.call.ended_at is not None and bool(self.call.number)


@dataclass(frozen=True, slots=True)
class Bar:
    """A stage of the funnel in small.  ``share``: of the widest; ``of_before``: of the stage
    before, None where nobody passed that."""

    title: str
    number: int
    share: float
    of_before: float | None


@dataclass(frozen=True, slots=True)
class OwnPage:
    """``own_tasks``: theirs alone; ``shared_tasks``: their queues'."""

    day: AgentDay
    calls: tuple[OwnCall, ...]
    own_tasks: tuple[Task, ...]
    shared_tasks: tuple[Task, ...]
    funnel: tuple[Bar, ...]


def stages(state: WebState, titles: Mapping[str, str]) -> list[Stage]:
    """Of the plan in force."""
    return [Stage(one, titles.get(one, one)) for one in stages_of(state.plan)]


def own_page(state: WebState, agent: str, wanted: Sequence[Stage]) -> OwnPage:
    """Blocking.  Raises JournalError."""
    now, engine = state.now(), state.read
    days = agent_days(engine, [agent], day_began(now, state.zone))
    tasks = list_tasks(engine, TaskFilter(sight=tasks_of(state, agent), limit=TASKS))
    passed = passed_with(engine, agent, now - FUNNEL)
    return OwnPage(
        day=days.get(agent, AgentDay()),
        calls=own_calls(state, agent),
        own_tasks=tuple(one for one in tasks if one.agent == agent),
        shared_tasks=tuple(one for one in tasks if one.agent != agent),
        funnel=_bars(wanted, passed),
    )


def own_calls(state: WebState, agent: str) -> tuple[OwnCall, ...]:
    """The newest first."""
    wanted = CallFilter(
        since=state.now() - _CALLS_WITHIN, sight=Sight(frozenset({agent})), limit=CALLS
    )
    found = list_calls(state.read, wanted)
    found.reverse()
    ids = [one.call_id for one in found]
    told, sounds = marks(state.read, ids), heard(state.read, ids)
    return tuple(
        OwnCall(
            call=one,
            leg=next((leg for leg in reversed(one.legs) if leg.agent == agent), None),
            talked=any(leg.agent == agent and leg.joined_at is not None for leg in one.legs),
            told=frozenset(stage for call_id, stage in told if call_id == one.call_id),
            heard=sounds.get(one.call_id, Heard()),
        )
        for one in found
    )


def tasks_of(state: WebState, agent: str) -> TaskSight:
    """Missed calls that are theirs, and those of their queues that are nobody's."""
    queues = frozenset(
        str(queue_id)
        for queue_id, queue in state.plan.routing.queues.items()
        if agent in queue.members
    )
    return TaskSight(frozenset({agent}), queues, shared_only=True)


def _bars(wanted: Sequence[Stage], passed: Mapping[str, int]) -> tuple[Bar, ...]:
    shown = [one for one in wanted if one.key not in CALL_TITLES]
    widest = max((passed.get(one.key, 0) for one in shown), default=0)
    found: list[Bar] = []
    before: int | None = None
    for one in shown:
        number = passed.get(one.key, 0)
        found.append(
            Bar(
                one.title,
                number,
                number / widest if widest else 0.0,
                number / before if before else None,
            )
        )
        before = number
    return tuple(found)
