"""A process that tells the log 300 steps of a call while the database is locked, and is killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pbx.journal import port as journal
from pbx.journal.backlog import Limits
from pbx.journal.port import Stamped
from pbx.journal.writer import SqlJournal
from tests.journal.steps import BEGAN, CALL, step

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    log = SqlJournal(
        f"sqlite:///{folder / 'log.db'}",
        spool=folder / "spool.jsonl",
        limits=Limits(batch=20, busy_timeout_s=0.05, retry_most_s=0.1, linger_s=0.01),
    )
    log.start()
    print("started", flush=True)
    sys.stdin.readline()  # the database is locked now
    log.write(Stamped(BEGAN, journal.CallStarted(CALL, "+7", "", "", "", "", "ru")))
    for n in range(300):
        log.write(step(n))
    while log.stats().in_spool < 301:
        time.sleep(0.01)
    print("spooled", flush=True)
    time.sleep(600)
