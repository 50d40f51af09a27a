"""A database in trouble: nothing is lost, nothing doubled, order is kept, and it is told."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from pbx.journal import port as journal
from pbx.journal import writer as module
from pbx.journal.backlog import Limits
from pbx.journal.database import open_for_writing
from pbx.journal.port import Stamped
from pbx.journal.writer import SqlJournal
from pbx.logs import set_up_logs
from tests.journal.databases import Server
from tests.journal.steps import BEGAN, CALL, path_in, step, steps_in

IMPATIENT = Limits(batch=20, memory=50, busy_timeout_s=0.05, retry_most_s=0.1, linger_s=0.01)


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.05)
    set_up_logs("json", "error")  # as in production: a full disk does not take them either
    yield
    structlog.reset_defaults()


@contextlib.contextmanager
def log_at(url: str, folder: Path, limits: Limits = IMPATIENT) -> Iterator[SqlJournal]:
    log = SqlJournal(url, spool=folder / "spool.jsonl", limits=limits)
    log.start()
    log.write(Stamped(BEGAN, journal.CallStarted(CALL, "+7", "", "", "", "", "ru")))
    try:
        yield log
    finally:
        log.close(10.0)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextlib.contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """The kernel takes no byte beyond ``size`` in any file of ours: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def tell_around(log: SqlJournal, trouble: contextlib.AbstractContextManager[object]) -> None:
    """50 steps before the trouble, 300 in it, 50 after it."""
    for n in range(50):
        log.write(step(n))
    assert log.flush(10.0)
    with trouble:
        for n in range(50, 350):
            log.write(step(n))
        until(lambda: log.stats().failing)
        until(lambda: log.stats().in_spool >= 300)
    for n in range(350, 400):
        log.write(step(n))
    assert log.flush(20.0)
    stats = log.stats()
    assert not stats.failing
    assert stats.dropped == 0
    assert stats.spilled >= 300
    assert (stats.in_spool, stats.backlog) == (0, 0)


def test_what_a_locked_database_does_not_take_is_on_disk_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"

    @contextlib.contextmanager
    def locked() -> Iterator[None]:
        other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        other.execute("begin immediate")
        yield
        other.execute("rollback")
        other.close()

    # Memory would hold them all: it would not survive us.
    patient = Limits(batch=20, busy_timeout_s=0.05, retry_most_s=0.1, linger_s=0.01)
    with log_at(url, tmp_path, patient) as log:
        tell_around(log, locked())

    assert steps_in(url) == list(range(400))
    assert not (tmp_path / "spool.jsonl").exists()


def test_a_folder_that_is_away_for_a_while_gets_what_it_missed(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    url = f"sqlite:///{folder / 'log.db'}"

    @contextlib.contextmanager
    def moved() -> Iterator[None]:
        folder.rename(tmp_path / "elsewhere")
        yield
        (tmp_path / "elsewhere").rename(folder)

    with log_at(url, tmp_path) as log:
        tell_around(log, moved())

    assert steps_in(url) == list(range(400))


@pytest.mark.parametrize("room", [0, 1000, 30_000])
def test_a_full_disk_loses_nothing_that_memory_holds(tmp_path: Path, room: int) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with log_at(url, tmp_path) as log:
        for n in range(50):
            log.write(step(n))
        assert log.flush(10.0)
        # Neither the database nor the spool can be written beyond ``room``.
        with no_file_beyond(room):
            for n in range(50, 350):
                log.write(step(n))
            until(lambda: log.stats().failing)
            time.sleep(0.3)  # let both threads meet the end of the disk a few times
        for n in range(350, 400):
            log.write(step(n))
        assert log.flush(20.0)
        assert log.stats().dropped == 0

    assert steps_in(url) == list(range(400))


def test_memory_is_bounded_when_the_spool_is_full_too_and_the_oldest_are_kept(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    limits = Limits(
        batch=20,
        memory=50,
        memory_at_most=100,
        busy_timeout_s=0.05,
        retry_most_s=0.1,
        linger_s=0.01,
    )
    with log_at(url, tmp_path, limits) as log:
        assert log.flush(10.0)
        with no_file_beyond(0):
            log.write(step(0))
            until(lambda: log.stats().failing)
            for n in range(1, 1000):
                log.write(step(n))
            assert log.stats().backlog <= 120
            assert log.stats().dropped >= 880
        assert log.flush(20.0)
        kept = 1000 - log.stats().dropped

    assert steps_in(url) == list(range(kept))


def test_a_spool_whose_folder_is_removed_loses_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    state = tmp_path / "state"
    with log_at(url, state) as log:
        assert log.flush(10.0)
        other.execute("begin immediate")
        for n in range(200):
            log.write(step(n))
        until(lambda: log.stats().in_spool >= 200)
        shutil.rmtree(state)
        for n in range(200, 300):
            log.write(step(n))
        until(lambda: log.stats().in_spool >= 300)
        assert (state / "spool.jsonl").read_text().count("\n") == 300, (
            "it can be left to the next run"
        )
        other.execute("rollback")
        assert log.flush(20.0)
    other.close()

    assert steps_in(url) == list(range(300))


@pytest.mark.slow
def test_a_killed_process_leaves_all_it_was_told_to_the_next_exactly_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.journal.killed", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == b"started\n"
        other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
        other.execute("begin immediate")
        process.stdin.write(b"\n")
        process.stdin.flush()
        while (line := process.stdout.readline()) != b"spooled\n":
            assert line, "it ended by itself"
        process.send_signal(signal.SIGKILL)
    other.execute("rollback")
    other.close()
    assert steps_in(url) == []

    for _ in range(2):
        # The second start finds nothing that the first has left.
        log = SqlJournal(url, spool=tmp_path / "spool.jsonl", limits=IMPATIENT)
        log.start()
        assert log.flush(20.0)
        log.close(10.0)
        assert steps_in(url) == list(range(300))
        assert path_in(url).endswith("› n298 › 1 › n299 › 1")


@pytest.mark.postgres
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_postgres_that_is_stopped_and_started_misses_nothing(
    server: Server, tmp_path: Path, how: signal.Signals
) -> None:
    _emptied(server)

    @contextlib.contextmanager
    def stopped() -> Iterator[None]:
        server.stop(how)
        yield
        server.start()

    with log_at(server.url, tmp_path) as log:
        tell_around(log, stopped())

    assert steps_in(server.url) == list(range(400))


@pytest.mark.postgres
def test_a_postgres_that_does_not_reply_is_told_and_spooled(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALLED_S", 0.2)
    _emptied(server)

    @contextlib.contextmanager
    def frozen() -> Iterator[None]:
        engine = open_for_writing(server.url)
        with engine.connect() as connection:
            found = text("select pid from pg_stat_activity where application_name = 'voronka'")
            own = connection.execute(text("select pg_backend_pid()")).scalar_one()
            pids = [int(row[0]) for row in connection.execute(found) if row[0] != own]
        engine.dispose()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    with log_at(server.url, tmp_path) as log:
        tell_around(log, frozen())

    assert steps_in(server.url) == list(range(400))


def _emptied(server: Server) -> None:
    engine = open_for_writing(server.url)
    with engine.begin() as connection:
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
    engine.dispose()
