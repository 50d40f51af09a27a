"""Whoever waits for more than a moment sees that there is work."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from pbx.cli import main, progress
from pbx.journal.database import migrate, open_for_writing

CONFIG = str(Path(__file__).parents[2] / "config")
SLOW = {
    "reports rebuild": [
        "making all facts anew",
        "proving them",
        "making files of columns",
        "proving the files",
    ],
    "reports rebuild --check": ["proving them", "proving the files"],
    "report": ["counting"],
    f"missed rebuild --plan {CONFIG}": ["working all missed calls out anew"],
    f"funnel --plan {CONFIG}": ["counting"],
    f"funnel sag --plan {CONFIG}": ["judging the weeks"],
    f"funnel import --plan {CONFIG} FILE": ["reading the file", "writing the events"],
    "staff": ["reading the log"],
    f"simulate {CONFIG} --runs 1": ["reading the parameters", "simulating"],
    f"replay {CONFIG}": ["reading the log", "replaying"],
    f"graph {CONFIG} --calls --format svg": ["calls", "drawing"],
    f"test {CONFIG}": ["tests"],
    "calls": ["reading the log"],
    "reload": ["loading the plan, and speaking its prompts"],
    "rollback": ["putting the version in force"],
    "recordings --prune --folder FOLDER": ["removing"],
}


@pytest.mark.parametrize("command", SLOW)
def test_what_may_take_long_shows_a_bar(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    @contextmanager
    def working(words: str) -> Iterator[progress.Report]:
        shown.append(words)
        yield lambda share: None

    def each(items: Iterable[object], total: int, words: str) -> Iterator[object]:
        shown.append(words)
        yield from items

    monkeypatch.setattr(progress, "working", working)
    monkeypatch.setattr(progress, "progress", each)
    migrate(open_for_writing(f"sqlite:///{tmp_path / 'voronka.db'}"))
    monkeypatch.setenv("VORONKA_STATE_DIR", str(tmp_path))
    events = tmp_path / "events.csv"
    events.write_text("stage,at,number\n", encoding="utf-8")

    command_line = command.replace("FILE", str(events)).replace("FOLDER", str(tmp_path))
    CliRunner().invoke(main, command_line.split())

    assert shown == SLOW[command]


@pytest.fixture
def on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("on_a_terminal")
def test_a_bar_comes_when_it_takes_longer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)
    seen = ""
    with progress.working("reading the log") as report:
        deadline = time.monotonic() + 10.0
        while "50%" not in seen and time.monotonic() < deadline:
            report(0.5)
            seen += capsys.readouterr().err
    assert "reading the log" in seen


@pytest.mark.usefixtures("on_a_terminal")
def test_a_few_slow_items_show_a_bar_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "PATIENCE_S", 0.0)

    assert list(progress.progress(range(3), 3, "tests")) == [0, 1, 2]
    assert "tests" in capsys.readouterr().err


@pytest.mark.usefixtures("on_a_terminal")
def test_what_is_done_in_a_moment_shows_none(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.working("reading the log") as report:
        report(0.5)

    assert "reading" not in capsys.readouterr().err


def test_where_nobody_looks_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.working("reading the log") as report:
        report(1.0)

    assert capsys.readouterr().err == ""
