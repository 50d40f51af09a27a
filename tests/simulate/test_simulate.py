"""``pbx simulate`` as a head of sales uses it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from pbx.cli import main
from pbx.simulate.history import kaplan_meier

CONFIG = str(Path(__file__).parents[2] / "config")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def test_strategies_are_compared_on_the_same_callers() -> None:
    command = ("simulate", CONFIG, "--compare", "round-robin,ring-all", "--runs", "2", "--json")
    code, output = run(*command)
    assert code == 0

    first, second = json.loads(output)["strategies"]
    assert [one["offered"] for one in first["each_run"]] == [
        one["offered"] for one in second["each_run"]
    ]
    assert first["each_run"] != second["each_run"]
    assert run(*command) == (code, output)


def test_every_mistake_in_the_parameters_has_its_place(tmp_path: Path) -> None:
    file = tmp_path / "day.yaml"
    file.write_text('callers:\n  - number: "+78005553536"\n    per_hour: lots\npatiense: 3m\n')

    code, output = run("simulate", CONFIG, "--with", str(file))

    assert code == 1
    assert f"{file}:2:13: number: unknown number" in output
    assert f'{file}:3:15: per_hour: "lots" is not a number' in output
    assert f'{file}:4:1: the file has no key "patiense"' in output
    assert 'did you mean "patience"?' in output


def test_patience_is_more_than_that_of_those_who_gave_up() -> None:
    # One of four gives up at 10 s, one of the two left then at 30 s; 1 - 3/4 * 1/2 = 0.625.
    patience = kaplan_meier([(10.0, True), (20.0, False), (30.0, True), (40.0, False)])

    assert patience.at(0.2) == 10.0
    assert patience.at(0.6) == 30.0
    assert patience.at(0.63) == float("inf")
