"""The engine's own door for its admin: a unix socket in the state folder, one JSON line each way.

Only the engine's own user and root get in: the socket's mode is 0600, and whoever connects is
asked of the kernel.  Requests are short, few at a time, and nobody is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import structlog

from pbx.errors import ControlError, PbxError

_log = structlog.get_logger(__name__)

NAME = "control.sock"
MAX_REQUEST = 65_536
"""Of a request, bytes."""
MAX_REPLY = 16_000_000
"""Of a reply, bytes: all mistakes of a hostile plan."""
AT_ONCE = 8
"""Connections at once."""
LINE_S = 5.0
"""Longest wait for the request, and for the reply to be taken, seconds."""
_LONGEST_PATH = 100
"""Linux takes 108 bytes."""
_PEER = struct.Struct("3i")

Request = Mapping[str, Any]
Answer = Callable[[Request, str], Awaitable[dict[str, object]]]
"""(request, who asks) -> what is replied; an error of ours is told in its words."""


class ControlServer:
    """Listens from ``start`` to ``stop``."""

    def __init__(self, folder: Path, answer: Answer) -> None:
        self._folder = folder
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._open = 0

    async def start(self) -> None:
        """A socket that an engine before us left is replaced.  Raises OSError."""
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # Before it can be seen: it is born with this mode.
            os.fchmod(listening.fileno(), 0o600)
            with _short(self._folder) as folder:
                path = os.path.join(folder, NAME)
                with contextlib.suppress(FileNotFoundError):
                    if not stat.S_ISSOCK(os.lstat(path).st_mode):
                        raise OSError(f"{self._folder / NAME} is in the way")
                    os.unlink(path)
                listening.bind(path)
                self._inode = os.lstat(path).st_ino
            self._server = await asyncio.start_unix_server(
                self._serve, sock=listening, limit=MAX_REQUEST
            )
        except BaseException:
            listening.close()
            raise

    async def stop(self) -> None:
        """Nobody is let in any more; what is under way ends with the process."""
        if self._server is not None:
            self._server.close()
            self._server = None
            with contextlib.suppress(OSError), _short(self._folder) as folder:
                path = os.path.join(folder, NAME)
                if os.lstat(path).st_ino == self._inode:  # else of an engine after us
                    os.unlink(path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            reply = await self._reply(reader, writer)
            writer.write(orjson.dumps(reply, default=str) + b"\n")
            async with asyncio.timeout(LINE_S):
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # who asked is gone
        finally:
            self._open -= 1
            writer.close()

    async def _reply(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> dict[str, object]:
        uid = _peer(writer)
        if uid not in (0, os.geteuid()):
            return _refused("only root and the engine's own user may")
        if self._open > AT_ONCE:
            return _refused("too many ask at once")
        try:
            async with asyncio.timeout(LINE_S):
                request = orjson.loads(await reader.readuntil(b"\n"))
        except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            return _refused("not one line of JSON")
        if not isinstance(request, dict):
            return _refused("not a JSON object")
        try:
            return {"ok": True, **await self._answer(request, _author(uid, request))}
        except PbxError as error:
            return _refused(str(error))
        except Exception:
            _log.exception("control_failed")
            return _refused("it failed: see the engine's log")


def _refused(why: str) -> dict[str, object]:
    return {"ok": False, "error": why}


def _peer(writer: asyncio.StreamWriter) -> int:
    """The user id of who has connected."""
    peer = writer.get_extra_info("socket")
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(raw)[1])


def _author(uid: int, request: Request) -> str:
    """Who asks: the kernel's word, and for root the user behind sudo, by root's own word."""
    name = user_name(uid)
    behind = request.get("sudo_user")
    if uid == 0 and isinstance(behind, str) and behind.isprintable() and 0 < len(behind) <= 64:
        return f"{behind} ({name})"
    return name


def user_name(uid: int) -> str:
    """As the system knows it, else the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def ask(folder: Path, request: dict[str, object], *, timeout_s: float) -> dict[str, Any]:
    """Ask the engine whose state is in ``folder``; its reply.

    Raises ControlError when there is no engine, when it refuses, or does not reply in time.
    """
    if behind := os.environ.get("SUDO_USER"):
        request = {**request, "sudo_user": behind}
    place = folder / NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout_s)
        try:
            with _short(folder) as short:
                line.connect(os.path.join(short, NAME))
            line.sendall(orjson.dumps(request) + b"\n")
            data = bytearray()
            while not data.endswith(b"\n") and len(data) < MAX_REPLY:
                part = line.recv(65_536)
                if not part:
                    break
                data += part
            reply = orjson.loads(data)
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            raise ControlError(
                f"no engine listens at {place} (is it running, and VORONKA_STATE_DIR its own?)"
            ) from error
        except PermissionError as error:
            raise ControlError(f"{place}: only root and the engine's own user may ask") from error
        except TimeoutError as error:
            raise ControlError(f"no reply within {timeout_s:g} s; it may still be done") from error
        except (OSError, ValueError) as error:
            raise ControlError(f"{place}: the engine's reply broke off ({error})") from error
    if not isinstance(reply, dict) or not reply.get("ok"):
        why = reply.get("error") if isinstance(reply, dict) else None
        raise ControlError(str(why or "the engine's reply is not one"))
    return reply


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """The folder by a name that is short enough for a socket's address."""
    if len(os.fsencode(folder / NAME)) <= _LONGEST_PATH:
        yield str(folder)
        return
    there = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{there}"
    finally:
        os.close(there)
