"""Every bad plan in tests/plans/bad has its exact words beside it; every good one loads.

After a change that is meant, ``UPDATE_EXPECTED=1 pytest tests/plan/test_golden_plans.py`` writes
the words anew: read the difference before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pbx.plan.faults import PlanError
from pbx.plan.load import load
from routing.strategy import Registry

PLANS = Path(__file__).parent.parent / "plans"
STRATEGIES = Registry.builtin()


def _names(kind: str) -> list[str]:
    return sorted(
        one.name for one in (PLANS / kind).iterdir() if one.suffix in ("", ".yaml", ".yml")
    )


@pytest.mark.parametrize("name", _names("bad"))
def test_bad_plan_is_told_in_exactly_these_words(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PLANS / "bad")
    with pytest.raises(PlanError) as caught:
        load(Path(name), registry=STRATEGIES)
    told = f"{caught.value}\n"
    expected = Path(name).with_suffix(".expected")
    if os.environ.get("UPDATE_EXPECTED"):
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", _names("good"))
def test_good_plan_loads_with_exactly_these_warnings(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PLANS / "good")
    plan = load(Path(name), registry=STRATEGIES)
    told = "".join(f"{warning.render()}\n" for warning in plan.warnings)
    expected = Path(name).with_suffix(".expected")
    if os.environ.get("UPDATE_EXPECTED"):
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8")


def test_every_expectation_has_its_plan() -> None:
    for kind in ("bad", "good"):
        plans = {Path(name).stem for name in _names(kind)}
        assert {one.stem for one in (PLANS / kind).glob("*.expected")} == plans
