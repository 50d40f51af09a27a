"""``pbx replay``: what was, once more; and what else could have been."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from bench.logged import route, write
from bench.replay import BEGINS, DID, month, who_calls
from pbx.cli import main
from pbx.errors import JournalError
from pbx.journal import port
from pbx.journal.database import migrate, open_for_writing
from pbx.plan.faults import PlanError
from pbx.plan.load import load
from pbx.simulate.callers import Caller, Demand, Rate, Stream, Target, callers
from pbx.simulate.draws import Empirical, Exponential
from pbx.simulate.experiment import with_strategy
from pbx.simulate.history import kaplan_meier
from pbx.simulate.presence import Presence, attendance, read_roster, rostered
from pbx.simulate.recorded import Recorded, recorded
from pbx.simulate.replay import Alternative, Replayed, callers_of, estimated, replay
from pbx.simulate.tally import figures
from pbx.simulate.world import Ending, Setting, World
from routing import events, facts
from routing.strategy import Registry
from routing.values import AgentId, AgentState, CallId, Outcome

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[2] / "config"
REGISTRY = Registry.builtin()
UNTIL = BEGINS + timedelta(days=2)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Engine]:
    engine = open_for_writing(f"sqlite:///{tmp_path / 'log.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


def two_days(ran: str) -> Setting:
    setting = month(900, days=2, managers=5, ran=ran)
    return replace(setting, demand=replace(setting.demand, patience=Exponential(60.0)))


def replayed(log: Engine, setting: Setting, *instead: str, runs: int = 2) -> Replayed:
    found = recorded(log, BEGINS, UNTIL, dids=[DID])
    alternatives = [
        Alternative(name, setting.plan, with_strategy(setting.plan.routing, name), found.presence)
        for name in instead
    ]
    return replay(
        found,
        setting.plan,
        alternatives,
        registry=REGISTRY,
        runs=runs,
        seed=5,
        target_s=20.0,
    )


@pytest.mark.parametrize("ran", ["longest-idle", "ring-all", "skill-priority"])
def test_what_ran_is_reproduced_call_by_call(log: Engine, ran: str) -> None:
    setting = two_days(ran)
    route(log, setting, setting.plan.routing, who_calls(setting, 1), registry=REGISTRY, seed=1)

    found = replayed(log, setting).fidelity

    assert found.calls > 500
    assert 0 < found.log["lost"] < 0.5
    assert found.same_ending.mean > 0.999
    assert found.same_manager.mean > 0.99
    assert found.wait_gap_90_s.mean < 0.01
    for key, was in found.log.items():
        assert found.replay[key].mean == pytest.approx(was, rel=0.01, abs=0.01)


def test_the_strategy_that_ran_is_taken_from_the_log_not_from_the_plan(log: Engine) -> None:
    setting = two_days("longest-idle")
    routing = with_strategy(setting.plan.routing, "ring-all")
    route(log, setting, routing, who_calls(setting, 1), registry=REGISTRY, seed=1)

    found = replayed(log, setting)

    assert set(found.strategies.values()) == {"ring-all"}
    assert found.fidelity.same_manager.mean > 0.99


def test_another_strategy_agrees_with_what_it_would_really_have_done(log: Engine) -> None:
    setting = two_days("longest-idle")
    who = who_calls(setting, 1)
    route(log, setting, setting.plan.routing, who, registry=REGISTRY, seed=1)
    truth = month_figures(setting, "ring-all", who)

    was, instead = replayed(log, setting, "ring-all", runs=3).results

    found = instead.estimates()
    assert was.of("offered") == instead.of("offered")
    assert found["lost"].mean == pytest.approx(truth["lost"], abs=0.03)
    assert found["asa_s"].mean == pytest.approx(truth["asa_s"], rel=0.25)
    assert instead.against(was)["asa_s"].mean < 0


def month_figures(setting: Setting, strategy: str, who: Sequence[Caller]) -> dict[str, float]:
    routing = with_strategy(setting.plan.routing, strategy)
    return figures(World(setting, routing, who, registry=REGISTRY, seed=1).run())


def test_callers_of_the_log_walk_the_plans_own_menus_with_their_own_keys(log: Engine) -> None:
    plan = load(CONFIG, registry=REGISTRY)
    monday = datetime(2026, 11, 23, 8, tzinfo=UTC)
    rates = (Rate(0.0, 3 * 3600.0, 40.0),)
    demand = Demand((Stream(Target(did="+78005553535"), rates),))
    setting = Setting(plan, demand, start=monday.timestamp(), length_s=4 * 3600.0)
    ways = (("1",), ("2", "1"), ("3",), ("2", "3", "1"), ("5", ""), ())
    who = [replace(one, keys=ways[one.no % len(ways)], menu_s=5.0) for one in callers(demand, 2)]
    everybody = Presence(there=[(setting.start, setting.start + setting.length_s)])
    present = attendance(
        dict.fromkeys(plan.on_duty, everybody), setting.start, setting.start + setting.length_s
    )
    setting = replace(setting, attendance=present)
    route(log, setting, plan.routing, who, registry=REGISTRY, seed=1)

    found = recorded(log, monday, monday + timedelta(hours=4), dids=plan.numbers)
    told = replay(found, plan, (), registry=REGISTRY, runs=1, seed=1, target_s=20.0).fidelity

    assert [tuple(one.keys) for one in found.calls] == [one.keys for one in who]
    assert told.same_ending.mean > 0.99


def test_patience_is_known_of_who_gave_up_and_more_than_the_wait_of_all_others(
    log: Engine,
) -> None:
    setting = two_days("longest-idle")
    route(log, setting, setting.plan.routing, who_calls(setting, 1), registry=REGISTRY, seed=1)
    found = recorded(log, BEGINS, UNTIL, dids=[DID])
    unknown = estimated(found)

    for seed in (1, 2):
        for caller, call in zip(callers_of(found, unknown, seed), found.calls, strict=True):
            if call.ending is Ending.ABANDONED:
                assert caller.patience_s == call.waited_s
            else:
                assert caller.patience_s >= call.waited_s
                assert caller.talk_s == call.talk_s or call.ending is not Ending.ANSWERED


def test_who_has_waited_longer_is_drawn_from_those_who_stay_longer() -> None:
    patience = kaplan_meier([(10.0, True), (20.0, True), (30.0, True), (40.0, True)])

    assert isinstance(patience, Empirical)
    assert [patience.beyond(20.0, share) for share in (0.1, 0.6)] == [30.0, 40.0]
    assert patience.beyond(50.0, 0.5) == float("inf")


# Managers ------------------------------------------------------------------------------------


def states(log: Engine, agent: str, *moves: tuple[float, AgentState, str]) -> None:
    """``moves``: hours after the begin, the new state, why."""
    began = BEGINS.timestamp()
    entries: list[tuple[float, port.Entry]] = []
    old, since = AgentState.OFFLINE, 0.0
    for at_h, new, why in moves:
        changed = facts.AgentChanged(AgentId(agent), old, new, why, None, (at_h - since) * 3600)
        entries.append((began + at_h * 3600, changed))
        old, since = new, at_h
    write(log, entries)


def test_managers_are_there_when_the_log_says_so(log: Engine) -> None:
    talked = [(BEGINS.timestamp() + 1, entry) for entry in _a_call()]
    write(log, talked)
    states(
        log,
        "anna",
        (1, AgentState.FREE, "logged_in"),
        (3, AgentState.PAUSED, "lunch"),
        (4, AgentState.FREE, "resumed"),
        (5, AgentState.PAUSED, "no_answer_3_times"),
        (5.25, AgentState.FREE, "resumed"),
        (6, AgentState.TALKING, "own_call"),
        (6.5, AgentState.FREE, "own_call_ended"),
        (9, AgentState.OFFLINE, "logged_out"),
    )

    found = recorded(log, BEGINS, UNTIL, dids=[DID])
    begins = found.begins

    anna = found.presence[AgentId("anna")]
    hours = [
        [((start - begins) / 3600, (end - begins) / 3600) for start, end in spans]
        for spans in (anna.there, anna.paused, anna.own)
    ]
    assert hours == [[(1, 9)], [(3, 4)], [(6, 6.5)]]
    assert found.pauses_s == [900.0]
    told = attendance(found.presence, begins, found.ends)
    assert told.present_s == {"anna": 7 * 3600.0}
    assert [type(event) for _, event in told.events] == [
        events.AgentLoggedIn,
        events.AgentPaused,
        events.AgentResumed,
        events.OwnCallStarted,
        events.OwnCallEnded,
        events.AgentLoggedOut,
    ]


def _a_call() -> list[port.Entry]:
    call_id = CallId("x")
    return [
        port.CallStarted(call_id, DID, "+79161234567", "", "", "", "ru"),
        port.CallEnded(call_id, Outcome.ABANDONED_IN_MENU, False, 0.0, 0.0, "16", "main"),
    ]


def test_a_roster_replaces_hours_and_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "roster.yaml"
    file.write_text(
        "managers:\n  anna: {mon-fri: 09:00-13:00, sat: closed}\n  boris: closed\n",
        encoding="utf-8",
    )
    people = [AgentId(one) for one in ("anna", "boris", "vera")]
    monday = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    before = {one: Presence(there=[(monday, monday + 100.0)]) for one in people}

    roster = read_roster(file, people)
    found = rostered(before, roster, monday, monday + 86_400.0, UTC)

    begin = monday + 9 * 3600.0
    assert (begin, begin + 4 * 3600.0) in found[AgentId("anna")].there
    assert found[AgentId("boris")].there == []
    assert found[AgentId("vera")] is before[AgentId("vera")]


def test_every_mistake_in_a_roster_has_its_place(tmp_path: Path) -> None:
    file = tmp_path / "roster.yaml"
    file.write_text("managers:\n  anan: closed\n  anna: {mon: 9-13}\n", encoding="utf-8")

    with pytest.raises(PlanError) as told:
        read_roster(file, [AgentId("anna")])

    assert f"{file}:2:3: managers: unknown manager" in str(told.value)
    assert f"{file}:3:15: anna:" in str(told.value)


# The command ---------------------------------------------------------------------------------


def test_the_command_says_how_far_to_trust_it_before_anything_else(
    log: Engine, tmp_path: Path
) -> None:
    plan = load(CONFIG, registry=REGISTRY)
    since = datetime(2026, 11, 23, tzinfo=UTC)
    route_config(log, since)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    command: tuple[str, ...] = ("replay", str(CONFIG), "--db", url, "--since", "2026-11-23T00:00Z")
    command += ("--until", "2026-11-24T00:00Z", "--strategy", "round-robin", "--runs", "2")

    shown = CliRunner().invoke(main, command)
    told = CliRunner().invoke(main, (*command, "--json"))

    assert shown.exit_code == 0, shown.output
    assert shown.output.index("same manager") < shown.output.index("round-robin")
    assert "Kaplan-Meier" in shown.output
    found = json.loads(told.output)
    assert [one["strategy"] for one in found["strategies"]] == ["as it ran", "round-robin"]
    assert found["fidelity"]["calls"] > 20
    assert found["ran"]["sales"] == plan.routing.queues["sales"].strategy.name  # type: ignore[index]


def route_config(log: Engine, since: datetime) -> None:
    plan = load(CONFIG, registry=REGISTRY)
    rates = (Rate(8 * 3600.0, 11 * 3600.0, 30.0),)
    demand = Demand((Stream(Target(did="+78005553535"), rates),))
    setting = Setting(plan, demand, start=since.timestamp(), length_s=86_400.0)
    who: list[Caller] = [replace(one, keys=("1",), menu_s=5.0) for one in callers(demand, 2)]
    route(log, setting, plan.routing, who, registry=REGISTRY, seed=1)


def test_a_log_without_talks_is_told_in_one_line(log: Engine, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"

    result = CliRunner().invoke(main, ("replay", str(CONFIG), "--db", url))

    assert result.exit_code == 1
    assert "no talks of that time" in result.output
    with pytest.raises(JournalError):
        estimated(
            Recorded(0.0, 1.0, [], recorded(log, BEGINS, UNTIL, dids=[]).left_out, {}, {}, [], {})
        )
