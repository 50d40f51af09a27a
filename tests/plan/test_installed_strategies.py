"""Strategies of installed packages: found by their entry point, told when they are broken."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from pbx.plan import strategies
from pbx.plan.faults import PlanError
from pbx.plan.load import load
from pbx.plan.strategies import GROUP, installed_strategies
from routing.strategies.linear import Linear
from routing.strategy import Registry

PLAN = """\
settings: {region: RU, time_zone: Europe/Moscow, languages: ru}
numbers: {+78005553535: {entry: {queue: sales}}}
managers: {anna: {name: Anna}}
queues: {sales: {members: anna, strategy: by-the-moon}}
"""


def install(monkeypatch: pytest.MonkeyPatch, **places: str) -> None:
    """As if a package had declared these entry points."""
    points = EntryPoints(
        EntryPoint(name.replace("_", "-"), place, GROUP) for name, place in places.items()
    )
    monkeypatch.setattr(strategies, "entry_points", lambda group: points.select(group=group))


def test_a_packages_strategy_can_be_named_in_a_plan(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    with pytest.raises(PlanError, match='unknown strategy "by-the-moon"'):
        load(file, registry=Registry.builtin())
    install(monkeypatch, by_the_moon="routing.strategies:Linear")
    assert load(file).routing.queues
    assert installed_strategies().get("by-the-moon") is Linear


def test_a_package_cannot_replace_a_strategy_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ring_all="routing.strategies:Linear")
    assert installed_strategies().get("ring-all") is Registry.builtin().get("ring-all")


@pytest.mark.parametrize(
    ("place", "why"),
    [("no_such_package:Moon", "can't be imported"), ("pathlib:Path", "is no subclass")],
)
def test_a_broken_strategy_is_told_with_its_name(
    monkeypatch: pytest.MonkeyPatch, place: str, why: str
) -> None:
    install(monkeypatch, by_the_moon=place)
    with pytest.raises(PlanError, match=f'strategy "by-the-moon" {why}'):
        installed_strategies()
