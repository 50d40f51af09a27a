"""systemd is told what it is to know, and a missing or deaf one costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pbx.supervisor import Supervisor


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Its end of the line."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(10)
        yield ear


def told(systemd: socket.socket) -> list[str]:
    """The lines of the next message."""
    return systemd.recv(4096).decode().splitlines()


def test_ready_reloading_and_stopping_are_told(systemd: socket.socket) -> None:
    ours = Supervisor(systemd.getsockname())

    ours.ready("takes calls")
    assert told(systemd) == ["READY=1", "STATUS=takes calls"]

    with ours.reloading():
        first, second = told(systemd)
        assert first == "RELOADING=1"
        assert second.removeprefix("MONOTONIC_USEC=").isdigit()
    assert told(systemd) == ["READY=1"]

    ours.stopping()
    assert told(systemd) == ["STOPPING=1", "STATUS=stopping"]


def test_a_reload_that_fails_is_over_all_the_same(systemd: socket.socket) -> None:
    with contextlib.suppress(ValueError), Supervisor(systemd.getsockname()).reloading():
        raise ValueError

    assert told(systemd)[0] == "RELOADING=1"
    assert told(systemd) == ["READY=1"]


def test_an_abstract_socket_is_reached(tmp_path: Path) -> None:
    name = f"voronka-{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + name)
        ear.settimeout(10)
        Supervisor("@" + name).status("текст")

        assert told(ear) == ["STATUS=текст"]


async def test_it_lives_as_long_as_the_loop_turns(systemd: socket.socket) -> None:
    ours = Supervisor.of_environment(
        {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "3000", "WATCHDOG_PID": "7"}, 7
    )
    beating = asyncio.create_task(ours.beat())
    for _ in range(3):
        assert await asyncio.to_thread(told, systemd) == ["WATCHDOG=1"]
    beating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beating


@pytest.mark.parametrize("limit", ["", "0", "soon", "-5"])
async def test_without_a_limit_nothing_beats(limit: str) -> None:
    await Supervisor.of_environment({"WATCHDOG_USEC": limit}, 7).beat()


async def test_a_limit_for_another_process_is_not_ours() -> None:
    await Supervisor.of_environment({"WATCHDOG_USEC": "3000", "WATCHDOG_PID": "8"}, 7).beat()


def test_nobody_who_listens_is_no_error(tmp_path: Path) -> None:
    Supervisor().ready("alone")
    Supervisor(str(tmp_path / "nobody")).ready("to nobody")
