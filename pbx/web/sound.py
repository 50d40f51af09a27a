"""Sound files to a browser: opened inside one folder and nowhere else, sent whole or in part."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import IO

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_CHUNK = 128 * 1024
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_SAFE_NAME = re.compile(r"[^A-Za-z0-9._-]")


class NoSound(Exception):
    """There is no such file in the folder."""


@dataclass(slots=True)
class Sound:
    """An open file.  ``tag``: changes with its content."""

    file: IO[bytes]
    size: int
    modified: float
    tag: str


def open_sound(folder: Path, path: str) -> Sound:
    """The regular file at ``path``, below ``folder`` or naming it; no symbolic link inside the
    folder is followed, so what is opened lies there.  Blocking.  Raises NoSound."""
    parts = _below(folder, path)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts[:-1]:
                there = os.open(part, flags | os.O_DIRECTORY, dir_fd=here)
                os.close(here)
                here = there
            found = os.open(parts[-1], flags, dir_fd=here)
        finally:
            os.close(here)
    except (OSError, ValueError):
        raise NoSound(path) from None
    about = os.fstat(found)
    if not stat.S_ISREG(about.st_mode):
        os.close(found)
        raise NoSound(path)
    tag = f'"{about.st_ino:x}-{about.st_size:x}-{about.st_mtime_ns:x}"'
    return Sound(os.fdopen(found, "rb"), about.st_size, about.st_mtime, tag)


def is_there(folder: Path, path: str) -> bool:
    """Whether it can be opened.  Blocking."""
    try:
        open_sound(folder, path).file.close()
    except NoSound:
        return False
    return True


def _below(folder: Path, path: str) -> tuple[str, ...]:
    """The names from the folder down to the file.  Raises NoSound."""
    try:
        inside = Path(path).relative_to(folder) if path.startswith("/") else Path(path)
    except ValueError:
        raise NoSound(path) from None
    if not inside.parts or ".." in inside.parts or "\0" in path:
        raise NoSound(path)
    return inside.parts


class SoundResponse(Response):
    """Sends a Sound, or the one range of it that is asked for, and closes it."""

    def __init__(self, request: Request, sound: Sound, name: str, *, download: bool) -> None:
        self._sound = sound
        self._from, self._to = 0, sound.size
        status = 200
        headers = {
            "Accept-Ranges": "bytes",
            "ETag": sound.tag,
            "Last-Modified": formatdate(sound.modified, usegmt=True),
            "Content-Disposition": (
                f'{"attachment" if download else "inline"}; filename="{_SAFE_NAME.sub("_", name)}"'
            ),
            # A browser may keep it for this page; nobody between may.
            "Cache-Control": "private, no-store",
        }
        wanted = _range(request, sound)
        if wanted is not None:
            self._from, self._to = wanted
            status = 206
            headers["Content-Range"] = f"bytes {self._from}-{self._to - 1}/{sound.size}"
            if self._from >= self._to:
                self._to = self._from
                status = 416
                headers["Content-Range"] = f"bytes */{sound.size}"
        self._bodyless = request.method == "HEAD"
        super().__init__(None, status, headers, media_type="audio/wav")
        self.headers["Content-Length"] = str(self._to - self._from)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; who goes away meanwhile is told by an exception out of ``send``."""
        file = self._sound.file
        try:
            start = {"type": "http.response.start", "status": self.status_code}
            await send({**start, "headers": self.raw_headers})
            left = 0 if self._bodyless else self._to - self._from
            if left:
                await asyncio.to_thread(file.seek, self._from)
            while left and (data := await asyncio.to_thread(file.read, min(_CHUNK, left))):
                left -= len(data)
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            file.close()


def _range(request: Request, sound: Sound) -> tuple[int, int] | None:
    """From and to (exclusive) as asked for, empty where it can't be had; None: the whole file.

    Several ranges, and what is no range, are answered with the whole file (RFC 9110, 14.2).
    """
    asked = request.headers.get("range", "")
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found.group(1, 2) == ("", ""):
        return None
    unchanged = request.headers.get("if-range", sound.tag)
    if unchanged not in (sound.tag, formatdate(sound.modified, usegmt=True)):
        return None
    if not found[1]:  # the last so many
        begin = max(sound.size - int(found[2]), 0)
        return (begin, sound.size) if int(found[2]) else (sound.size, sound.size)
    begin = int(found[1])
    end = min(int(found[2]) + 1, sound.size) if found[2] else sound.size
    if found[2] and int(found[2]) < begin:
        return None
    return begin, end
