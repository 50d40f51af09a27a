"""What the process tells systemd: ready, reloading, stopping, and that it still lives.

The protocol of sd_notify(3): a datagram of ``KEY=value`` lines to the socket that ``NOTIFY_SOCKET``
names.  Without that variable everything here does nothing.  Nothing here raises or waits: a deaf
supervisor must not cost a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping

import structlog

_log = structlog.get_logger(__name__)


class Supervisor:
    """``address``: of the socket, "" for none; "@" begins an abstract one.

    ``beat_s``: how often to say that we live, None for never.
    """

    def __init__(self, address: str = "", beat_s: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._beat_s = beat_s
        self._deaf = False

    @classmethod
    def of_environment(cls, env: Mapping[str, str], pid: int) -> Supervisor:
        """As systemd tells the process ``pid`` that it starts."""
        limit_us = env.get("WATCHDOG_USEC", "")
        ours = env.get("WATCHDOG_PID", str(pid)) == str(pid)
        beat_s = None
        if ours and limit_us.isascii() and limit_us.isdigit() and int(limit_us) > 0:
            beat_s = int(limit_us) / 1e6 / 3  # two may be late before it is too late
        return cls(env.get("NOTIFY_SOCKET", ""), beat_s)

    def ready(self, status: str) -> None:
        """Started (or reloaded); ``status`` is shown by ``systemctl status``."""
        self._tell("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """A line for ``systemctl status``."""
        self._tell(f"STATUS={status}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1", "STATUS=stopping")

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Around a reload, whatever comes of it."""
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now_us}")
        try:
            yield
        finally:
            self._tell("READY=1")

    async def beat(self) -> None:
        """Say again and again that the event loop turns.  Until cancelled."""
        if self._beat_s is None:
            return
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._beat_s)

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._deaf:
                _log.warning("supervisor_deaf", reason=str(error))
            self._deaf = True
        else:
            self._deaf = False


def supervisor() -> Supervisor:
    """That of this process."""
    return Supervisor.of_environment(os.environ, os.getpid())
