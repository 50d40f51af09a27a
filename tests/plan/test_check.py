"""``pbx check`` as an admin meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pbx.cli.check import check

ROOT = Path(__file__).parent.parent.parent


def run(*arguments: str) -> Result:
    return CliRunner().invoke(check, list(arguments))


def test_a_good_plan_is_ok_and_counted() -> None:
    result = run(str(ROOT / "config"))
    assert result.exit_code == 0
    assert "ok: 3 numbers, 8 managers, 3 departments, 5 queues" in result.stdout


def test_a_bad_plan_exits_with_1_and_tells_every_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "tests/plans/bad")
    result = run("strategies.yaml")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == Path("strategies.expected").read_text(encoding="utf-8")


def test_the_environment_names_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VORONKA_PLAN", str(ROOT / "config"))
    assert run().exit_code == 0


def test_a_path_that_is_not_there_exits_with_1() -> None:
    result = run("nowhere")
    assert result.exit_code == 1
    assert result.stderr.startswith("nowhere: there is no such file or folder\n")


def test_wrong_usage_exits_with_2() -> None:
    assert run("--nonsense").exit_code == 2


def test_json_tells_the_same_to_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "tests/plans/bad")
    told = json.loads(run("--json", "strategies.yaml").stdout)
    assert told["ok"] is False
    assert told["errors"][0] == {
        "file": "strategies.yaml",
        "line": 9,
        "column": 15,
        "message": 'queue "sales": unknown strategy "raund-robin"',
        "hint": 'did you mean "round-robin"?',
        "notes": [
            "known: fewest-calls, least-talk-time, linear, longest-idle, random, ring-all, ..."
        ],
    }
    good = json.loads(run("--json", str(ROOT / "config")).stdout)
    assert good["ok"] is True
    assert good["counts"]["queues"] == 5
    assert len(good["digest"]) == 64


def test_strict_fails_on_warnings_and_missing_prompts() -> None:
    plan = str(ROOT / "tests/plans/good/everything.yaml")
    assert run(plan).exit_code == 0
    result = run("--strict", plan)
    assert result.exit_code == 1
    assert "warning: " in result.stdout
    assert "prompts are missing" in result.stdout
