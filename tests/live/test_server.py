"""The live socket: a snapshot, then changes; who is slow, asleep or gone harms nobody."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from pbx.doors import short_path
from pbx.errors import JournalError
from pbx.journal import port as journal
from pbx.journal.port import Stamped
from pbx.live import server as live
from pbx.live.board import Message
from pbx.live.client import follow
from pbx.live.picture import Picture
from pbx.live.server import NAME, LiveServer
from routing import facts
from routing.values import AgentId, AgentState, CallId, Outcome
from tests.world import agent, plan, sales

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
TODAY = {"offered": 3}
ANNA = agent("anna")
PLAN = plan([ANNA], [sales(ANNA)])


def make(folder: Path, read_today: Callable[[], Any] = lambda: TODAY) -> LiveServer:
    return LiveServer(
        folder,
        PLAN,
        utc_now=lambda: NOW,
        read_today=read_today,
        ready=lambda: True,
        unreachable=set,
    )


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LiveServer]:
    made = make(tmp_path)
    await made.start()
    yield made
    await made.stop()
    assert not (tmp_path / NAME).exists()


def begins(server: LiveServer, number: int) -> None:
    name = f"Иван {number}"
    call = journal.CallStarted(CallId(f"c{number}"), "+7800", "+7916", "", name, "site", "ru")
    server.observe(Stamped(NOW + timedelta(seconds=number), call))


def ends(server: LiveServer, number: int) -> None:
    call = journal.CallEnded(CallId(f"c{number}"), Outcome.FAILED, False, 0.0, 0.0, "", "")
    server.observe(Stamped(NOW, call))


async def until(folder: Path, picture: Picture, holds: Callable[[Message], bool]) -> list[Message]:
    """Follow until the picture is so; what was told."""
    told: list[Message] = []
    async with asyncio.timeout(20), aclosing(follow(folder)) as messages:
        async for message in messages:
            if message is None:
                continue
            told.append(message)
            picture.take(message)
            if holds(picture.snapshot()):
                break
    return told


async def test_first_everything_then_what_changed(server: LiveServer, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600
    begins(server, 1)
    changed = facts.AgentChanged(AgentId("anna"), AgentState.OFFLINE, AgentState.FREE, "logged_in")
    server.observe(Stamped(NOW, changed))
    picture = Picture()

    def there(now: Message) -> bool:
        return bool(now["calls"]) and now["today"] == TODAY and now["ready"]

    told = await until(tmp_path, picture, there)
    assert told[0]["type"] == "snapshot"
    shown = picture.snapshot()
    assert shown["calls"][0]["name"] == "Иван 1"
    assert shown["agents"][0]["state"] == "free"
    assert shown["queues"][0]["free"] == 1

    ends(server, 1)
    begins(server, 2)
    await until(tmp_path, picture, lambda now: [row["id"] for row in now["calls"]] == ["c2"])


async def test_a_new_plan_is_a_new_snapshot(server: LiveServer, tmp_path: Path) -> None:
    picture = Picture()
    await until(tmp_path, picture, lambda now: len(now["agents"]) == 1)
    boris = agent("boris")

    server.replace_plan(plan([ANNA, boris], [sales(ANNA, boris)]))

    await until(tmp_path, picture, lambda now: len(now["agents"]) == 2)


async def test_who_reads_too_slowly_gets_a_snapshot_instead_of_a_backlog(
    server: LiveServer, tmp_path: Path
) -> None:
    with short_path(tmp_path, NAME) as path:
        reader, writer = await asyncio.open_unix_connection(path)  # takes 64 kB ahead
    data = bytearray(await reader.read(1))
    count = 0
    for _ in range(3 * live.QUEUED):
        for _ in range(30):
            count += 1
            begins(server, count)
        server._tell()
        await asyncio.sleep(0)
    picture = Picture()
    kinds: list[str] = []
    async with asyncio.timeout(20):
        while len(picture.snapshot()["calls"]) < count:
            data += await reader.read(65_536)
            *lines, data = data.split(b"\n")
            for message in map(orjson.loads, lines):
                kinds.append(message["type"])
                picture.take(message)
    assert kinds.count("snapshot") == 2
    assert len(kinds) < 3 * live.QUEUED, "not everything was told one by one"
    writer.close()
    await writer.wait_closed()


async def test_who_does_not_read_at_all_is_let_go(
    server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SLOW_S", 0.05)
    for number in range(20_000):  # a snapshot of some megabytes
        begins(server, number)
    server.replace_plan(PLAN)  # takes all of them at once
    with short_path(tmp_path, NAME) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    await reader.readexactly(1)
    (task,) = server._readers.values()
    assert task is not None

    done, _ = await asyncio.wait({task}, timeout=20)

    assert done
    assert not server._readers
    writer.close()


async def test_no_more_than_so_many_follow(server: LiveServer, tmp_path: Path) -> None:
    lines = []
    for _ in range(live.READERS):
        with short_path(tmp_path, NAME) as path:
            lines.append(await asyncio.open_unix_connection(path, limit=2**20))
        assert await lines[-1][0].readline()
    with short_path(tmp_path, NAME) as path:
        reader, writer = await asyncio.open_unix_connection(path)
    assert await reader.read() == b""
    for _, one in [*lines, (reader, writer)]:
        one.close()


async def test_an_engine_that_comes_back_is_followed_again(tmp_path: Path) -> None:
    first = make(tmp_path)
    await first.start()
    seen: list[str] = []
    second = make(tmp_path)
    async with asyncio.timeout(20), aclosing(follow(tmp_path)) as messages:
        async for message in messages:
            kind = "gone" if message is None else str(message["type"])
            if not seen or seen[-1] != kind:
                seen.append(kind)
            if seen == ["snapshot"] or seen == ["snapshot", "change"]:
                await first.stop()
            elif kind == "gone":
                await second.start()
            elif "gone" in seen:
                break
    await second.stop()
    assert [one for one in seen if one != "change"] == ["snapshot", "gone", "snapshot"]


async def test_an_engine_that_was_never_there_is_told_once(tmp_path: Path) -> None:
    seen: list[str] = []
    server = make(tmp_path)

    async def start_later() -> None:
        while not seen:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.4)  # some attempts more
        await server.start()

    async with asyncio.TaskGroup() as group, asyncio.timeout(20):
        group.create_task(start_later())
        async with aclosing(follow(tmp_path)) as messages:
            async for message in messages:
                seen.append("away" if message is None else str(message["type"]))
                if message is not None:
                    break
    await server.stop()
    assert seen == ["away", "snapshot"]


async def test_more_than_it_can_take_at_once_is_paid_for_at_once_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST", 1000)
    server = make(tmp_path)
    for number in range(5000):
        begins(server, number)
        if number % 2:
            ends(server, number)
        assert len(server._entries) <= 1000
    boris = agent("boris")
    server.replace_plan(plan([ANNA, boris], [sales(ANNA, boris)]))
    begins(server, 5000)
    await server.start()
    picture = Picture()
    await until(tmp_path, picture, lambda now: len(now["calls"]) == 2501)
    assert [row["id"] for row in picture.snapshot()["agents"]] == ["anna", "boris"]
    await server.stop()


async def test_the_end_is_quiet_whoever_follows(tmp_path: Path) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what["message"]))
    server = make(tmp_path)
    await server.start()
    async with aclosing(follow(tmp_path)) as messages:
        assert await anext(messages)
        await server.stop()
        while await anext(messages) is not None:
            pass
    assert told == []


async def test_a_log_that_is_not_well_leaves_the_rest(tmp_path: Path) -> None:
    def broken() -> Any:
        raise JournalError("locked")

    server = make(tmp_path, broken)
    await server.start()
    begins(server, 1)
    picture = Picture()
    await until(tmp_path, picture, lambda now: bool(now["calls"]))
    assert picture.snapshot()["today"] is None
    await server.stop()
