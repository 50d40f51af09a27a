"""The board against the engine that it tells of, in virtual time: whole days of chance, step by
step, with plans replaced and phones that come and go."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbx.engine.call import LiveCall, Stage
from pbx.engine.virtual import Crm, Reply, VirtualWorld
from pbx.journal import port as journal
from pbx.journal.port import Stamped
from pbx.live.board import Board, Message
from pbx.live.picture import Picture
from pbx.live.rows import LiveQueue, stamp
from pbx.lookup.port import Known
from pbx.plan.model import Plan
from pbx.switch.port import Phones
from pbx.switch.script import At, CallerScript, HangUp, PhoneAct, Reaction
from routing import events, facts
from routing.values import AgentId, CallId, QueueId
from tests.engine.test_callbacks import HOLDS, PICKS_UP, TRUNK, asks, company
from tests.world import DID, START, agent, plan, sales, stage

TEAM = [
    agent("anna", wrap_up_s=3.0),
    agent("boris", ("PJSIP/boris", 0.0), ("PJSIP/mobile", 2.0)),
    agent("vera", calls_at_once=2),
]


class Watched:
    """A world whose board is told of everything, and one who follows it."""

    def __init__(
        self, where: Plan, callers: list[CallerScript], phones: Any, crm: Crm | None = None
    ) -> None:
        self.board = Board(where)
        self.picture = Picture()
        self.world, self.story = stage(where, callers, phones, crm=crm)
        for told in self.story.entries:
            self.board.take(told)
        self.world._on_entry = self._on_entry
        self.told = 0
        self.tell()

    def _on_entry(self, stamped: Stamped) -> None:
        self.story.entries.append(stamped)
        self.board.take(stamped)

    @property
    def now(self) -> datetime:
        return self.world.clock.utc(self.world.clock.now())

    def look(self) -> None:
        """Phones come and go without an entry."""
        agents = self.world.core.dispatcher.agents.values()
        self.board.unreachable({one.agent_id for one in agents if not one.reachable})

    def tell(self) -> Message | None:
        """What has changed is told, and the follower's picture is the board's."""
        message: Message | None = read(self.board.changed(self.now))
        if message is not None:
            self.told += 1
            self.picture.take(message)
        same(self.picture.snapshot(), read(self.board.snapshot(self.now)))
        return message


def read(message: Message | None) -> Any:
    """As who follows gets it."""
    return orjson.loads(orjson.dumps(message))


def same(one: Message, other: Message) -> None:
    for part in ("agents", "queues", "calls"):
        assert {row["id"]: row for row in one[part]} == {row["id"]: row for row in other[part]}
    for key in ("ready", "today"):
        assert one[key] == other[key]


def agrees(board: Board, world: VirtualWorld) -> None:
    """The board says what the engine says."""
    core, now = world.core, world.clock.now()
    dispatcher = core.dispatcher
    shown = read(board.snapshot(world.clock.utc(now)))
    agents = {row["id"]: row for row in shown["agents"]}
    at_work = {key: one for key, one in dispatcher.agents.items() if not one.removed}
    assert at_work.keys() <= agents.keys()
    for agent_id, row in agents.items():
        one = dispatcher.agents.get(agent_id)
        assert row["state"] == (one.state.value if one else "offline")
        if one is not None and one.since is not None:
            assert row["since"] == stamp(world.clock.utc(one.since))
    for row in shown["queues"]:
        queue_id = QueueId(row["id"])
        assert row["waiting"] == dispatcher.waiting(queue_id)
        assert row["free"] == dispatcher.free_in(queue_id)
        since = row["longest_since"]
        waited_s = dispatcher.oldest_wait_s(queue_id, now)
        if since is None:
            assert waited_s == 0.0
        else:
            began = datetime.fromisoformat(since)
            assert (world.clock.utc(now) - began).total_seconds() == pytest.approx(
                waited_s, abs=0.002
            )
    calls = {row["id"]: row for row in shown["calls"]}
    begun = {key for key, one in core.calls.by_id.items() if _in_log(one, calls)}
    assert calls.keys() == begun
    for call_id, row in calls.items():
        call = core.calls.by_id[CallId(call_id)]
        assert row["stage"] in _stages(call)
        legs = dispatcher.legs.values()
        rung = {
            leg.part.agent_id
            for leg in legs
            if leg.part.offer.call.call_id == call_id and leg.leg_id != call.talking_leg
        }
        if row["stage"] == "calling":  # for a manager who has picked up
            assert row["agents_rung"] == []
            assert row["agent"] in rung or not rung
        else:
            assert set(row["agents_rung"]) == rung
        if call.stage is Stage.TALKING and call.talking_leg in dispatcher.legs:
            assert row["agent"] == call.last_agent


def _in_log(call: LiveCall, calls: dict[str, Any]) -> bool:
    """A call that we make begins for the log with the first ring."""
    return not call.callback_of or call.call_id in calls


def _stages(call: LiveCall) -> set[str]:
    if call.callback_of and not call.talked:
        return {"menu", "waiting", "ringing", "calling"}  # the client is not on the line yet
    match call.stage:
        case Stage.MENU | Stage.ENDING:
            return {"menu"}
        case Stage.WAITING:
            return {"waiting", "ringing"}
        case Stage.RINGING_AGENT:
            return {"ringing", "menu"}
        case Stage.OUTSIDE:
            return {"outside"}
        case Stage.TALKING:
            return {"outside"} if call.outside_leg is not None else {"talking"}


CALLERS = st.lists(
    st.builds(
        CallerScript,
        name=st.just("Иван"),
        at_s=st.floats(0.0, 60.0).map(lambda at: round(at, 1)),
        dialled=st.just(DID),
        number=st.sampled_from(["+79161234501", "+79161234502", "+79161234503", ""]),
        keys=st.lists(st.sampled_from(["1", "2", "3", "7", ""]), max_size=3).map(tuple),
        hang_up=st.none()
        | st.builds(HangUp, st.sampled_from(list(At)), st.sampled_from([0.5, 3.0, 25.0])),
    ),
    min_size=1,
    max_size=6,
)
ACTS = st.builds(
    PhoneAct,
    st.sampled_from(list(Reaction)),
    st.sampled_from([0.5, 3.0]),
    st.sampled_from([None, 4.0, 20.0]),
    st.sampled_from([None, None, "102", "200", "+79165550000"]),
)
PHONES = st.dictionaries(
    st.sampled_from(
        ["PJSIP/anna", "PJSIP/boris", "PJSIP/mobile", "PJSIP/vera", "PJSIP/+79165550000@trunk"]
    ),
    st.lists(ACTS, min_size=1, max_size=3).map(tuple),
)
NEWS: list[Callable[[VirtualWorld, AgentId], None]] = [
    lambda world, one: world.core.tell(events.AgentPaused(one, "обед"), world.clock.now()),
    lambda world, one: world.core.tell(events.AgentResumed(one), world.clock.now()),
    lambda world, one: world.core.tell(events.AgentLoggedOut(one), world.clock.now()),
    lambda world, one: world.core.tell(events.AgentLoggedIn(one), world.clock.now()),
    lambda world, one: world.core.tell(events.OwnCallStarted(one, "own"), world.clock.now()),
    lambda world, one: world.core.tell(events.OwnCallEnded(one, "own"), world.clock.now()),
]


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    CALLERS,
    PHONES,
    st.sampled_from(["ring-all", "linear", "longest-idle"]),
    st.sampled_from(["main", "to-sales"]),
    st.randoms(use_true_random=False),
)
def test_it_says_what_the_engine_says_and_changes_add_up_to_it(
    callers: list[CallerScript], phones: Any, strategy: str, entry: str, rng: random.Random
) -> None:
    where = plan(TEAM, [sales(*TEAM, strategy=strategy, max_wait_s=40.0)], entry=entry)
    watched = Watched(where, callers, phones)
    world = watched.world
    while (at := world.next_at) is not None and at <= START + 300.0:
        world.step()
        if rng.random() < 0.05:
            rng.choice(NEWS)(world, rng.choice(TEAM).agent_id)
        watched.look()
        agrees(watched.board, world)
        if rng.random() < 0.3:
            watched.tell()
    watched.tell()
    assert watched.tell() is None, "nothing is told twice"


@settings(max_examples=12, deadline=None)
@given(CALLERS, PHONES, st.floats(1.0, 60.0), st.booleans())
def test_a_new_plan_is_told_whole_and_who_is_in_a_call_stays(
    callers: list[CallerScript], phones: Any, at_s: float, gone: bool
) -> None:
    before = plan(TEAM, [sales(*TEAM)], entry="main")
    after = plan(TEAM[:1] if gone else [*TEAM, agent("new")], [sales(*TEAM[:1])], entry="main")
    watched = Watched(before, callers, phones)
    world = watched.world
    world.run(START + at_s)
    watched.tell()

    world.core.replace_plan(after, START + at_s, Phones())
    watched.board.replace_plan(after)

    message = watched.tell()
    assert message is not None
    assert message["type"] == "snapshot"
    while (at := world.next_at) is not None and at <= START + 300.0:
        watched.look()
        agrees(watched.board, world)
        world.step()
        watched.tell()
    if gone and not world.switch.busy:  # a talk may have no end
        kept = {one.agent_id for one in watched.board.agents.values()}
        assert kept == {AgentId("anna")}, "who was in a call has gone with it"


def test_a_callback_is_shown_with_who_wanted_it_and_takes_no_place_in_the_line() -> None:
    phones = {"PJSIP/anna": (PhoneAct(Reaction.NO_ANSWER), HOLDS), TRUNK: (PICKS_UP,)}
    watched = Watched(company(ring_time_s=5.0), [asks()], phones)
    seen: list[tuple[str, str]] = []
    while (at := watched.world.next_at) is not None and at <= START + 200.0:
        watched.world.step()
        watched.look()
        agrees(watched.board, watched.world)
        watched.tell()
        for call in watched.board.calls.values():
            if call.origin == "callback" and (not seen or seen[-1] != (call.stage, call.number)):
                seen.append((call.stage, call.number))
    (opened,) = watched.story.of(journal.CallbackOpened)
    assert seen[0] == ("waiting", opened.number) or seen[0] == ("ringing", opened.number)
    assert seen[-2:] == [("calling", opened.number), ("talking", opened.number)]


def test_a_row_tells_where_a_caller_is() -> None:
    where = plan([TEAM[0]], [sales(TEAM[0])], entry="main")
    script = CallerScript("Иван", 0.0, DID, "+79161234501", keys=("1",))
    watched = Watched(where, [script], {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0, 5.0),)})
    stages: list[str] = []
    gone: list[str] = []
    while watched.world.next_at is not None and not gone:
        watched.world.step()
        if message := watched.tell():
            stages += [row["stage"] for row in message["calls"] if row["stage"] not in stages]
            gone += message["gone"]

    assert stages == ["menu", "ringing", "talking"]
    assert gone == ["sim-1"]


def test_a_row_has_the_name_that_a_crm_gave() -> None:
    where = plan([TEAM[0]], [sales(TEAM[0])], entry="main")
    script = CallerScript("Иван", 0.0, DID, "+79161234501")
    watched = Watched(where, [script], {}, crm=lambda _: Reply(Known(name="Ромашка"), 0.3))
    names: list[str] = []
    while watched.world.clock.now() < START + 1.0:
        watched.world.step()
        if message := watched.tell():
            names += [row["name"] for row in message["calls"] if row["name"] not in names]

    assert names == ["Иван", "Ромашка"]


NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)


def begins(number: int, *, reconstructed: bool = False) -> journal.CallStarted:
    return journal.CallStarted(
        CallId(f"c{number}"), DID, "+7916", "", "", "site", "ru", reconstructed=reconstructed
    )


def waits(number: int, since: datetime) -> facts.WaitStarted:
    return facts.WaitStarted(CallId(f"c{number}"), QueueId("sales"), 1, 0, since.timestamp())


def test_who_was_found_after_a_time_without_an_engine_has_waited_since_before() -> None:
    board = Board(plan([TEAM[0]], [sales(TEAM[0])]))
    before = NOW - timedelta(minutes=3)
    for number, reconstructed in ((1, True), (2, False)):
        board.take(Stamped(NOW, begins(number, reconstructed=reconstructed)))
        board.take(Stamped(NOW, waits(number, before)))

    shown = read(board.snapshot(NOW))

    assert [row["waiting_since"] for row in shown["calls"]] == [stamp(before), stamp(NOW)]
    assert [row["since"] for row in shown["calls"]] == [stamp(before), stamp(NOW)]
    assert shown["queues"][0]["longest_since"] == stamp(before)
    board.take(Stamped(NOW, waits(1, NOW + timedelta(minutes=1))))  # clocks that disagree
    assert read(board.snapshot(NOW))["queues"][0]["longest_since"] == stamp(NOW)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 60) | st.none()), max_size=300))
def test_who_waits_longest_is_known_whoever_comes_and_leaves(
    steps: list[tuple[int, int | None]],
) -> None:
    queue = LiveQueue(QueueId("sales"))
    for number, since_s in steps:
        call_id = CallId(f"c{number}")
        if since_s is None:
            queue.leaves(call_id)
        else:
            queue.comes(call_id, NOW + timedelta(seconds=since_s))
        assert queue.longest_since == min(queue.waiting.values(), default=None)
        assert len(queue._by_age) <= 2 * len(queue.waiting) + 51


def test_a_whole_picture_of_4000_calls_is_joined_not_made() -> None:
    board = Board(plan([TEAM[0]], [sales(TEAM[0])]))
    for number in range(4000):
        board.take(Stamped(NOW, begins(number)))
    board.changed(NOW)
    for call in board.calls.values():
        call.node = "elsewhere"  # behind its back: a row that is written again shows it

    board.take(Stamped(NOW, journal.MenuStep(CallId("c7"), "menu", "menu", "", "")))
    made = [row["id"] for row in read(board.snapshot(NOW))["calls"] if row["node"]]

    assert made == ["c7"]
