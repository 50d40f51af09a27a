"""Unix sockets in the state folder: who gets in, and how they are made and found.

Only the engine's own user and root get in: the socket's mode is 0600, and whoever connects is
asked of the kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

_LONGEST_PATH = 100
"""Linux takes 108 bytes."""
_PEER = struct.Struct("3i")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Door:
    """A socket that listens from ``open`` to ``close``."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._server: asyncio.Server | None = None
        self._inode = 0

    async def open(self, serve: Serve, *, limit: int) -> None:
        """``limit``: of a line, bytes.  A socket that an engine before us left is replaced.  Raises
        OSError."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Before it can be seen: it is born with this mode.
            os.fchmod(listening.fileno(), 0o600)
            with short_path(self._folder, self._name) as path:
                with contextlib.suppress(FileNotFoundError):
                    if not stat.S_ISSOCK(os.lstat(path).st_mode):
                        raise OSError(f"{self._folder / self._name} is in the way")
                    os.unlink(path)
                listening.bind(path)
                self._inode = os.lstat(path).st_ino
            self._server = await asyncio.start_unix_server(serve, sock=listening, limit=limit)
        except BaseException:
            listening.close()
            raise

    def close(self) -> None:
        """Nobody is let in any more; who is in stays."""
        if self._server is not None:
            self._server.close()
            self._server = None
            with contextlib.suppress(OSError), short_path(self._folder, self._name) as path:
                if os.lstat(path).st_ino == self._inode:  # else of an engine after us
                    os.unlink(path)


def peer_uid(writer: asyncio.StreamWriter) -> int:
    """The user id of who has connected, by the kernel's word."""
    peer = writer.get_extra_info("socket")
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(raw)[1])


def is_let_in(uid: int) -> bool:
    """Root, and the user as whom we run."""
    return uid in (0, os.geteuid())


@contextlib.contextmanager
def short_path(folder: Path, name: str) -> Iterator[str]:
    """The socket by a name that is short enough for an address."""
    if len(os.fsencode(folder / name)) <= _LONGEST_PATH:
        yield str(folder / name)
        return
    there = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{there}/{name}"
    finally:
        os.close(there)
