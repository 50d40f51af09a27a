"""``pbx simulate`` as a head of sales uses it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from bench.logged import write
from pbx.cli import main
from pbx.cli.simulate_tables import render
from pbx.journal import port
from pbx.journal.database import migrate, open_for_writing
from pbx.simulate.experiment import Result
from pbx.simulate.history import kaplan_meier
from pbx.simulate.tally import FIGURES
from routing import facts
from routing.values import CallId, Outcome, QueueId

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


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("staff", "{}"), "not a forecast\n   one file, as docs/simulate.md shows"),
        (("simulate", CONFIG, "--with", "{}"), "not parameters\n   one file, as docs/simulate.md"),
        (("replay", CONFIG, "--roster", "{}"), "not a roster\n   one file, as docs/replay.md"),
    ],
)
def test_a_folder_in_the_place_of_a_file_is_told_with_what_would_be_right(
    words: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    (tmp_path / "menus.yaml").touch()

    code, output = run(*(word.replace("{}", str(tmp_path)) for word in words))

    assert code == 1
    assert f"{tmp_path}: this is a folder (menus.yaml), {told}" in output


def test_every_mistake_in_the_parameters_has_its_place(tmp_path: Path) -> None:
    file = tmp_path / "day.yaml"
    file.write_text('callers:\n  - number: "+78005553536"\n    per_hour: lots\npatiense: 3m\n')

    code, output = run("simulate", CONFIG, "--with", str(file))

    assert code == 1
    assert f"{file}:2:13: number: unknown number" in output
    assert f'{file}:3:15: per_hour: "lots" is not a number' in output
    assert f'{file}:4:1: the file has no key "patiense"' in output
    assert 'did you mean "patience"?' in output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('bursts: [{queue: sales, at: "23:00"}]', "at: this is not within the day, 09:00-18:00"),
        ("callers: [{queue: sales, per_hour: {03:00-05:00: 9}}]", "03:00-05:00 is not within the"),
        (
            "callers: [{queue: sales, per_hour: {9:00-11:00: 9, 10:00-12:00: 9}}]",
            "10:00-12:00 has hours that another range has, too",
        ),
        ("callers: [{queue: sales, per_hour: 99999999}]", "899,999,991 calls a day"),
        ("presses: {welcome: {x: 1}}", '"x" is no key'),
        ("presses: {welcome/1: {1: 1}}", 'unknown menu "welcome/1"'),
        ("talk: {log-normal: 3m, sigma: 900}", "900 is wider than any times are"),
        ("warm_up: 9h", "no time of the day is left"),
        ("date: 9999-12-31", '"9999-12-31" is too far away'),
        ("date: 0001-01-01", '"0001-01-01" is too far away'),
    ],
)
def test_what_would_be_ignored_or_never_end_is_refused(
    tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "day.yaml"
    file.write_text(text)

    code, output = run("simulate", CONFIG, "--with", str(file), "--runs", "1")

    assert code == 1
    assert told in output


def test_a_number_is_written_as_in_the_plan(tmp_path: Path) -> None:
    file = tmp_path / "day.yaml"
    file.write_text("callers: [{number: 8 800 555-35-35, per_hour: 6}]")

    code, output = run("simulate", CONFIG, "--with", str(file), "--runs", "1")

    assert code == 0, output


def test_the_example_of_the_page_can_be_used(tmp_path: Path) -> None:
    page = Path(CONFIG).parent / "docs" / "simulate.md"
    example = page.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    file = tmp_path / "day.yaml"
    file.write_text(example, encoding="utf-8")

    code, output = run("simulate", CONFIG, "--with", str(file), "--runs", "1")

    assert code == 0, output


def test_where_nobody_answers_there_is_no_answer_time(tmp_path: Path) -> None:
    file = tmp_path / "day.yaml"
    file.write_text("managers: {answer: never}")

    _, output = run("simulate", CONFIG, "--with", str(file), "--runs", "1")

    asa = next(line for line in output.splitlines() if "ASA" in line)
    assert asa.split()[-1] == "-"


def test_a_picture_that_can_not_be_written_is_told_before_anything_is_simulated() -> None:
    for path in ("/nonexistent/x.svg", "/dev/null/x.png"):
        code, output = run("simulate", CONFIG, "--runs", "1000", "--plot", path)

        assert code == 1
        assert f"{path} can't be written" in output


def test_a_narrow_terminal_has_tables_below_each_other() -> None:
    known = {one.key: 0.25 for one in FIGURES}
    results = [Result(name, (known, known), ()) for name in ("ring-all", "linear", "sticky")]
    lines = {}
    for width in (60, 200):
        console = Console(width=width, file=StringIO(), record=True)
        render(results, console, managers=False)
        lines[width] = console.export_text().splitlines()

    assert max(len(one.rstrip()) for one in lines[60]) <= 60
    for name in ("ring-all", "linear", "sticky"):
        assert any(name in one for one in lines[60])
    assert sum("occupancy" in one for one in lines[60]) == 3
    assert sum("occupancy" in one for one in lines[200]) == 1
    assert not any("…" in one for one in lines[60])


def test_patience_is_more_than_that_of_those_who_gave_up() -> None:
    # One of four gives up at 10 s, one of the two left then at 30 s; 1 - 3/4 * 1/2 = 0.625.
    patience = kaplan_meier([(10.0, True), (20.0, False), (30.0, True), (40.0, False)])

    assert patience.at(0.2) == 10.0
    assert patience.at(0.6) == 30.0
    assert patience.at(0.63) == float("inf")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('calls: {"24:00": 4}', "calls: 24:00 begins no half hour"),
        ('calls: {"09:00": 99999999}', "more work than 50,000 managers have time for"),
        ("calls: {}", "calls: no half hour"),
        ("handle: 3m", "calls are missing"),
    ],
)
def test_a_forecast_that_says_nothing_or_too_much_is_refused(
    tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "forecast.yaml"
    file.write_text(text)

    code, output = run("staff", str(file))

    assert code == 1
    assert told in output


def test_managers_are_counted_for_one_queue_and_time_of_the_log(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    log = open_for_writing(url)
    migrate(log)
    nine = datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp()
    entries: list[tuple[float, port.Entry]] = []
    for number, (queue, day) in enumerate(
        [("sales", 0)] * 6 + [("support", 0)] * 2 + [("sales", 1)]
    ):
        call_id, at = CallId(f"c{number}"), nine + day * 86_400 + number
        number_of = f"+7916000000{number}"
        entries += [
            (at, port.CallStarted(call_id, "+78005553535", number_of, "", "", "", "ru")),
            (at, facts.WaitStarted(call_id, QueueId(queue), 1, 0, at)),
            (at + 5, facts.WaitEnded(call_id, QueueId(queue), 5.0, "joined")),
            (
                at + 65,
                port.CallEnded(call_id, Outcome.ANSWERED, False, 5.0, 60.0, "16", "menu"),
            ),
        ]
    write(log, sorted(entries, key=lambda one: one[0]))

    def calls(*options: str) -> list[float]:
        code, output = run("staff", "--db", url, "--tz", "UTC", "--json", *options)
        assert code == 0, output
        return [one["calls"] for one in json.loads(output)]

    assert calls() == [4.5]
    assert calls("--until", "2026-11-23") == [8.0]
    assert calls("--queue", "support") == [2.0]
    code, output = run("staff", "--db", url, "--queue", "sails")
    assert code == 1
    assert "no calls of that time in queue 'sails'; queues it has: sales, support" in output
    file = tmp_path / "forecast.yaml"
    file.write_text('calls: {"09:00": 40}')
    assert run("staff", str(file), "--queue", "sales")[0] == 2


@pytest.mark.parametrize("when", ["0001-01-01", "9999-12-31", "999999w", "0001-01-01T00:00+14:00"])
def test_a_time_that_no_clock_has_is_told(when: str) -> None:
    code, output = run("replay", CONFIG, "--since", when)

    assert code == 2
    assert f"'{when}' is too far away: years 2000 to 2099" in output
