"""Follows the engine's live state from another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import orjson

from pbx.doors import short_path
from pbx.live.board import Message
from pbx.live.server import ALIVE_EVERY_S, NAME

LONGEST_LINE = 64 * 1024 * 1024
"""A snapshot of a hundred thousand calls, bytes."""
SILENT_S = 4 * ALIVE_EVERY_S
"""An engine that says nothing for so long is not there, seconds."""
AGAIN_FIRST_S = 0.1
AGAIN_MOST_S = 2.0
"""Pauses before the next attempt to reach it, the first and the longest, seconds."""


async def follow(state_dir: Path) -> AsyncGenerator[Message | None, None]:
    """Messages as the engine tells them, for ever, a snapshot first.  None, once: the engine is not
    there, from the beginning or any more; a snapshot comes when it is.  To be closed (``aclosing``)
    or cancelled."""
    pause_s = AGAIN_FIRST_S
    told = True
    while True:
        try:
            async with aclosing(_once(state_dir)) as messages:
                async for message in messages:
                    told, pause_s = True, AGAIN_FIRST_S
                    yield message
        except (OSError, ValueError, TimeoutError):
            pass  # not there, or broke off: again
        if told:
            yield None
            told = False
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, AGAIN_MOST_S)


async def _once(state_dir: Path) -> AsyncGenerator[Message, None]:
    """Until the connection ends.  Raises OSError, ValueError, TimeoutError."""
    with short_path(state_dir, NAME) as path:
        reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
    try:
        while True:
            async with asyncio.timeout(SILENT_S):
                line = await reader.readline()
            if not line.endswith(b"\n"):
                return
            message = orjson.loads(line)
            if not isinstance(message, dict):
                raise ValueError("not a message")
            yield message
    finally:
        writer.close()
