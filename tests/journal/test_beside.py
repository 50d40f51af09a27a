"""The writer says whether it keeps up, in its own thread, before each batch."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

from pbx.journal import port as journal
from pbx.journal.backlog import Limits
from pbx.journal.port import Stamped
from pbx.journal.writer import KEEPS_UP, SqlJournal
from routing.values import CallId

AT = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)


def step(number: int) -> Stamped:
    return Stamped(AT, journal.MenuStep(CallId(f"{number}.0"), "main", "menu", "1", ""))


def test_who_is_far_behind_says_so_until_it_has_caught_up(tmp_path: Path) -> None:
    said: list[tuple[str, bool]] = []
    log = SqlJournal(
        f"sqlite:///{tmp_path}/log.db",
        spool=tmp_path / "spool.jsonl",
        limits=Limits(batch=100, linger_s=0.0),
    )
    log.beside(lambda keeps_up: said.append((threading.current_thread().name, keeps_up)))
    for number in range(KEEPS_UP + 300):
        log.write(step(number))
    log.start()
    assert log.flush(30.0)
    log.close(10.0)

    assert {thread for thread, _ in said} == {"journal-writer"}
    in_time = [keeps_up for _, keeps_up in said]
    assert in_time == sorted(in_time)
    assert in_time[0] is False
    assert in_time[-1] is True
