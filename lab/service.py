"""The product as it is run: ``pbx run`` as a process of its own beside a lab's Asterisk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from lab.asterisk import HOST, AsteriskLab, LabError

# That of the checkout in which we are, whichever is installed.
_PBX = (sys.executable, "-c", "from pbx.cli import main; main()")
READY_S = 60.0
"""How long it may take to start, seconds: the first time it speaks all prompts."""


class PbxProcess:
    """``async with PbxProcess(lab, plan, folder) as pbx``: ready, until killed or left.

    ``folder`` keeps its state and log over restarts; ``database`` its URL; ``settings``: further
    ones, by name.
    """

    def __init__(
        self,
        lab: AsteriskLab,
        plan: Path,
        folder: Path,
        *,
        database: str = "",
        ami_port: int = 0,
        settings: Mapping[str, str] = {},
    ) -> None:
        self._lab = lab
        self._plan = plan
        self._ami_port = ami_port
        self._settings = settings
        self.folder = folder
        self.database = database or f"sqlite:///{folder / 'voronka.db'}"
        self.process: asyncio.subprocess.Process | None = None
        self.url = ""
        self._env: dict[str, str] = {}
        self._port = 0

    @property
    def log(self) -> Path:
        return self.folder / "engine.log"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self, *, wait: bool = True) -> None:
        """Starts it; ``wait`` until it leads."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lab = self._lab
        # Of the lab's own: one that the system gives out may be somebody else's before we take it.
        port = self._port = self._port or lab.port()
        env = self._env = {
            **os.environ,
            "VORONKA_PLAN": str(self._plan),
            "VORONKA_DB": self.database,
            "VORONKA_AMI_HOST": lab.ami_host,
            "VORONKA_AMI_PORT": str(self._ami_port or lab.ami_port),
            "VORONKA_AMI_USER": lab.ami_user,
            "VORONKA_AMI_SECRET": lab.ami_secret,
            "VORONKA_SOUNDS_DIR": str(lab.sounds.host),
            "VORONKA_SOUNDS_DIR_ON_SWITCH": lab.sounds.asterisk,
            "VORONKA_MESSAGES_DIR": str(lab.recordings.host),
            "VORONKA_MESSAGES_DIR_ON_SWITCH": lab.recordings.asterisk,
            "VORONKA_RECORDINGS_DIR": str(lab.talks.host),
            "VORONKA_RECORDINGS_DIR_ON_SWITCH": lab.talks.asterisk,
            "VORONKA_CDR_FILE": str(lab.folder.host / "log/cdr-custom/voronka.csv"),
            "VORONKA_STATE_DIR": str(self.folder),
            "VORONKA_HTTP_PORT": str(port),
            # Who wants the page says so, and on which port.
            "VORONKA_WEB": "off",
            "VORONKA_WEB_METRICS_PORT": "0",
            **self._settings,
        }
        with self.log.open("ab") as out:
            self.process = await asyncio.create_subprocess_exec(
                *_PBX, "run", env=env, stdout=out, stderr=out
            )
        self.url = f"http://{HOST}:{port}"
        if wait:
            await self.ready()

    async def ready(self) -> None:
        """Waits until it takes calls."""
        assert self.process is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_S), aiohttp.ClientSession() as session:
                while self.process.returncode is None:
                    with contextlib.suppress(aiohttp.ClientError):
                        async with session.get(f"{self.url}/readyz") as answer:
                            if answer.status == 200:
                                return
                    await asyncio.sleep(0.05)
        words = (await asyncio.to_thread(self.log.read_text, "utf-8", "replace"))[-3000:]
        raise LabError(f"the engine did not start:\n{words}")

    async def command(self, *words: str) -> tuple[int, str]:
        """``pbx`` with these words, in the same surroundings: its exit code, and what it said."""
        process = await asyncio.create_subprocess_exec(
            *_PBX,
            *words,
            env=self._env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()

    def hang_up(self) -> None:
        """SIGHUP."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    async def metrics(self) -> str:
        """What Prometheus would read."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/metrics") as answer:
            return await answer.text()

    def memory_bytes(self) -> int:
        """Resident memory."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    async def kill(self) -> None:
        """As a crash would: no time for a goodbye."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    def freeze(self) -> None:
        """Stops it in the middle of whatever it does; ``thaw`` lets it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """SIGTERM, and a kill where that does not help."""
        process = self.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            async with asyncio.timeout(15):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
