"""Files of columns are made before anybody asks, and held against the log."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from pbx.cli import main
from pbx.funnel.book import note
from pbx.funnel.passed import FUNNEL
from pbx.funnel.stages import StageEvent
from pbx.reports.columns import ColumnStore
from pbx.reports.copies import REPORTS, compare, make_all, missing
from tests.reports.randomlog import RandomLog, keep, opened

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
KEPT = (REPORTS, FUNNEL)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copies")
    engine = opened(folder)
    rng = random.Random(5)
    keep(engine, RandomLog(rng, SINCE, timedelta(days=3), 40).entries, rng)
    note(engine, [StageEvent("k", "meeting", "+79161234567", SINCE, agent="anna")], SINCE)
    engine.dispose()
    return folder / "log.db"


def test_all_are_made_once_the_newest_first_and_again_after_a_change(
    log: Engine, tmp_path: Path
) -> None:
    store = ColumnStore(tmp_path / "columns")
    todo = missing(log, store, KEPT)
    assert [one.day for one in todo] == sorted((one.day for one in todo), reverse=True)
    assert {one.layout.kind for one in todo} == {"calls", "parts", "states", "passages", "told"}

    assert make_all(log, store, KEPT) == len(todo)
    assert missing(log, store, KEPT) == []
    assert compare(log, store, KEPT).files == len(todo)
    assert compare(log, store, KEPT).wrong == 0

    note(log, [StageEvent("k2", "meeting", "+79161234567", SINCE)], SINCE)
    assert [(one.layout.kind) for one in missing(log, store, KEPT)] == ["told"]


def test_a_file_that_says_something_else_than_the_log_is_found(log: Engine, tmp_path: Path) -> None:
    store = ColumnStore(tmp_path / "columns")
    make_all(log, store, KEPT)
    for path in sorted((tmp_path / "columns").glob("p*")):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    found = compare(log, store, KEPT)
    assert found.wrong == len(found.examples) == len(list((tmp_path / "columns").glob("p*")))
    assert "is not what the log says" in found.examples[0]


def blocks(folder: Path) -> dict[str, int]:
    """The files of blocks, and when each was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "columns").glob("*.block")}


def test_blocks_are_made_of_days_that_no_longer_change_and_again_after_a_change(
    log: Engine, tmp_path: Path
) -> None:
    assert make_all(log, ColumnStore(tmp_path / "columns", block_days=2), KEPT)
    assert blocks(tmp_path) == {}, "of all days something has just changed"

    store = ColumnStore(tmp_path / "columns", block_days=2, settled_s=0.0)
    todo = missing(log, store, KEPT)
    assert {one.layout.kind for one in todo} == {"calls", "parts", "states", "passages", "told"}
    assert all(one.block is not None for one in todo)
    assert make_all(log, store, KEPT) == len(todo)
    before = blocks(tmp_path)
    assert len(before) == len(todo)
    assert missing(log, store, KEPT) == []
    assert compare(log, store, KEPT).wrong == 0

    note(log, [StageEvent("k2", "meeting", "+79161234567", SINCE)], SINCE)
    assert [one.layout.kind for one in missing(log, store, KEPT)] == ["told", "told"]
    make_all(log, store, KEPT)
    changed = [name for name, written in blocks(tmp_path).items() if written != before[name]]
    assert [name.split("-")[0] for name in changed] == ["told"]
    assert compare(log, store, KEPT).wrong == 0


def test_a_start_makes_blocks_after_the_days_they_are_made_of(log: Engine, tmp_path: Path) -> None:
    todo = missing(log, ColumnStore(tmp_path / "columns", settled_s=0.0), KEPT)
    of_blocks = [one.block is not None for one in todo]
    assert of_blocks == sorted(of_blocks)
    assert any(of_blocks)


def test_a_block_that_says_something_else_than_the_log_is_found(
    log: Engine, tmp_path: Path
) -> None:
    store = ColumnStore(tmp_path / "columns", settled_s=0.0)
    make_all(log, store, KEPT)
    damaged = sorted((tmp_path / "columns").glob("p*.block"))
    assert damaged
    for path in damaged:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    found = compare(log, store, KEPT)
    assert found.wrong == len(damaged)
    assert "a block: is not what the log says" in found.examples[0]


def test_the_command_makes_and_proves_them(log: Engine, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    env = {"VORONKA_STATE_DIR": str(tmp_path)}

    def told(code: int, *arguments: str) -> str:
        done = CliRunner().invoke(main, ["reports", "rebuild", "--db", url, *arguments], env=env)
        assert done.exit_code == code, done.output
        return done.output

    assert "0 files of columns, 0 of them wrong" in told(0, "--check")
    made = told(0)
    files = len(list((tmp_path / "columns").rglob("*.columns")))
    assert files > 8
    assert f"{files} files of columns, 0 of them wrong" in made
    path = next((tmp_path / "columns").rglob("passages-*"))
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    assert "1 of them wrong" in told(1, "--check")
