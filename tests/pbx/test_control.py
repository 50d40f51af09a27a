"""The control socket: who gets in, and what it makes of anything that is sent."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pbx.control import MAX_REQUEST, NAME, ControlServer, Request, ask, user_name
from pbx.errors import ControlError


async def echo(request: Request, author: str) -> dict[str, object]:
    match request.get("command"):
        case "refuse":
            raise ControlError("a reason")
        case "break":
            raise RuntimeError("secret words")
    return {"asked": dict(request), "by": author}


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Longer than a socket's address may be."""
    folder = tmp_path / ("deep" * 40)
    folder.mkdir()
    server = ControlServer(folder, echo)
    await server.start()
    yield folder
    await server.stop()
    assert not (folder / NAME).exists()


async def asked(folder: Path, request: dict[str, object]) -> dict[str, object]:
    return await asyncio.to_thread(ask, folder, request, timeout_s=5.0)


async def test_only_the_owner_gets_in_and_is_known_by_name(folder: Path) -> None:
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600

    reply = await asked(folder, {"command": "reload"})

    assert reply["by"] == user_name(os.geteuid())


async def test_refusals_are_told_and_failures_tell_nothing(folder: Path) -> None:
    with pytest.raises(ControlError, match="a reason"):
        await asked(folder, {"command": "refuse"})
    with pytest.raises(ControlError, match="see the engine's log"):
        await asked(folder, {"command": "break"})
    assert (await asked(folder, {"still": "there"}))["asked"] == {"still": "there"}


@pytest.mark.parametrize(
    "sent", [b"\n", b"[1]\n", b"{\n", b"\xff\n", b"no end", b"x" * (MAX_REQUEST + 9) + b"\n"]
)
async def test_anything_else_is_refused(
    sent: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    reader, writer = await asyncio.open_unix_connection(NAME)
    writer.write(sent)
    writer.write_eof()

    reply = json.loads(await reader.readline())

    assert not reply["ok"]
    assert "JSON" in reply["error"]
    writer.close()


async def test_a_socket_left_behind_is_replaced_and_a_file_is_not(tmp_path: Path) -> None:
    left = ControlServer(tmp_path, echo)
    await left.start()
    server = ControlServer(tmp_path, echo)
    await server.start()
    assert (await asked(tmp_path, {"a": 1}))["asked"] == {"a": 1}
    await server.stop()
    with pytest.raises(ControlError, match="no engine listens"):
        await asked(tmp_path, {})
    await left.stop()

    (tmp_path / NAME).write_text("precious")
    with pytest.raises(OSError, match="in the way"):
        await ControlServer(tmp_path, echo).start()
