"""Ports that several labs on one machine do not take from each other.

A lab holds a slot (a locked file) for its life; all its ports come from that slot's range, which
lies below the system's own ephemeral ports.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import tempfile
from pathlib import Path

# 10000-32000 is below Linux's ephemeral range (32768 and up).
_FIRST = 10_000
_SLOT_SIZE = 3_600
_SLOTS = 6
#: Of a slot, the first part is for signalling (AMI, SIP, phones), the rest for media.
_SIGNALLING = 200
_SIPP_MEDIA = 1_400
_WAIT_S = 30.0
"""Longest wait for one that another lab has, seconds."""


class AllTaken(RuntimeError):
    """As many labs as can run on this machine do."""


class PortSlot:
    """A range of ports of our own; ``close`` gives it back.  Raises AllTaken."""

    def __init__(self) -> None:
        self._file = -1
        for slot in range(_SLOTS):
            path = Path(tempfile.gettempdir()) / f"voronka-ports-{slot}.lock"
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            self._file = fd
            self.first = _FIRST + slot * _SLOT_SIZE
            break
        else:
            raise AllTaken(f"{_SLOTS} labs run on this machine already")
        self._next = self.first
        self._next_media = self.first + _SIGNALLING
        #: For Asterisk's rtp.conf.
        self.rtp_first = self.first + _SIGNALLING + _SIPP_MEDIA
        self.rtp_last = self.first + _SLOT_SIZE - 1

    def port(self) -> int:
        """A port that is free on all loopback addresses, for TCP and UDP."""
        for _ in range(_SIGNALLING):
            candidate = self._next
            self._next += 1
            if self._next >= self.first + _SIGNALLING:
                self._next = self.first
            if _is_free(candidate):
                return candidate
        raise RuntimeError(f"no free port from {self.first} on")

    def media(self, count: int) -> int:
        """The first of ``count`` ports in a row for a SIPp's media; reused in turn.

        One that an earlier lab's SIPp still has (it was killed) is passed over.
        """
        for _ in range(_SIPP_MEDIA // count):
            if self._next_media + count > self.rtp_first:
                self._next_media = self.first + _SIGNALLING
            first = self._next_media
            self._next_media += count
            if _is_free(first):
                return first
        raise RuntimeError(f"no free media port from {self.first + _SIGNALLING} on")

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


async def free_slot() -> PortSlot:
    """Waits where all are taken, as tests of several checkouts may do.  Raises AllTaken."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + _WAIT_S
    while True:
        try:
            return PortSlot()
        except AllTaken:
            if clock() > deadline:
                raise
            await asyncio.sleep(0.2)


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True
