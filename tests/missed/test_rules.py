"""Calls, talks and closings in any order: one open task a number, and the right class."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pbx.missed.owners import owner_rule
from pbx.missed.rules import (
    HandClosing,
    How,
    MissedCall,
    OwnerRule,
    Reopening,
    Talk,
    Task,
    TaskClass,
    tasks_of,
)
from routing.plan import Queue, RoutingPlan, StrategyChoice
from routing.values import AgentId, QueueId
from tests.world import agent

NUMBER = "+79161234567"
BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)
WEEK = timedelta(days=7)
RULE = OwnerRule(frozenset({"anna", "boris"}), {"sales": WEEK}, timedelta(days=30))
MINUTE = timedelta(minutes=1)


def missed(call_id: str, at: datetime, queue: str | None = "sales") -> MissedCall:
    return MissedCall(call_id, at, at + MINUTE, "+7800", "", queue, "abandoned_waiting")


class OneNumber(RuleBasedStateMachine):
    """A number's life, and beside it the plainest possible record of who is to be called back."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGAN
        self.calls: list[MissedCall] = []
        self.talks: list[Talk] = []
        self.closings: dict[str, HandClosing] = {}
        self.reopenings: dict[str, Reopening] = {}
        self.before: list[Task] = []
        self.waiting: list[MissedCall] = []
        self.ended: list[tuple[list[MissedCall], How]] = []
        self.spam = False

    @rule(pause=st.sampled_from([timedelta(seconds=1), 5 * MINUTE, 20 * MINUTE, WEEK]))
    def time_goes_by(self, pause: timedelta) -> None:
        self.now += pause

    @rule(queue=st.sampled_from(["sales", "support", None]))
    def calls_and_talks_with_nobody(self, queue: str | None) -> None:
        call = missed(f"c{len(self.calls):04}", self.now, queue)
        self.now = call.ended_at + timedelta(seconds=1)
        self.calls.append(call)
        if not self.spam:
            self.waiting.append(call)

    @rule(
        how=st.sampled_from([How.CLIENT, How.MANAGER]), who=st.sampled_from(["anna", "gone", None])
    )
    def somebody_talks(self, how: How, who: str | None) -> None:
        self.talks.append(Talk(self.now, how, who))
        self.now += timedelta(seconds=1)
        self.spam = False
        self._over(how)

    @precondition(lambda self: self.waiting)
    @rule(reason=st.sampled_from(["by mail", "Spam "]))
    def closed_by_hand(self, reason: str) -> None:
        self.closings[self.waiting[-1].call_id] = HandClosing(self.now, "ops", reason)
        self.now += timedelta(seconds=1)
        self.spam = reason != "by mail"
        self._over(How.HAND)

    @precondition(lambda self: self.ended and not self.waiting)
    @rule()
    def opened_again_by_hand(self) -> None:
        calls, _ = self.ended.pop()
        del self.before[-1]
        self.closings.pop(calls[-1].call_id, None)
        self.reopenings[calls[0].call_id] = Reopening(self.now, "ops")
        self.waiting = [one for one in self.calls if one.call_id >= calls[0].call_id]
        self.spam = False
        self.now += timedelta(seconds=1)

    def _tasks(self, order: int = 1) -> list[Task]:
        return tasks_of(
            NUMBER,
            self.calls[::order],
            self.talks[::order],
            self.closings,
            RULE,
            reopenings=self.reopenings,
        )

    def _over(self, how: How) -> None:
        if self.waiting:
            self.ended.append((self.waiting, how))
            self.waiting = []

    @invariant()
    def tasks_are_what_happened(self) -> None:
        tasks = self._tasks()
        closed, still = tasks[: len(self.ended)], tasks[len(self.ended) :]
        assert [(one.task_id, one.calls, one.closed_how) for one in closed] == [
            (calls[0].call_id, len(calls), how) for calls, how in self.ended
        ]
        assert [(one.task_id, one.calls, one.closed_at) for one in still] == (
            [(self.waiting[0].call_id, len(self.waiting), None)] if self.waiting else []
        )
        for task in tasks:
            self._classed_right(task)

    def _classed_right(self, task: Task) -> None:
        took = (task.closed_at or self.now) - task.opened_at
        expected: TaskClass | None
        if task.closed_how == How.CLIENT:
            expected = TaskClass.GOT_THROUGH
        elif task.closed_how == How.HAND or took > timedelta(hours=24):
            expected = TaskClass.NEVER
        elif task.closed_how is None:
            expected = None
        else:
            expected = (
                TaskClass.WITHIN_20_MIN if took <= timedelta(minutes=20) else TaskClass.WITHIN_DAY
            )
        assert task.classed(self.now) is expected

    @invariant()
    def what_is_closed_never_changes(self) -> None:
        tasks = self._tasks()
        done = [one for one in tasks if one.closed_at is not None]
        assert done[: len(self.before)] == self.before
        self.before = done

    @invariant()
    def the_order_in_which_it_is_told_does_not_matter(self) -> None:
        assert self._tasks() == self._tasks(-1)


OneNumber.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
test_one_number = OneNumber.TestCase


def owner(talks: list[Talk], queue: str | None = "sales") -> str | None:
    call = missed("c", BEGAN, queue)
    (task,) = tasks_of(NUMBER, [call], talks, {}, RULE)
    return task.owner


def before(age: timedelta, who: str | None) -> Talk:
    return Talk(BEGAN + MINUTE - age, How.CLIENT, who)


@pytest.mark.parametrize(
    ("talks", "queue", "expected"),
    [
        ([], "sales", "sales"),
        ([], None, None),
        ([before(WEEK, "anna")], "sales", "anna"),
        ([before(WEEK + MINUTE, "anna")], "sales", "sales"),
        ([before(WEEK + MINUTE, "anna")], "support", "anna"),
        ([before(2 * MINUTE, "anna"), before(MINUTE, "boris")], "sales", "boris"),
        ([before(2 * MINUTE, "anna"), before(MINUTE, None)], "sales", "anna"),
        ([before(MINUTE, "gone")], "sales", "sales"),
        ([before(MINUTE, "anna")], None, "anna"),
    ],
)
def test_the_owner_is_the_last_manager_else_the_queue(
    talks: list[Talk], queue: str | None, expected: str | None
) -> None:
    assert owner(talks, queue) == expected


def test_the_plan_says_how_long_a_manager_owns_a_number() -> None:
    anna = agent("anna")

    def queue(name: str, strategy: StrategyChoice) -> Queue:
        return Queue(QueueId(name), (anna.agent_id,), strategy)

    sticky = StrategyChoice("sticky-to-last-manager", {"within_s": 3600.0})
    queues = [
        queue("a", sticky),
        queue("b", StrategyChoice("skill-priority", {}, sticky)),
        queue("c", StrategyChoice("linear")),
    ]

    found = owner_rule(RoutingPlan({AgentId("anna"): anna}, {one.queue_id: one for one in queues}))

    hour = timedelta(hours=1)
    assert found == OwnerRule(frozenset({"anna"}), {"a": hour, "b": hour}, timedelta(days=30))
