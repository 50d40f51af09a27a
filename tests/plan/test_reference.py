"""docs/plan.md says what the models say."""

from __future__ import annotations

from pathlib import Path

from pbx.plan.reference import render

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_reference_of_the_plan_is_not_stale() -> None:
    stale = "write it anew: python -m pbx.plan.reference > docs/plan.md"
    assert (DOCS / "plan.md").read_text(encoding="utf-8") == render(), stale


def test_every_key_of_the_plan_is_explained() -> None:
    rows = [line for line in render().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []
