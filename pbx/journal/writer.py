"""The journal in a SQL database: taken at once, written in batches by a thread of its own.

House rules: ``write`` never waits for anything.  The log's rows are touched by the writer's thread
only.  A database that is locked, gone or full is tried again for ever; what it has not taken is
put into the spool file meanwhile, so that not even a killed process loses it.  An entry that it
refuses for what the entry holds is dropped alone, counted and logged.  What follows from entries
(a task for a missed call) is written by followers in the same transaction; where one fails, its
own part is given up and counted, never the log's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Condition, Event, Thread

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    OperationalError,
    SQLAlchemyError,
    StatementError,
)

from pbx.errors import JournalError
from pbx.journal.backlog import Backlog, Limits
from pbx.journal.batch import write_changes
from pbx.journal.change import Change
from pbx.journal.closing import close_open
from pbx.journal.codec import Item
from pbx.journal.database import (
    NewerLog,
    first_line,
    migrate,
    open_for_writing,
    told_as_ours,
    which_file,
)
from pbx.journal.follower import Follower
from pbx.journal.port import Stamped
from pbx.journal.rows import RowMaker
from pbx.journal.spool import Spool

_Written = tuple[list[Change], Stamped]
"""An entry and what it does to the tables."""

_log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
"""How often the spiller looks after entries that a database in trouble has not taken, seconds; and
its pause after the spool file could not be written."""
GIVE_UP_S = 1.0
"""How long after its deadline the writer may need to end, seconds."""
STALLED_S = 10.0
"""A transaction that takes longer means a database in trouble, seconds."""


@dataclass(frozen=True, slots=True)
class JournalStats:
    """The journal's own state.

    ``backlog``: entries told and not yet written, those in the spool included.  ``written``,
    ``spilled`` (put into the spool) and ``dropped`` count from the start.  ``failing``: the last
    attempt to write did not succeed, or has been under way for too long.
    """

    backlog: int
    in_spool: int
    written: int
    spilled: int
    dropped: int
    failing: bool


class SqlJournal:
    """Implements ``port.Journal``.  ``spool``: the file for what the database can't take yet.

    ``unfollowed``: batches of which a follower could not make sense.
    """

    def __init__(
        self,
        url: str,
        *,
        spool: Path,
        limits: Limits | None = None,
        followers: Sequence[Follower] = (),
    ) -> None:
        self._limits = limits or Limits()
        self._followers = tuple(followers)
        self.unfollowed = 0
        self.up_to_date = False
        """The database was there, and its tables are those of this program."""
        self._spool_path = spool
        self._spool = Spool(spool)
        # Ids sort by time over restarts too: rows of the same instant keep their order.
        prefix = f"{time.time_ns():016x}"
        self._backlog = Backlog(self._spool, self._limits, id_prefix=prefix)
        self._engine = open_for_writing(url, busy_timeout_s=self._limits.busy_timeout_s)
        self._rows = RowMaker()
        self._connection: Connection | None = None
        self._file: tuple[int, int] | None = None
        self._closing = Event()
        self._deadline = float("inf")
        self._written = 0
        self._refused = 0
        self._failing = False
        self._spool_failing = False
        self._writing_since = float("inf")
        self._progress = Condition()
        self._writer = Thread(target=self._run, name="journal-writer", daemon=True)
        self._spiller = Thread(target=self._spill, name="journal-spiller", daemon=True)

    def start(self, *, patient: bool = False) -> None:
        """Bring the tables up to date and begin to write, an earlier run's spool first.

        Raises JournalError when the spool can't be had, the database is newer than the program, or
        can't be had.  ``patient``: then everything goes to the spool until it can.
        """
        try:
            self._spool.open()
        except OSError as error:
            raise JournalError(f"{self._spool_path}: {error.strerror or error}") from error
        try:
            migrate(self._engine)
        except JournalError as error:
            if not patient or isinstance(error, NewerLog):
                self._spool.close()
                raise
            self._failed(error)
        else:
            self.up_to_date = True
        if self._spool.pending:
            _log.info("journal_spool_found", entries=self._spool.pending)
            self._backlog.work.set()
        self._writer.start()
        self._spiller.start()

    @property
    def engine(self) -> Engine:
        """The database, for who asks questions at the start (recall)."""
        return self._engine

    def write(self, stamped: Stamped) -> None:
        """Take an entry; it is written in batches, in order, by another thread."""
        self._backlog.put(stamped)

    def stats(self) -> JournalStats:
        """How it stands."""
        backlog = self._backlog
        return JournalStats(
            backlog=len(backlog),
            in_spool=backlog.in_spool,
            written=self._written,
            spilled=backlog.spilled,
            dropped=backlog.lost + self._refused,
            failing=self._in_trouble(),
        )

    def flush(self, timeout_s: float) -> bool:
        """Wait until all is written; False when that took too long.  Blocking."""
        self._backlog.full.set()
        with self._progress:
            return self._progress.wait_for(self._backlog.is_empty, timeout_s)

    def close_open_calls(self, now: datetime) -> int:
        """Close what a crash left open: calls that have no end.

        To be called after ``start`` and before the first call; blocking.  Gives the number of
        calls.  They are marked as reconstructed; one that is still alive in the switch is opened
        again when it is found.  Raises JournalError.
        """
        self.flush(self._limits.busy_timeout_s)
        with told_as_ours(self._engine), self._engine.begin() as connection:
            return close_open(connection, now)

    def close(self, timeout_s: float) -> None:
        """Write what is left; what can't be written in time is left in the spool file."""
        if not self._writer.is_alive():
            self._engine.dispose()
            return
        self._deadline = time.monotonic() + timeout_s
        self._closing.set()
        for event in (self._backlog.full, self._backlog.work, self._backlog.spill_wanted):
            event.set()
        # Who gives up at the deadline needs a moment to do so.
        self._writer.join(timeout_s + GIVE_UP_S)
        self._spiller.join(timeout_s)
        if len(self._backlog):
            self._leave_to_next_run()
        if not self._writer.is_alive():
            self._disconnect()
            self._spool.close()
        self._engine.dispose()

    def _leave_to_next_run(self) -> None:
        try:
            self._backlog.save()
        except OSError as error:
            lost = len(self._backlog) - self._backlog.in_spool
            _log.error("journal_lost", entries=lost, reason=str(error))
        if self._backlog.in_spool:
            _log.warning("journal_left_in_spool", entries=self._backlog.in_spool)

    # The writer's thread -----------------------------------------------------------------

    def _run(self) -> None:
        if not self._begin():
            return
        while True:
            self._backlog.work.wait()
            self._backlog.work.clear()
            # Asked before the last look: what is told before the end is asked for is written.
            closing = self._closing.is_set()
            if not closing:
                self._backlog.full.wait(self._limits.linger_s)
            self._backlog.full.clear()
            if not self._write_all() or closing:
                return

    def _begin(self) -> bool:
        """Where there was no database at the start; False: time is over."""
        delay = self._limits.retry_first_s
        while not self.up_to_date:
            if self._time_is_over(delay):
                return False
            delay = min(2 * delay, self._limits.retry_most_s)
            try:
                migrate(self._engine)
            except JournalError as error:
                self._failed(error)
            except Exception:
                _log.exception("journal_not_brought_up_to_date")
            else:
                self.up_to_date = True
                self._recovered()
        return True

    def _write_all(self) -> bool:
        """False: given up, for time is over."""
        while items := self._take():
            if not self._write_items(items):
                return False
            self._backlog.done()
            with self._progress:
                self._progress.notify_all()
        return True

    def _take(self) -> list[Item]:
        while True:
            try:
                return self._backlog.take()
            except OSError as error:
                self._failed(error)
                if self._time_is_over(self._limits.retry_most_s):
                    return []

    def _write_items(self, items: Sequence[Item]) -> bool:
        refused_before = self._refused
        todo = [
            (changes, item.stamped)
            for item in items
            if (changes := self._rows_of(item)) is not None
        ]
        delay = self._limits.retry_first_s
        while True:
            self._writing_since = time.monotonic()
            try:
                self._commit_all(todo)
            except (SQLAlchemyError, OSError) as error:
                self._disconnect()
                self._failed(error)
                if self._time_is_over(delay):
                    return False
                delay = min(2 * delay, self._limits.retry_most_s)
            else:
                self._writing_since = float("inf")
                self._written += len(items) - (self._refused - refused_before)
                self._recovered()
                return True

    def _rows_of(self, item: Item) -> list[Change] | None:
        """None: nothing follows from it either."""
        try:
            return self._rows.rows(item.entry_id, item.stamped)
        except Exception:
            self._refused += 1
            _log.exception("journal_entry_not_understood", kind=type(item.stamped.entry).__name__)
            return None

    def _commit_all(self, todo: list[_Written]) -> None:
        try:
            self._commit(todo)
        except Exception as error:
            if not _refused(error):
                raise
            self._one_by_one(todo)

    def _one_by_one(self, todo: list[_Written]) -> None:
        """Something in the batch can't be stored: find it, and keep the rest."""
        while todo:
            try:
                self._commit(todo[:1])
            except Exception as error:
                if not _refused(error):
                    raise
                self._refused += 1
                changes, stamped = todo[0]
                tables = sorted({one.table.name for one in changes})
                kind = type(stamped.entry).__name__
                _log.error(
                    "journal_entry_refused", kind=kind, tables=tables, reason=first_line(error)
                )
            del todo[0]

    def _commit(self, todo: Sequence[_Written]) -> None:
        # SQLite goes on writing into a file that somebody has removed: it would be lost.
        file = which_file(self._engine)
        if self._connection is None:
            self._connection = self._engine.connect()
            self._file = file
        elif file != self._file:
            raise FileNotFoundError("another file has taken the place of the log's")
        with self._connection.begin():
            write_changes(self._connection, (change for changes, _ in todo for change in changes))
            for follower in self._followers:
                wanted = [
                    stamped for _, stamped in todo if isinstance(stamped.entry, follower.wants)
                ]
                if wanted:
                    self._follow(self._connection, follower, wanted)

    def _follow(
        self, connection: Connection, follower: Follower, entries: Sequence[Stamped]
    ) -> None:
        try:
            with connection.begin_nested():
                follower.follow(connection, entries)
        except (OperationalError, InterfaceError, OSError):
            raise  # the database is not well: the whole batch is tried again
        except Exception:
            self.unfollowed += 1
            _log.exception("journal_follower_failed", follower=type(follower).__name__)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except (SQLAlchemyError, OSError):
                connection.invalidate()

    def _failed(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            _log.error("journal_write_failed", reason=first_line(error))

    def _recovered(self) -> None:
        if self._failing:
            self._failing = False
            _log.info("journal_writes_again", backlog=len(self._backlog))

    def _time_is_over(self, pause_s: float) -> bool:
        """Wait before the next attempt; True when there shall be none."""
        if not self._closing.wait(pause_s):
            return False
        left = self._deadline - time.monotonic()
        if left > 0:
            time.sleep(min(left, pause_s))
        return left <= 0

    def _in_trouble(self) -> bool:
        return self._failing or time.monotonic() - self._writing_since > STALLED_S

    # The spiller's thread ----------------------------------------------------------------

    def _spill(self) -> None:
        """Apart from the writer, which may be waiting for a database that does not reply."""
        backlog = self._backlog
        while True:
            backlog.spill_wanted.wait(LOOK_EVERY_S)
            if self._closing.is_set():
                return
            backlog.spill_wanted.clear()
            try:
                if self._in_trouble():
                    backlog.save()
                else:
                    backlog.spill()
            except OSError as error:
                self._spool_failed(error)
                self._closing.wait(LOOK_EVERY_S)
            else:
                self._spool_failing = False

    def _spool_failed(self, error: OSError) -> None:
        if not self._spool_failing:
            self._spool_failing = True
            _log.error("journal_spool_failed", reason=str(error))


def _refused(error: Exception) -> bool:
    """The database is well, the values are not."""
    if isinstance(error, DBAPIError):
        return isinstance(error, DataError | IntegrityError | NotSupportedError)
    if isinstance(error, SQLAlchemyError):
        return isinstance(error, StatementError)
    # A value that could not even be handed to the driver.
    return not isinstance(error, OSError)
