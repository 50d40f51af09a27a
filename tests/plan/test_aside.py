"""A plan built in a process of its own is the plan that is built here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.reload import plan_text
from pbx.errors import BuildFailed
from pbx.plan import aside
from pbx.plan.aside import build_aside, keep
from pbx.plan.changes import Change, Kind
from pbx.plan.faults import PlanError
from pbx.plan.load import Loaded, build, read
from routing.strategies.linear import Linear
from routing.strategy import Registry

STRATEGIES = Registry.builtin()
CONFIG = Path(__file__).parents[2] / "config"


def here(path: Path) -> Loaded:
    return build(read(path), registry=STRATEGIES)


def large(folder: Path, ring_time_s: int = 20) -> Path:
    file = folder / f"plan{ring_time_s}.yaml"
    file.write_text(plan_text(ring_time_s))
    return file


@pytest.mark.parametrize("which", ["shipped", "large"])
def test_it_is_the_same_plan_in_the_same_order(which: str, tmp_path: Path) -> None:
    loaded = here(CONFIG if which == "shipped" else large(tmp_path))

    built = build_aside(loaded.sources, keep(loaded), STRATEGIES)

    plan = loaded.plan
    assert built.plan == plan
    assert built.plan.places == plan.places
    assert built.changes == ()
    for mine, theirs in (
        (built.plan.numbers, plan.numbers),
        (built.plan.tree, plan.tree),
        (built.plan.routing.agents, plan.routing.agents),
        (built.plan.routing.queues, plan.routing.queues),
    ):
        assert list(mine) == list(theirs)


def test_it_is_compared_with_the_one_before(tmp_path: Path) -> None:
    first = here(large(tmp_path, 20))

    second = build_aside(read(large(tmp_path, 30)), keep(first), STRATEGIES)
    third = build_aside(first.sources, second.kept, STRATEGIES)

    for built in (second, third):
        queues = [one for one in built.changes if one.what == "queue"]
        assert len(queues) == 50
        assert all(isinstance(one, Change) and one.kind is Kind.ALTERED for one in queues)


def test_mistakes_are_told_as_ever(tmp_path: Path) -> None:
    before = keep(here(CONFIG))
    file = tmp_path / "plan.yaml"
    file.write_text("queues: {sales: {strategy: raund-robin}}")

    with pytest.raises(PlanError) as there:
        build_aside(read(file), before, STRATEGIES)
    with pytest.raises(PlanError) as told:
        here(file)

    assert there.value.render() == told.value.render()


class Talkative(Linear):
    """Of a package that prints when it is imported."""

    name = "talkative"


print("A line on the standard output, in that process, too.")


def test_strategies_of_packages_are_known_there_whatever_they_print(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(plan_text(20).replace("longest-idle", "talkative"))
    registry = Registry.builtin().with_plugins({"talkative": Talkative})

    built = build_aside(read(file), keep(here(CONFIG)), registry)

    assert built.plan.routing.queues["all"].strategy.name == "talkative"  # type: ignore[index]


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import sys; sys.exit('no memory')", "the plan's builder failed: no memory"),
        ("import os; os.kill(os.getpid(), 9)", "the plan's builder failed: it ended with -9"),
    ],
)
def test_a_process_that_fails_is_a_plan_that_is_not_loaded(program: str, told: str) -> None:
    loaded = here(CONFIG)
    with pytest.raises(BuildFailed, match=told):
        build_aside(loaded.sources, b"", STRATEGIES, command=(sys.executable, "-c", program))


def test_one_that_can_not_be_started_too() -> None:
    with pytest.raises(BuildFailed, match="can't be started: No such file"):
        build_aside(here(CONFIG).sources, b"", STRATEGIES, command=("/nowhere/python",))


def test_one_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "LONGEST_S", 0.2)
    with pytest.raises(BuildFailed, match="took more than 0 s"):
        build_aside(here(CONFIG).sources, b"", STRATEGIES, command=("sleep", "60"))


def test_it_is_told_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VORONKA_AMI_SECRET", "s3cret")
    program = "import os, sys; sys.exit(str([one for one in os.environ if 'VORONKA' in one]))"
    with pytest.raises(BuildFailed, match=r"failed: \[\]"):
        build_aside(here(CONFIG).sources, b"", STRATEGIES, command=(sys.executable, "-c", program))
