"""The simulation against formulas: one skill, exponential times."""

from __future__ import annotations

import pytest

from pbx.simulate.callers import Demand, Rate, Stream, Target, callers
from pbx.simulate.draws import NEVER, Draw, Exponential
from pbx.simulate.erlang import erlang_a, erlang_c
from pbx.simulate.experiment import run
from pbx.simulate.staff import Forecast, Goal, needs
from pbx.simulate.world import Setting
from routing.strategy import Registry
from tests.world import SALES, START, agent, plan, sales

pytestmark = pytest.mark.slow

TALK_S = 120.0


def setting(managers: int, per_hour: float, *, hours: float, patience: Draw = NEVER) -> Setting:
    """One queue of equal managers who answer at once; an hour to fill it is not counted."""
    team = [agent(f"a{n}") for n in range(managers)]
    rates = (Rate(0.0, hours * 3600, per_hour),)
    demand = Demand(
        (Stream(Target(queue_id=SALES), rates),), talk=Exponential(TALK_S), patience=patience
    )
    company = plan(team, [sales(*team, strategy="longest-idle")])
    return Setting(company, demand, start=START, length_s=hours * 3600, warm_up_s=3600.0)


def test_published_values_of_erlang_c_come_out() -> None:
    # 10 erlang on 14 managers: C(14, 10) = 0.1741 (Erlang C tables, e.g. Cooper, Introduction to
    # Queueing Theory, 1981, by formula 4.8 of chapter 3).
    found = erlang_c(10 / 180, 180.0, 14)

    assert found.waits == pytest.approx(0.1741, abs=0.0005)
    assert found.service_level(20) == pytest.approx(0.888, abs=0.001)
    assert erlang_c(1.0, 10.0, 10).service_level(20) == 0.0


def test_callers_who_never_give_up_meet_erlang_c() -> None:
    theory = erlang_c(96 / 3600, TALK_S, 4)

    (found,) = run(setting(4, 96, hours=30), ["plan"], registry=Registry.builtin(), runs=5, seed=11)
    figures = found.estimates()

    assert figures["asa_s"].holds(theory.asa_s)
    assert figures["service_level_of_offered"].holds(theory.service_level(20))
    assert figures["occupancy"].holds(theory.occupancy)
    # An interval that holds anything would prove nothing.
    assert (figures["asa_s"].half or 0) < theory.asa_s / 2


def test_callers_who_give_up_meet_erlang_a() -> None:
    theory = erlang_a(150 / 3600, TALK_S, 90.0, 4)

    (found,) = run(
        setting(4, 150, hours=20, patience=Exponential(90.0)),
        ["plan"],
        registry=Registry.builtin(),
        runs=5,
        seed=11,
    )
    figures = found.estimates()

    assert figures["abandoned"].holds(theory.abandoned)
    assert figures["occupancy"].holds(theory.occupancy)
    assert (figures["abandoned"].half or 0) < theory.abandoned / 3


def test_staff_says_the_fewest_that_reach_the_goal_in_the_simulation() -> None:
    (need,) = needs(Forecast(((0.0, 60.0),), TALK_S), Goal(0.8, 20.0))

    levels = []
    for managers in (need.managers - 1, need.managers):
        (found,) = run(
            setting(managers, 120, hours=15), ["plan"], registry=Registry.builtin(), runs=4, seed=3
        )
        levels.append(found.estimates()["service_level_of_offered"].mean)

    assert levels[0] < 0.8 <= levels[1]


def test_the_same_seed_is_the_same_day_and_another_is_not() -> None:
    demand = setting(2, 60, hours=2).demand

    assert callers(demand, 5) == callers(demand, 5)
    assert callers(demand, 5) != callers(demand, 6)
