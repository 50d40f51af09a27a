"""What is told and not yet written: in memory, and when that is full, in the spool file.

House rules: ``put`` is the hot path and takes no lock.  The oldest entries are those that are
taken and being written, then the spool's, then memory's: so order is kept whatever happens.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from threading import Event, Lock

from pbx.journal.codec import Item
from pbx.journal.port import Stamped
from pbx.journal.spool import Spool

_SPILL_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept and how patiently.

    ``batch``: entries in one transaction.  ``linger_s``: how long a batch may fill.  ``memory``:
    entries in memory above which the oldest go to the spool; at ``memory_at_most`` (the spool
    can't be written, or not fast enough) new ones are dropped and counted.  ``retry_first_s``
    doubles up to ``retry_most_s``.  ``busy_timeout_s``: SQLite's wait for a lock.
    """

    batch: int = 500
    linger_s: float = 0.1
    memory: int = 20_000
    memory_at_most: int = 200_000
    retry_first_s: float = 0.1
    retry_most_s: float = 5.0
    busy_timeout_s: float = 5.0


class Backlog:
    """Entries on their way to the database.

    ``work`` is set when there is something to take, ``full`` when a batch is, ``spill_wanted``
    when memory holds too much.
    """

    def __init__(self, spool: Spool, limits: Limits, *, id_prefix: str) -> None:
        self._spool = spool
        self._limits = limits
        self._prefix = id_prefix
        self._numbers = itertools.count(1)
        self._queue: deque[Item] = deque()
        self._taken: list[Item] = []
        self._from_spool = False
        # Between who takes and who spills; never held while a database is waited for.
        self._lock = Lock()
        self.work = Event()
        self.full = Event()
        self.spill_wanted = Event()
        self.dropped = 0
        self.spilled = 0

    def put(self, stamped: Stamped) -> None:
        """Take an entry.  Never blocks."""
        queue = self._queue
        if len(queue) >= self._limits.memory_at_most:
            self.dropped += 1
            return
        queue.append(Item(f"{self._prefix}-{next(self._numbers):012d}", stamped))
        if not self.work.is_set():
            self.work.set()
        if len(queue) >= self._limits.batch and not self.full.is_set():
            self.full.set()
        if len(queue) > self._limits.memory and not self.spill_wanted.is_set():
            self.spill_wanted.set()

    def __len__(self) -> int:
        """Entries told and not yet written, wherever they are."""
        in_hand = 0 if self._from_spool else len(self._taken)
        return len(self._queue) + in_hand + self._spool.pending

    def is_empty(self) -> bool:
        """Everything told is written.  May wait for the disk."""
        with self._lock:
            return not len(self)

    @property
    def in_spool(self) -> int:
        """Entries in the spool file."""
        return self._spool.pending

    @property
    def lost(self) -> int:
        """Entries that will never be written: dropped, or unreadable in the spool."""
        return self.dropped + self._spool.broken

    def take(self) -> list[Item]:
        """The oldest entries, a batch at most; they count as told until ``done``.

        Raises OSError when the spool can't be read.
        """
        with self._lock:
            while self._spool.pending:
                self._from_spool = True
                self._taken = self._spool.peek(self._limits.batch)
                if self._taken:
                    return self._taken
                self._spool.forget()  # nothing readable among them
            self._from_spool = False
            number = min(self._limits.batch, len(self._queue))
            self._taken = [self._queue.popleft() for _ in range(number)]
            return self._taken

    def done(self) -> None:
        """What was taken is written."""
        with self._lock:
            if self._from_spool:
                self._spool.forget()
                self._from_spool = False
            self._taken = []

    def spill(self) -> None:
        """Move the oldest in memory to the spool until memory is half full.

        Raises OSError when the disk does not take them: they stay in memory.
        """
        while len(self._queue) > self._limits.memory // 2:
            self._spill_some()

    def _spill_some(self) -> None:
        with self._lock:
            number = min(_SPILL_AT_ONCE, len(self._queue))
            items = [self._queue.popleft() for _ in range(number)]
            try:
                if items:
                    self._spool.append(items)
            except OSError:
                self._queue.extendleft(reversed(items))
                raise
            self.spilled += len(items)

    def save(self) -> None:
        """Put all that is not written into the spool: what is being written just now, too.

        Raises OSError when the disk does not take them: they stay in memory.
        """
        with self._lock:
            if self._taken and not self._from_spool:
                number = len(self._taken)
                self._spool.put_before(self._taken)
                # The spool's head is in hand now: ``done`` takes it off there.
                self._spool.peek(number)
                self._from_spool = True
                self.spilled += number
        while self._queue:
            self._spill_some()
