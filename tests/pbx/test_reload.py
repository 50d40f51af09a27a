"""The plan in force and its replacement: all or nothing, and what a start begins with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pbx.errors import BuildFailed, ControlError
from pbx.plan.aside import Built, build_aside
from pbx.plan.faults import PlanError
from pbx.plan.load import Sources
from pbx.plan.model import Plan
from pbx.plan.prompts import PromptProblem
from pbx.plan.versions import How, VersionStore
from pbx.reload import LivePlan, first_plan
from routing.strategies.longest_idle import LongestIdle
from routing.strategy import Registry

AT = datetime(2026, 11, 24, 6, 14, tzinfo=UTC)
GOOD = """
settings: {region: RU, time_zone: Europe/Moscow, languages: [ru]}
managers: {anna: {name: Anna}}
queues: {sales: {members: [anna], strategy: linear}}
numbers: {"+78005553535": {entry: {queue: sales}}}
"""
OTHER = GOOD.replace("linear", "ring-all")
BROKEN = GOOD.replace("linear", "liniar")


class House:
    """A live plan with nobody behind it; what it did is kept."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "plan.yaml"
        self.store = VersionStore(folder / "state")
        self.strategies = Registry.builtin()
        self.done: list[str] = []
        self.loads: list[tuple[bool, str]] = []

    def write(self, text: str) -> None:
        self.file.write_text(text)

    async def begin(
        self, build: Callable[[Sources, bytes, Registry], Built] = build_aside
    ) -> LivePlan:
        live = LivePlan(
            self.file,
            self.store,
            first_plan(self.file, self.store, self.strategies),
            prepare=self._prepare,
            put=self._put,
            strategies=self.strategies,
            utc_now=lambda: AT,
            watcher=self,
            build=build,
        )
        await live.in_force()
        return live

    def _prepare(self, plan: Plan) -> list[PromptProblem]:
        self.done.append("prompts")
        return [PromptProblem("hello", "ru", "no text")]

    def _put(self, plan: Plan) -> None:
        self.done.append(plan.digest)

    def plan_loaded(self, at: float, ok: bool, digest: str = "") -> None:
        self.loads.append((ok, digest))


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    house.write(GOOD)
    return house


def strategy(plan: Plan) -> str:
    (queue,) = plan.routing.queues.values()
    return queue.strategy.name


async def test_everything_slow_is_done_before_the_plan_is_put_in_force(house: House) -> None:
    live = await house.begin()
    house.write(OTHER)

    done = await live.reload("ivan")

    assert house.done == ["prompts", live.plan.digest]
    assert done.text.startswith("~ queue sales\n    strategy")
    assert done.problems == ('missing: prompt "hello" (ru): no text',)
    assert [(one.number, one.how, one.author) for one in house.store.all()][1:] == [
        (2, How.RELOAD, "ivan")
    ]
    assert house.loads[-1] == (True, live.plan.digest)


async def test_a_broken_plan_changes_nothing_and_says_so(house: House) -> None:
    live = await house.begin()
    house.write(BROKEN)

    with pytest.raises(ControlError) as told:
        await live.reload("ivan")

    assert str(told.value).startswith(f"{house.file}:4:")
    assert str(told.value).endswith("1 error, nothing was loaded; the plan of 09:14 stays active.")
    assert house.done == []
    assert strategy(live.plan) == "linear"
    assert len(house.store.all()) == 1
    assert house.loads[-1] == (False, "")


async def test_rollback_holds_over_restarts_until_the_files_change(house: House) -> None:
    live = await house.begin()
    house.write(OTHER)
    await live.reload("ivan")
    await live.roll_back("", "maria")
    assert strategy(live.plan) == "linear"
    assert house.file.read_text() == OTHER

    again = await house.begin()
    assert strategy(again.plan) == "linear"
    assert [one.how for one in house.store.all()] == [How.START, How.RELOAD, How.ROLLBACK]

    house.write(OTHER + "# touched\n")
    later = await house.begin()
    assert strategy(later.plan) == "ring-all"
    await later.roll_back(house.store.all()[0].digest[:6], "maria")
    assert strategy(later.plan) == "linear"


async def test_a_start_with_broken_files_serves_calls_by_the_last_plan(house: House) -> None:
    with pytest.raises(PlanError):
        first_plan(house.file.with_name("none.yaml"), house.store, house.strategies)
    await house.begin()
    house.write(BROKEN)

    live = await house.begin()

    assert strategy(live.plan) == "linear"
    assert house.loads[-1] == (False, live.plan.digest)


class Fragile(LongestIdle):
    """From a package that somebody has just put in."""

    name = "fragile"

    def __init__(self, *given: object, **more: object) -> None:
        raise RuntimeError("no licence")


async def test_a_strategy_that_can_not_be_made_stops_the_plan_beforehand(house: House) -> None:
    house.strategies = Registry.builtin().with_plugins({"fragile": Fragile})
    live = await house.begin()
    house.write(GOOD.replace("linear", "fragile"))

    with pytest.raises(ControlError, match="no licence"):
        await live.reload("ivan")

    assert strategy(live.plan) == "linear"
    assert house.done == []


async def test_a_plan_that_can_not_be_built_changes_nothing_and_says_so(house: House) -> None:
    def fails(*given: object) -> Built:
        raise BuildFailed("the plan's builder failed: no memory")

    live = await house.begin(fails)
    house.write(OTHER)

    with pytest.raises(ControlError) as told:
        await live.reload("ivan")

    assert str(told.value) == (
        "the plan's builder failed: no memory; the plan of 09:14 stays active."
    )
    assert strategy(live.plan) == "linear"
    assert house.done == []
    assert house.loads[-1] == (False, "")


async def test_two_who_reload_at_once_do_it_one_after_the_other(house: House) -> None:
    live = await house.begin()
    house.write(OTHER)

    first, second = await asyncio.gather(live.reload("ivan"), live.reload("maria"))

    assert len(first.changes) == 1
    assert second.text == "nothing changed"
    assert house.store.all()[-1].author == "ivan"


async def test_a_full_disk_does_not_stand_in_the_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = await house.begin()
    house.write(OTHER)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(house.store, "keep", full)
    done = await live.reload("ivan")

    assert strategy(live.plan) == "ring-all"
    assert done.version is None
    assert "No space left" in done.problems[-1]
