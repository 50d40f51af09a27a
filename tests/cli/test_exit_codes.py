"""Exit codes that scripts can use: 0 done, and fine; 1 no; 2 wrong options or arguments."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli import main
from pbx.journal.database import migrate, open_for_writing
from pbx.plan.load import read
from pbx.plan.versions import How, VersionStore
from tests.cli.test_help import commands
from tests.world import START

CONFIG = Path(__file__).parents[2] / "config"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a plan, its broken twin, an empty log and no engine."""
    shutil.copytree(CONFIG, tmp_path / "good")
    shutil.copytree(CONFIG, tmp_path / "bad")
    queues = tmp_path / "bad" / "queues.yaml"
    queues.write_text(queues.read_text(encoding="utf-8").replace("ring-all", "ring-al"))
    failing = tmp_path / "failing"
    shutil.copytree(CONFIG, failing)
    (failing / "tests" / "wrong.yaml").write_text(
        '- test: wrong\n  when: {to: "+78005553535"}\n  expect: {outcome: failed}\n'
    )
    migrate(open_for_writing(f"sqlite:///{tmp_path / 'voronka.db'}"))
    monkeypatch.setenv("VORONKA_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("VORONKA_PLAN", str(tmp_path / "good"))
    monkeypatch.delenv("VORONKA_DB", raising=False)
    return tmp_path


@pytest.mark.parametrize("path", list(commands(main)), ids=" ".join)
def test_a_wrong_option_is_2(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--no-such-option"])

    assert result.exit_code == 2
    assert "--no-such-option" in result.output


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("check good", 0),
        ("check bad", 1),
        ("check nowhere", 1),
        ("fmt --check good", 0),
        ("graph good --json", 0),
        ("graph bad", 1),
        ("test good", 0),
        ("test good -k nothing-is-called-so", 1),
        ("test failing", 1),
        ("test bad", 1),
        ("try +78005553535 --keys 1", 0),
        ("try +78005553536", 2),
        ("diff good", 1),
        ("versions", 0),
        ("rollback", 1),
        ("reload", 1),
        ("simulate good --runs 1", 0),
        ("simulate bad", 1),
        ("simulate good --compare none-such", 2),
        ("replay good", 1),
        ("replay good --since tomorrow-ish", 2),
        ("staff", 1),
        ("calls", 0),
        ("calls --since nonsense", 2),
        ("call no-such-call", 1),
        ("report", 0),
        ("report --measures none-such", 1),
        ("reports rebuild", 0),
        ("missed", 0),
        ("missed close none-such --reason spam", 1),
        ("funnel", 0),
        ("recordings", 0),
        ("pause ivanov --reason lunch", 1),
        ("click ivanov +79161234567", 1),
    ],
)
def test_the_exit_code_says_what_came_of_it(house: Path, command: str, code: int) -> None:
    words = [
        str(house / one) if one in ("good", "bad", "failing", "nowhere") else one
        for one in command.split()
    ]
    result = CliRunner().invoke(main, words)

    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit | None)
    if code == 2:
        assert "Usage:" in result.output


def test_ctrl_c_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pbx.plan.load.load", interrupted)
    result = CliRunner().invoke(main, ["test", str(CONFIG)])

    assert result.exit_code == 130
    assert result.output.strip() == "interrupted"


def test_a_terminal_without_the_letters_shows_their_numbers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pbx", "try", "+78005553535", "--plan", str(CONFIG), "--keys", "1"],
        capture_output=True,
        env={"PYTHONIOENCODING": "latin-1", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path.cwd())},
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert rb"\u0418\u0432\u0430\u043d" in done.stdout


def test_a_difference_is_a_finding_only_when_that_is_asked(house: Path) -> None:

    sources, store = read(house / "good"), VersionStore(house / "plans")
    store.keep(sources)
    store.note(sources.digest, at=datetime.fromtimestamp(START, UTC), author="anna", how=How.START)
    other = house / "good" / "queues.yaml"

    assert CliRunner().invoke(main, ["diff", "--exit-code"]).exit_code == 0
    other.write_text(other.read_text(encoding="utf-8").replace("max_wait: 3m", "max_wait: 2m"))
    assert CliRunner().invoke(main, ["diff"]).exit_code == 0
    assert CliRunner().invoke(main, ["diff", "--exit-code"]).exit_code == 1
