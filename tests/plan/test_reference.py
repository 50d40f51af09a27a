"""docs/plan.md says what the models say, docs/strategies.md what the strategies take."""

from __future__ import annotations

from pathlib import Path

from pbx.plan import written
from pbx.plan.reference import render
from pbx.plan.resolve_strategies import written_name
from routing.strategies import BUILTIN

DOCS = Path(__file__).parent.parent.parent / "docs"


def test_the_reference_of_the_plan_is_not_stale() -> None:
    stale = "write it anew: python -m pbx.plan.reference > docs/plan.md"
    assert (DOCS / "plan.md").read_text(encoding="utf-8") == render(), stale


def test_every_key_of_the_plan_is_explained() -> None:
    rows = [line for line in render().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []


def table(first_cell: str) -> list[list[str]]:
    """The rows of the table in docs/strategies.md whose head begins with ``first_cell``."""
    lines = (DOCS / "strategies.md").read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_cell} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    return rows


def test_every_strategy_is_in_the_docs() -> None:
    assert sorted(row[0] for row in table("name")) == sorted(one.name for one in BUILTIN)


def test_every_parameter_is_in_the_docs_with_its_type_and_default() -> None:
    types = {
        "seconds": "duration, s",
        "list of seconds": "list of durations, s",
        "number": "number",
    }
    expected = set()
    for one in BUILTIN:
        for name, param in one.params.items():
            key = written_name(name, param)
            expected.add((one.name, key, types[param.kind], param.default))
        if one.default_fallback:
            expected.add((one.name, "fallback", "strategy", one.default_fallback))

    told = set()
    for strategy, key, kind, default, meaning in table("strategy"):
        assert meaning
        match kind:
            case "duration, s":
                value: object = written.duration(default)
            case "list of durations, s":
                items = [one.strip() for one in default.strip("[]").split(",") if one.strip()]
                value = tuple(written.duration(item) for item in items)
            case "number":
                value = float(default)
            case _:
                value = default
        told.add((strategy, key, kind, value))
    assert told == expected
