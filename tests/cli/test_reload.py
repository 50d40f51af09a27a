"""``pbx diff``, ``versions``, ``rollback --write`` on what an engine left in its state folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli import main
from pbx.cli.reload import write_over
from pbx.errors import ControlError
from pbx.plan.load import read
from pbx.plan.versions import How, VersionStore
from tests.pbx.test_reload import BROKEN, GOOD, OTHER

AT = datetime(2026, 11, 24, 6, 14, tzinfo=UTC)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plan, two versions of which were live."""
    monkeypatch.setenv("VORONKA_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VORONKA_PLAN", str(tmp_path / "plan"))
    plan = tmp_path / "plan"
    plan.mkdir()
    store = VersionStore(tmp_path / "state/plans")
    for text in (GOOD, OTHER):
        (plan / "plan.yaml").write_text(text)
        sources = read(plan)
        store.keep(sources)
        store.note(sources.digest, at=AT, author="ivan\x1b[31m", how=How.RELOAD)
    return plan


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.output


def test_diff_of_the_live_plan_with_a_path_and_between_versions(plan: Path) -> None:
    altered = "~ queue sales\n    strategy.name: linear -> ring-all\n1 altered\n"
    assert run("diff") == (0, "nothing changed\n")
    assert run("diff", "--from", "1") == (0, altered)
    assert run("diff", "--from", "1", "--to", "2", "--exit-code") == (1, altered)
    (plan / "plan.yaml").write_text(BROKEN)
    code, said = run("diff")
    assert code == 1
    assert 'did you mean "linear"' in said


def test_versions_lists_who_and_when_and_nothing_that_moves_the_cursor(plan: Path) -> None:
    code, said = run("versions")
    assert code == 0
    assert said.splitlines()[0].startswith("    1  2026-11-24 09:14:00  reload"), "the plan's clock"
    assert "    1  2026-11-24 08:14:00" in run("versions", "--tz", "Europe/Kaliningrad")[1]
    assert said.splitlines()[1].endswith("  live")
    assert "\x1b" not in said


def test_a_rollback_that_writes_loses_no_word_of_the_admins(plan: Path) -> None:
    (plan / "more.yaml").write_text("prompts: {hello: {sound: beep}}\n")
    store = VersionStore(plan.parent / "state/plans")
    said = write_over(plan, store, store.find("1"))

    assert sorted(one.name for one in plan.iterdir()) == [
        "more.yaml.before-rollback",
        "plan.yaml",
        "plan.yaml.before-rollback",
    ]
    assert (plan / "plan.yaml").read_text() == GOOD
    assert (plan / "plan.yaml.before-rollback").read_text() == OTHER
    assert read(plan).digest == store.find("1").digest
    assert len(said) == 4

    with pytest.raises(ControlError, match="is one: copy them from"):
        write_over(plan / "other.yaml", store, store.find("1"))


def test_without_an_engine_the_command_says_where_it_looked(plan: Path) -> None:
    code, said = run("reload")
    assert code == 1
    assert "no engine listens at" in said
    assert "VORONKA_STATE_DIR" in said


def test_versions_that_can_not_be_read_are_not_taken_for_none(plan: Path) -> None:
    history = plan.parent / "state/plans/history.jsonl"
    assert history.is_file()
    history.unlink()
    history.mkdir()  # root may read every file

    for words in (["versions"], ["diff"]):
        code, said = run(*words)
        assert code == 1
        assert "can't be read: Is a directory; ask as the engine's user" in said
