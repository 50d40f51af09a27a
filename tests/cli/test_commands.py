"""The command line as an admin and support use it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli import main
from pbx.journal.writer import SqlJournal
from pbx.reports.contacts import CallerBook
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from tests.world import DID, agent, plan, play, sales


@pytest.fixture
def database(tmp_path: Path) -> str:
    """A log with two calls: one answered, one whose caller gave up."""
    anna = agent("anna")
    company = plan([anna], [sales(anna)])
    phones = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0, 30.0),)}
    story = play(
        company,
        [
            CallerScript("=cmd|' /C calc'!A0", 0.0, DID, "89161234567"),
            CallerScript("\x1b[31mМария", 40.0, DID, "anonymous"),
        ],
        phones,
    )
    url = f"sqlite:///{tmp_path / 'log.db'}"
    log = SqlJournal(url, spool=tmp_path / "spool.jsonl", followers=[CallerBook()])
    log.start()
    for entry in story.entries:
        log.write(entry)
    log.close(10.0)
    return url


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def test_calls_are_listed_with_legs_and_totals(database: str) -> None:
    code, output = run("calls", "--db", database)

    assert code == 0
    assert "+79161234567" in output
    assert "anna" in output
    assert "2 calls: 2 answered" in output
    assert "\x1b[31m" not in output


def test_filters_narrow_the_list(database: str) -> None:
    code, output = run("calls", "--db", database, "--number", "9161234567", "--json")

    assert code == 0
    (call,) = json.loads(output)["calls"] if output.startswith("{") else json.loads(output)
    assert call["number"] == "+79161234567"


def test_csv_cells_are_no_formulas(database: str) -> None:
    code, output = run("calls", "--db", database, "--csv")

    assert code == 0
    cells = [cell for row in csv.reader(io.StringIO(output)) for cell in row]
    assert not [cell for cell in cells if cell[:1] in "=@\t" and cell]


def test_one_call_is_told_as_a_timeline(database: str) -> None:
    code, output = run("call", "sim-1", "--db", database)

    assert code == 0
    assert "anna" in output
    assert "all who are free" in output


def test_an_unknown_call_and_a_missing_log_are_one_line_and_exit_1(database: str) -> None:
    for arguments in (("call", "nobody", "--db", database), ("calls", "--db", "sqlite:///no.db")):
        code, output = run(*arguments)
        assert code == 1
        assert len(output.strip().splitlines()) == 1


def test_a_wrong_plan_exits_1_with_the_place(tmp_path: Path) -> None:
    bad = tmp_path / "plan.yaml"
    bad.write_text("settings: {region: RU}\nnumberz: {}\n", encoding="utf-8")

    code, output = run("check", str(bad))

    assert code == 1
    assert "plan.yaml:2:1" in output
    assert 'did you mean "numbers"' in output


def test_the_shipped_plan_is_right() -> None:
    code, output = run("check", "config")

    assert code == 0
    assert "ok" in output


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://voronka:hidden@db/log",
        "postgresql://db/log?user=voronka&password=hidden",
    ],
)
def test_a_password_in_the_command_line_is_refused_and_not_repeated(url: str) -> None:
    result = CliRunner().invoke(main, ["calls", "--db", url])

    assert result.exit_code == 2
    assert "VORONKA_DB_FILE" in result.output
    assert "hidden" not in result.output
