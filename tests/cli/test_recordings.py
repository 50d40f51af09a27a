"""``pbx recordings`` as an admin uses it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli import main
from pbx.journal.writer import SqlJournal
from pbx.plan.model import Recording
from pbx.recordings.names import file_of
from pbx.reports.contacts import CallerBook
from pbx.switch.script import CallerScript, PhoneAct, Reaction
from tests.world import DID, SALES, agent, plan, play, sales

RULE = Recording(share=100, notice=(), keep_s=86_400.0)


@pytest.fixture
def place(tmp_path: Path) -> tuple[str, ...]:
    """A log with one talk, recorded long ago; the file is there."""
    anna = agent("anna")
    company = replace(plan([anna], [sales(anna)]), queue_records={SALES: RULE})
    phones = {"PJSIP/anna": (PhoneAct(Reaction.ANSWER, 2.0, 30.0),)}
    story = play(company, [CallerScript("", 0.0, DID, "89161234567")], phones)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    log = SqlJournal(url, spool=tmp_path / "spool.jsonl", followers=[CallerBook()])
    log.start()
    for entry in story.entries:
        log.write(entry)
    log.close(10.0)
    place = ("--db", url, "--folder", str(tmp_path / "recordings"))
    (row,) = listed(*place)
    file = file_of(tmp_path / "recordings", str(row["path"]))
    file.parent.mkdir(parents=True)
    file.write_text("sound")
    return place


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def listed(*arguments: str) -> list[dict[str, object]]:
    code, output = run("recordings", *arguments, "--json")
    assert code == 0, output
    found: list[dict[str, object]] = json.loads(output)
    return found


def test_recordings_are_listed_with_their_talk(place: tuple[str, ...]) -> None:
    code, output = run("recordings", *place)

    assert code == 0
    assert "+79161234567" in output
    assert "anna" in output
    assert "1 recordings, 30 s" in output
    assert listed(*place, "--manager", "anna")[0]["length_s"] == pytest.approx(30.0)
    assert listed(*place, "--number", "9169999999") == []


def test_the_story_of_a_call_tells_of_its_recording(place: tuple[str, ...]) -> None:
    code, output = run("call", "sim-1", *place[:2])

    assert code == 0
    assert f"is recorded: {listed(*place)[0]['path']}" in output
    assert "recording of 30 s is kept until 2026-11-19" in output


def test_a_dry_run_removes_nothing(place: tuple[str, ...], tmp_path: Path) -> None:
    path = str(listed(*place)[0]["path"])

    code, output = run("recordings", *place, "--prune", "--dry-run")

    assert code == 0
    assert path in output
    assert "1 recordings would be removed" in output
    assert file_of(tmp_path / "recordings", path).exists()
    assert listed(*place)[0]["removed_at"] is None


def test_pruning_removes_the_file_and_keeps_its_line_in_the_log(
    place: tuple[str, ...], tmp_path: Path
) -> None:
    path = str(listed(*place)[0]["path"])

    code, output = run("recordings", *place, "--prune")

    assert code == 0
    assert "1 recordings removed" in output
    assert not file_of(tmp_path / "recordings", path).exists()
    assert listed(*place)[0]["removed_at"] is not None
    assert "removed" in run("recordings", *place)[1]
    assert "0 recordings removed" in run("recordings", *place, "--prune")[1]


def test_a_wrong_folder_is_told_before_anything_is_noted_as_removed(
    place: tuple[str, ...],
) -> None:
    code, output = run("recordings", *place[:2], "--folder", "/nowhere", "--prune")

    assert code == 1
    assert "/nowhere: there is no folder of recordings here" in output
    assert listed(*place)[0]["removed_at"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--dry-run",), "goes with --prune"),
        (("--prune", "--manager", "anna"), "not by --manager"),
        (("--prune", "--since", "today"), "not by --since"),
    ],
)
def test_a_slip_in_the_options_removes_nothing(
    place: tuple[str, ...], options: tuple[str, ...], words: str
) -> None:
    code, output = run("recordings", *place, *options)

    assert code == 2
    assert words in output
    assert listed(*place)[0]["removed_at"] is None
