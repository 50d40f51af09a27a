"""The engine's own door for its admin: a unix socket in the state folder, one JSON line each way.

Only the engine's own user and root get in (doors.py).  Requests are short, few at a time, and
nobody is waited for.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import structlog

from pbx.doors import Door, is_let_in, peer_uid, short_path
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

Request = Mapping[str, Any]
Answer = Callable[[Request, str], Awaitable[dict[str, object]]]
"""(request, who asks) -> what is replied; an error of ours is told in its words."""


class ControlServer:
    """Listens from ``start`` to ``stop``."""

    def __init__(self, folder: Path, answer: Answer) -> None:
        self._door = Door(folder, NAME)
        self._answer = answer
        self._open = 0

    async def start(self) -> None:
        """A socket that an engine before us left is replaced.  Raises OSError."""
        await self._door.open(self._serve, limit=MAX_REQUEST)

    async def stop(self) -> None:
        """Nobody is let in any more; what is under way ends with the process."""
        self._door.close()

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
        uid = peer_uid(writer)
        if not is_let_in(uid):
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


def _author(uid: int, request: Request) -> str:
    """Who asks: the kernel's word; for root the user behind sudo, by root's own word; and for the
    page, which runs as our own user, who is signed in there, by the page's word."""
    web = request.get("by")
    if isinstance(web, str) and web.isprintable() and 0 < len(web) <= 64:
        return f"{web} (web)"
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
            with short_path(folder, NAME) as path:
                line.connect(path)
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
