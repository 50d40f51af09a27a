"""The page's process beside the engine: started, started again when it ends, stopped.

House rules: nothing here is in the way of a call.  The page gets none of the engine's secrets, and
whatever becomes of it, the engine does not wait for it and does not end with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Mapping, Sequence

import structlog

_log = structlog.get_logger(__name__)

COMMAND = (sys.executable, "-m", "pbx.web")
FIRST_PAUSE_S = 1.0
"""Before it is started again, seconds; doubled each time."""
LONGEST_PAUSE_S = 60.0
STEADY_S = 60.0
"""Who ran for so long begins with the first pause again, seconds."""
STOP_S = 5.0
"""How long it may take to end, seconds."""
_SECRETS = (
    *("VORONKA_AMI_", "VORONKA_LOOKUP", "VORONKA_MISSED_WEBHOOK"),
    "VORONKA_WEBHOOKS_FILE",
)


class WebProcess:
    """Runs ``command`` from ``start`` to ``stop``."""

    def __init__(
        self, command: Sequence[str] = COMMAND, env: Mapping[str, str] = os.environ
    ) -> None:
        self._command = command
        self._env = {name: env[name] for name in env if not name.startswith(_SECRETS)}
        self._task: asyncio.Task[None] | None = None
        self.starts = 0
        self.pid: int | None = None

    def start(self) -> None:
        """Begin; does not wait."""
        self._task = asyncio.create_task(self._run(), name="web")

    async def stop(self) -> None:
        """End it, by force where a word does not help."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                code = await self._once()
                _log.error("web_ended", code=code)
            except OSError as error:
                _log.error("web_not_started", reason=str(error))
            if loop.time() - began >= STEADY_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    async def _once(self) -> int:
        """From its start to its end; the exit code.  Its standard input ends when we do, however
        that comes about: that is its sign to end, too."""
        process = await asyncio.create_subprocess_exec(
            *self._command, env=self._env, stdin=asyncio.subprocess.PIPE
        )
        self.starts += 1
        self.pid = process.pid
        try:
            return await process.wait()
        finally:
            self.pid = None
            if process.returncode is None:
                await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
