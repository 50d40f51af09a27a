"""A file of entries that the database could not take yet.

First in, first out.  What has been read is forgotten only when the file is empty again: after a
crash it is read from its beginning, which is harmless, for writing an entry twice leaves it once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pbx.journal.codec import Item, decode, encode

MAX_BYTES = 1 << 30
"""A spool does not grow beyond this; about three million entries."""


class SpoolFullError(OSError):
    """The spool has reached its limit."""


class Spool:
    """Entries in ``path``, oldest first.  Not for two threads at once.

    ``pending``: entries not yet taken off.  ``broken``: lines that could not be read.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._offset = 0
        self._read_to = 0
        self._read = 0
        self.pending = 0
        self.broken = 0

    def open(self) -> None:
        """Look what an earlier run has left.  Raises OSError when the file can't be had."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            return
        whole = 0
        with self._path.open("rb+") as file:
            for line in file:
                if line.endswith(b"\n"):
                    whole += len(line)
                    self.pending += 1
                else:
                    self.broken += 1  # cut off by a crash
            file.truncate(whole)
        if not self.pending:
            self._path.unlink()

    def append(self, items: Sequence[Item]) -> None:
        """Add at the end.  Raises OSError when the disk does not take it."""
        data = b"".join(map(encode, items))
        with open(self._path, "ab", opener=_private) as file:
            before = file.tell()
            if before + len(data) > self._max_bytes:
                raise SpoolFullError(f"{self._path} has reached {self._max_bytes} bytes")
            try:
                file.write(data)
                file.flush()
            except OSError:
                file.truncate(before)
                raise
        self.pending += len(items)

    def peek(self, at_most: int) -> list[Item]:
        """The oldest entries; they stay until ``forget``."""
        items: list[Item] = []
        self._read = 0
        with self._path.open("rb") as file:
            file.seek(self._offset)
            while self._read < at_most and (line := file.readline()):
                self._read += 1
                try:
                    items.append(decode(line))
                except ValueError:
                    self.broken += 1
            self._read_to = file.tell()
        return items

    def forget(self) -> None:
        """Take off what the last ``peek`` gave."""
        self._offset = self._read_to
        self.pending -= self._read
        self._read = 0
        if self.pending <= 0:
            self.pending = 0
            self._offset = self._read_to = 0
            self._path.unlink(missing_ok=True)

    def put_before(self, items: Sequence[Item]) -> None:
        """Put ``items`` in front of all others.  Raises OSError when the disk does not take it."""
        if not self.pending:
            self.append(items)
            return
        new = self._path.with_name(self._path.name + ".new")
        with open(new, "wb", opener=_private) as to, self._path.open("rb") as old:
            to.write(b"".join(map(encode, items)))
            old.seek(self._offset)
            while chunk := old.read(1 << 20):
                to.write(chunk)
            to.flush()
            os.fsync(to.fileno())
        new.replace(self._path)
        self._offset = self._read_to = self._read = 0
        self.pending += len(items)


def _private(path: str, flags: int) -> int:
    """Callers' numbers are nobody else's business."""
    return os.open(path, flags, 0o600)
