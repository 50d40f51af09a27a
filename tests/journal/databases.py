"""A real PostgreSQL for a test session: its own folder, a free port, loopback only."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

START_S = 20.0
_ACCOUNT = "postgres"


class NoPostgres(Exception):
    """There is none on this machine."""


def _program(name: str) -> str:
    for place in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True):
        return str(place)
    found = shutil.which(name)
    if found is None:
        raise NoPostgres(f"no {name}: ./run setup installs PostgreSQL")
    return found


def _as_account() -> dict[str, object]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    try:
        account = pwd.getpwnam(_ACCOUNT)
    except KeyError as error:
        raise NoPostgres(f"no account {_ACCOUNT}") from error
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process has the SQLite file ``path`` for itself."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin exclusive")
    try:
        yield
    finally:
        other.execute("rollback")
        other.close()


class Server:
    """A server that can be stopped and started again, with its data."""

    def __init__(self, folder: Path, port: int, who: dict[str, object]) -> None:
        self._folder = folder
        self._port = port
        self._who = who
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql+psycopg://voronka@127.0.0.1:{port}/postgres"

    def start(self) -> None:
        """Returns when it takes connections."""
        self._process = subprocess.Popen(
            [
                _program("postgres"), "-D", str(self._folder / "data"), "-p", str(self._port),
                "-h", "127.0.0.1", "-k", str(self._folder), "-F", "-c", "fsync=off",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **self._who,  # type: ignore[call-overload]
        )  # fmt: skip
        _until_listening(self._port)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT cuts all connections in good order, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(10)
            self._process = None


@contextlib.contextmanager
def postgres() -> Iterator[Server]:
    """A server that lives as long as the context.  Raises NoPostgres."""
    initdb = _program("initdb")
    who = _as_account()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="voronka-pg-") as name:
        folder = Path(name)
        if who:
            os.chown(folder, int(str(who["user"])), int(str(who["group"])))
        subprocess.run(
            [
                initdb, "-D", str(folder / "data"), "-A", "trust", "-U", "voronka",
                "-E", "UTF8", "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd="/",
            **who,  # type: ignore[call-overload]
        )  # fmt: skip
        server = Server(folder, port, who)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _until_listening(port: int) -> None:
    import psycopg

    deadline = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(f"host=127.0.0.1 port={port} user=voronka dbname=postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
