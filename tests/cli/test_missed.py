"""``pbx missed`` as a manager's boss uses it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli import main
from pbx.journal.writer import SqlJournal
from pbx.missed.book import MissedBook
from routing.values import Outcome
from tests.missed.day import IVAN, MARIA, RULE, TELL, Day

HOSTILE = "=cmd|' /C calc'!A0\x1b[31m"


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Two open tasks and one that a manager has settled."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    log = SqlJournal(url, spool=tmp_path / "s.jsonl", followers=[MissedBook(RULE, TELL)])
    log.start()
    day = Day()
    day.talks(MARIA)
    day.missed(IVAN, name=HOSTILE)
    day.missed(IVAN)
    day.missed(MARIA, Outcome.VOICEMAIL)
    day.missed("+79160000000")
    day.calls_back("+79160000000")
    for entry in day.entries:
        log.write(entry)
    log.close(10.0)
    return url


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["missed", *arguments])
    return result.exit_code, result.output


def listed(*arguments: str) -> list[dict[str, object]]:
    code, output = run(*arguments, "--json")
    assert code == 0
    found: list[dict[str, object]] = json.loads(output)
    return found


def test_who_is_to_be_called_back_is_listed(database: str) -> None:
    code, output = run("--db", database)

    assert code == 0
    assert IVAN in output
    assert MARIA in output
    assert "+79160000000" not in output
    assert "\x1b[31m" not in output
    assert "2 to call back" in output
    assert "got through" not in output
    assert [(one["number"], one["calls"]) for one in listed("--db", database)] == [
        (IVAN, 2),
        (MARIA, 1),
    ]


def test_filters_narrow_the_list(database: str) -> None:
    db = ("--db", database)

    assert [one["number"] for one in listed(*db, "--owner", "anna")] == [MARIA]
    assert [one["number"] for one in listed(*db, "--owner", "sales")] == [IVAN]
    assert listed(*db, "--since", "2026-11-24") == []
    assert [one["class"] for one in listed(*db, "--all", "--since", "2026-11-22")][2] == (
        "within_20_min"
    )
    code, output = run(*db, "--all")
    assert code == 0
    assert "1 called back within 20 min" in output


def test_csv_is_whole_and_no_formula(database: str) -> None:
    code, output = run("--db", database, "--all", "--csv")

    assert code == 0
    rows = list(csv.DictReader(io.StringIO(output)))
    assert [row["owner"] for row in rows] == ["sales", "anna", "sales"]
    assert not [cell for row in rows for cell in row.values() if cell[:1] in "=@\t" and cell]


def test_one_is_closed_by_hand_once(database: str) -> None:
    first = str(listed("--db", database)[0]["task_id"])
    close = ("close", first, "--db", database, "--reason")

    assert run(*close, "answered by mail") == (0, f"closed: {IVAN}, 2 missed\n")
    assert [one["number"] for one in listed("--db", database)] == [MARIA]
    ivan = listed("--db", database, "--all")[0]
    assert (ivan["closed_how"], ivan["reason"], ivan["class"]) == (
        "hand",
        "answered by mail",
        "never",
    )
    for arguments in ((*close, "again"), ("close", "x", "--db", database, "--reason", "y")):
        code, output = run(*arguments)
        assert code == 1
        assert len(output.strip().splitlines()) == 1


def test_one_is_opened_again(database: str) -> None:
    first = str(listed("--db", database)[0]["task_id"])
    assert run("close", first, "--db", database, "--reason", "x")[0] == 0
    reopen = ("reopen", first, "--db", database, "--plan", "config")

    assert run(*reopen) == (0, f"open again: {IVAN}, 2 missed\n")
    assert [one["number"] for one in listed("--db", database)] == [IVAN, MARIA]
    code, output = run(*reopen)
    assert (code, output.count("\n")) == (1, 1)


def test_a_reason_is_needed(database: str) -> None:
    assert run("close", "call-0002", "--db", database)[0] == 2
    assert run("close", "call-0002", "--db", database, "--reason", " ")[0] == 2


def test_all_is_worked_out_anew(database: str) -> None:
    before = listed("--db", database, "--all")

    code, output = run("rebuild", "--db", database, "--plan", "config")

    assert (code, output) == (0, "3 missed calls, merged by number\n")
    after = listed("--db", database, "--all")
    assert [one["task_id"] for one in after] == [one["task_id"] for one in before]
    # Anna is not in that plan.
    assert [one["owner"] for one in after] == ["sales", "sales", "sales"]


def test_no_log_is_one_line_and_makes_none(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'no.db'}"
    for arguments in ((), ("close", "x", "--reason", "y"), ("rebuild",)):
        code, output = run(*arguments, "--db", url)
        assert code == 1
        assert "there is no log here" in output
        assert not (tmp_path / "no.db").exists()
