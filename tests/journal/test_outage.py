"""An engine that starts while its database is away."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from pbx.errors import JournalError
from pbx.journal import outage
from pbx.journal import port as journal
from pbx.journal.database import open_for_writing
from pbx.journal.port import Stamped
from pbx.journal.writer import SqlJournal
from tests.journal.databases import locked
from tests.journal.steps import BEGAN, CALL, step, steps_in
from tests.journal.test_faults import IMPATIENT, until


@contextlib.contextmanager
def started(url: str, folder: Path) -> Iterator[SqlJournal]:
    log = SqlJournal(url, spool=folder / "spool.jsonl", limits=IMPATIENT)
    outage.start(log, url, folder)
    try:
        yield log
    finally:
        log.close(2.0)


def test_what_is_told_meanwhile_is_written_when_it_is_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with started(url, tmp_path) as log:
        assert log.up_to_date
        log.write(Stamped(BEGAN, journal.CallStarted(CALL, "+7", "", "", "", "", "ru")))
        log.write(step(0))
    with locked(tmp_path / "log.db"), started(url, tmp_path) as log:
        assert not log.up_to_date
        assert log.stats().failing
        for n in range(1, 30):
            log.write(step(n))
        until(lambda: log.stats().in_spool == 29)
    # Another start finds what that one had to leave.
    with started(url, tmp_path) as log:
        assert log.flush(10.0)
    assert steps_in(url) == list(range(30))


def test_it_comes_back_while_we_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(outage, "_AT_LEAST_S", 0.3)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with started(url, tmp_path):
        pass
    with contextlib.ExitStack() as until_back:
        until_back.enter_context(locked(tmp_path / "log.db"))
        with started(url, tmp_path) as log:
            log.write(Stamped(BEGAN, journal.CallStarted(CALL, "+7", "", "", "", "", "ru")))
            log.write(step(0))
            until(lambda: log.stats().in_spool == 2)

            async def waits() -> None:
                over = asyncio.create_task(outage.over(log))
                await asyncio.sleep(0.5)
                assert not over.done()
                until_back.close()
                async with asyncio.timeout(20):
                    await over

            asyncio.run(waits())
            assert steps_in(url) == [0]
            assert not log.stats().failing


def test_one_that_was_never_reached_is_told_at_once(tmp_path: Path) -> None:
    first = f"sqlite:///{tmp_path / 'log.db'}"
    with started(first, tmp_path):
        pass
    with sqlite3.connect(tmp_path / "other.db") as made:
        made.execute("create table something (else_ text)")
    made.close()
    with locked(tmp_path / "other.db"), pytest.raises(JournalError, match="locked"):
        outage.start(
            SqlJournal(
                f"sqlite:///{tmp_path / 'other.db'}",
                spool=tmp_path / "spool.jsonl",
                limits=IMPATIENT,
            ),
            f"sqlite:///{tmp_path / 'other.db'}",
            tmp_path,
        )


def test_a_kill_while_the_mark_is_written_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"

    class Killed(BaseException):
        """Nothing is done any more."""

    def die(file: int) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("pbx.journal.outage.os.fsync", die)
        log = SqlJournal(url, spool=tmp_path / "spool.jsonl", limits=IMPATIENT)
        with pytest.raises(Killed):
            outage.start(log, url, tmp_path)
        log.close(2.0)
    assert not (tmp_path / "log-reached").exists()
    with started(url, tmp_path):
        pass
    with locked(tmp_path / "log.db"), started(url, tmp_path) as log:
        assert not log.up_to_date


def test_a_mark_that_can_not_be_written_costs_no_call(tmp_path: Path) -> None:
    (tmp_path / "log-reached.new").mkdir()  # as a full disk would
    with started(f"sqlite:///{tmp_path / 'log.db'}", tmp_path) as log:
        assert log.up_to_date


def test_one_of_a_newer_program_is_never_written_to(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with started(url, tmp_path):
        pass
    engine = open_for_writing(url)
    with engine.begin() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    engine.dispose()
    with pytest.raises(JournalError, match="newer"):
        outage.start(
            SqlJournal(url, spool=tmp_path / "spool.jsonl", limits=IMPATIENT), url, tmp_path
        )
