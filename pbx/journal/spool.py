"""A file of entries that the database could not take yet.

First in, first out.  What has been read is forgotten only when the file is empty again: after a
crash it is read from its beginning, which is harmless, for writing an entry twice leaves it once.
The file is kept open while it holds anything: if somebody removes it, nothing is lost, and it is
made anew with the next entries.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from io import FileIO
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
        self._file: FileIO | None = None
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
        if self.pending:
            self._file = _opened(self._path)
        else:
            self._path.unlink()

    def append(self, items: Sequence[Item]) -> None:
        """Add at the end.  Raises OSError when the disk does not take it: then nothing is added."""
        if self._file is not None and not _is_at(self._file, self._path):
            self._rewrite(())
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _opened(self._path)
        file = self._file
        data = b"".join(map(encode, items))
        before = file.seek(0, os.SEEK_END)
        if before + len(data) > self._max_bytes:
            raise SpoolFullError(f"{self._path} has reached {self._max_bytes} bytes")
        try:
            _write(file, data)
        except OSError:
            file.truncate(before)
            raise
        self.pending += len(items)

    def peek(self, at_most: int) -> list[Item]:
        """The oldest entries; they stay until ``forget``."""
        items: list[Item] = []
        self._read = 0
        if self._file is None:
            return items
        with open(os.dup(self._file.fileno()), "rb") as reader:
            reader.seek(self._offset)
            while self._read < at_most and (line := reader.readline()):
                self._read += 1
                try:
                    items.append(decode(line))
                except ValueError:
                    self.broken += 1
            self._read_to = reader.tell()
        if not self._read:
            # Somebody has emptied it.
            self.broken += self.pending
            self.pending = 0
        return items

    def forget(self) -> None:
        """Take off what the last ``peek`` gave."""
        self._offset = self._read_to
        self.pending -= self._read
        self._read = 0
        if self.pending <= 0:
            self.pending = 0
            self._offset = self._read_to = 0
            with contextlib.suppress(OSError):
                # Emptied first: where the file can't be removed, nothing is read twice.
                if self._file is not None:
                    self._file.truncate(0)
                self._path.unlink(missing_ok=True)
            self.close()

    def put_before(self, items: Sequence[Item]) -> None:
        """Put ``items`` in front of all others.  Raises OSError when the disk does not take it."""
        if self.pending:
            self._rewrite(items)
        else:
            self.append(items)

    def close(self) -> None:
        """Let go of the file; what it holds stays."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rewrite(self, first: Sequence[Item]) -> None:
        """Make the file anew: ``first``, then what has not been taken off."""
        old = self._file
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_name(self._path.name + ".new")
        new.unlink(missing_ok=True)
        file = _opened(new)
        try:
            _write(file, b"".join(map(encode, first)))
            at = self._offset
            while old is not None and (chunk := os.pread(old.fileno(), 1 << 20, at)):
                _write(file, chunk)
                at += len(chunk)
            os.fsync(file.fileno())
            new.replace(self._path)
        except OSError:
            file.close()
            new.unlink(missing_ok=True)
            raise
        self.close()
        self._file = file
        # What the last peek gave is still at the head, unless ``first`` is: then there was none.
        self._read_to = max(0, self._read_to - self._offset)
        self._offset = 0
        self.pending += len(first)


def _opened(path: Path) -> FileIO:
    """Unbuffered: what a full disk has not taken must not be tried again behind our back.
    Private: callers' numbers are nobody else's business."""
    return FileIO(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+")


def _is_at(file: FileIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _write(file: FileIO, data: bytes) -> None:
    """All of it: a disk that is nearly full takes a part at first."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) or 0 :]
