"""The connection against a server that behaves badly."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable

import pytest

from lab.engine import Quiet
from pbx.ami import connection as module
from pbx.ami import lease as lease_module
from pbx.ami.connection import AmiConnection
from pbx.ami.lanes import About
from pbx.ami.lease import Lease
from pbx.ami.protocol import Headers, parse
from pbx.errors import ActionFailed, LoginRefused, SwitchLost


class FakeAmi:
    """Speaks as much AMI as a test needs; keeps every action it was sent."""

    def __init__(self) -> None:
        self.actions: list[Headers] = []
        self.refuse = False
        self.mute = False
        self.no_lease = 0
        self.logins = 0
        self.variables = {"VORONKA_LEADER": "me", "EPOCH": "1795480000"}
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        writer.write(b"Asterisk Call Manager/9.0\r\n")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                action = parse((await reader.readuntil(b"\r\n\r\n"))[:-4])
                self.actions.append(action)
                if action["Action"] == "Login":
                    self.logins += 1
                    reply = "Error\r\nMessage: Authentication failed" if self.refuse else "Success"
                elif self.mute or action["Action"] == "Originate":
                    if action.get("Channel", "").startswith("Local/take@"):
                        said = "Error\r\nMessage: Originate failed" if self.no_lease else "Success"
                        self.no_lease = max(0, self.no_lease - 1)
                        self.say(f"Response: {said}\r\nActionID: {action['ActionID']}")
                    continue
                elif action["Action"] == "Getvar":
                    value = self.variables.get(action["Variable"], "")
                    reply = f"Success\r\nVariable: {action['Variable']}\r\nValue: {value}"
                else:
                    reply = "Success"
                self.say(f"Response: {reply}\r\nActionID: {action['ActionID']}")
        writer.close()

    def say(self, message: str) -> None:
        for writer in self._writers:
            if not writer.is_closing():
                writer.write(message.encode() + b"\r\n\r\n")

    def say_part(self, data: bytes) -> None:
        for writer in self._writers:
            writer.write(data)

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@pytest.fixture
async def ami() -> AsyncIterator[FakeAmi]:
    fake = FakeAmi()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    yield fake
    fake.cut()
    server.close()
    await server.wait_closed()


def made(
    ami: FakeAmi,
    on_event: Callable[[Headers], None] = lambda headers: None,
    *,
    about: About = lambda event: None,
    hurries: Callable[[Headers], bool] = lambda event: False,
) -> AmiConnection:
    async def up() -> None:
        return

    return AmiConnection(
        "127.0.0.1",
        ami.port,
        "voronka",
        "a-long-secret",
        rng=random.Random(1),
        on_event=on_event,
        on_up=up,
        on_down=lambda reason: None,
        watcher=Quiet(),
        lease=Lease("me"),
        about=about,
        hurries=hurries,
    )


@contextlib.asynccontextmanager
async def connected(
    ami: FakeAmi,
    on_event: Callable[[Headers], None] = lambda headers: None,
    *,
    about: About = lambda event: None,
    hurries: Callable[[Headers], bool] = lambda event: False,
) -> AsyncIterator[AmiConnection]:
    line = made(ami, on_event, about=about, hurries=hurries)
    await line.lead()
    await line.open()
    try:
        yield line
    finally:
        await line.shut()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 (a test's own wait, with a deadline)
            await asyncio.sleep(0.01)


async def test_a_refused_login_is_told_apart(ami: FakeAmi) -> None:
    ami.refuse = True

    with pytest.raises(LoginRefused):
        async with connected(ami):
            pass


async def test_nobody_there_is_a_lost_switch() -> None:
    nobody = FakeAmi()
    nobody.port = 1

    with pytest.raises(SwitchLost):
        async with connected(nobody):
            pass


async def test_a_lease_that_could_not_be_asked_for_is_asked_for_again(
    ami: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACK_OFF_S", (0.01, 0.05))
    ami.variables["VORONKA_LEADER"] = ""  # an engine has just been killed, and Asterisk is busy
    ami.no_lease = module.START_TRIES - 1
    async with asyncio.TaskGroup() as group, contextlib.AsyncExitStack() as stack:
        coming = group.create_task(stack.enter_async_context(connected(ami)))
        await until(lambda: ami.logins == module.START_TRIES)
        ami.variables["VORONKA_LEADER"] = "me"
        assert (await coming).up


async def test_one_that_is_never_to_be_had_ends_the_start(
    ami: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACK_OFF_S", (0.01, 0.05))
    ami.variables["VORONKA_LEADER"] = ""
    ami.no_lease = 1000
    line = made(ami)

    with pytest.raises(SwitchLost, match="Originate failed"):
        await line.lead()
    assert ami.logins == module.START_TRIES
    await line.shut()


async def test_a_line_lost_while_the_log_is_read_is_made_anew(ami: FakeAmi) -> None:
    line = made(ami)
    await line.lead()
    ami.cut()
    await until(lambda: not line.up)

    await line.open()
    assert line.up
    await line.ask("Ping")
    await line.shut()


async def test_a_start_that_stood_still_after_it_led_goes_on(
    ami: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_module, "FROZEN_S", 1.0)
    line = made(ami)
    await line.lead()
    time.sleep(1.5)  # noqa: ASYNC251 (that it stands still is what is tried)

    await line.open()
    assert line.up
    assert ami.logins == 2
    await line.shut()


async def test_nothing_is_sent_again_after_a_cut_and_who_waits_is_told(ami: FakeAmi) -> None:
    async with connected(ami) as line:
        call = asyncio.create_task(line.ask("Originate", (("Channel", "PJSIP/anna"),)))
        await until(lambda: any(one["Action"] == "Originate" for one in ami.actions))
        ami.cut()

        with pytest.raises(ActionFailed):
            await call
        await until(lambda: line.up and ami.logins == 2)
        await line.ask("Ping")

    assert sum(one["Action"] == "Originate" for one in ami.actions) == 1


async def test_a_silent_line_is_noticed_and_left(
    ami: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PING_EVERY_S", 0.1)
    monkeypatch.setattr(module, "PING_S", 0.3)
    async with connected(ami) as line:
        ami.mute = True
        await until(lambda: not line.up)
        ami.mute = False
        await until(lambda: line.up)

    assert ami.logins >= 2


async def test_events_come_in_order_and_one_that_fails_stops_nothing(ami: FakeAmi) -> None:
    seen: list[str] = []

    def take(headers: Headers) -> None:
        seen.append(headers["N"])
        if headers["N"] == "3":
            raise RuntimeError("a handler's mistake")

    async with connected(ami, take):
        for n in range(200):
            ami.say(f"Event: Newstate\r\nN: {n}")
        await until(lambda: len(seen) == 200)

    assert seen == [str(n) for n in range(200)]


async def test_a_reader_dropped_in_the_middle_of_a_message_comes_back_and_understands(
    ami: FakeAmi,
) -> None:
    """Asterisk does so with one that is slower than its writetimeout."""
    seen: list[Headers] = []
    async with connected(ami, seen.append) as line:
        ami.say("Event: Newstate\r\nN: 1")
        ami.say_part("Event: Hangup\r\nUniqueid: 1.1\r\nCallerIDName: Мар".encode()[:-1])
        await until(lambda: len(seen) == 1)
        ami.cut()
        await until(lambda: line.up and ami.logins == 2)
        ami.say("Event: Newstate\r\nN: 2")
        await until(lambda: len(seen) == 2)

    assert [one["N"] for one in seen] == ["1", "2"]


async def test_a_flood_is_taken_in_order_and_the_line_lives_on(
    ami: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PING_EVERY_S", 0.1)
    seen: list[str] = []
    async with connected(ami, lambda headers: seen.append(headers["N"])) as line:
        for n in range(50_000):
            ami.say(f"Event: Newstate\r\nN: {n}\r\nCallerIDName: Мария")
        done: list[Headers | None] = []
        line.act("Hangup", (("Channel", "PJSIP/x"),), done.append)
        await until(lambda: len(seen) == 50_000 and bool(done))
        assert line.up
        assert done[0] is not None

    assert seen == [str(n) for n in range(50_000)]
    assert ami.logins == 1


async def test_an_event_with_the_id_of_an_action_reaches_the_engine_too(ami: FakeAmi) -> None:
    seen: list[Headers] = []
    async with connected(ami, seen.append) as line:
        line.act("Originate", (("Channel", "PJSIP/anna"),))
        await until(lambda: ami.actions[-1]["Action"] == "Originate")
        ami.say(f"Event: OriginateResponse\r\nActionID: {ami.actions[-1]['ActionID']}")
        await until(lambda: bool(seen))

    assert seen[0]["Event"] == "OriginateResponse"


async def test_a_second_engine_waits_until_the_first_is_gone(ami: FakeAmi) -> None:
    ami.variables["VORONKA_LEADER"] = "another"
    async with asyncio.TaskGroup() as group, contextlib.AsyncExitStack() as stack:
        coming = group.create_task(stack.enter_async_context(connected(ami)))
        await until(lambda: sum(one["Action"] == "Originate" for one in ami.actions) >= 2)
        assert not coming.done()
        ami.variables["VORONKA_LEADER"] = "me"
        line = await coming
        assert line.up


async def test_an_engine_that_another_has_replaced_lets_go_for_good(ami: FakeAmi) -> None:
    async with connected(ami) as line:
        ami.variables["VORONKA_LEADER"] = "another"
        await until(lambda: line.lease.deposed.is_set())
        assert not line.up


async def test_a_process_that_stood_still_asks_who_leads_before_it_acts(
    ami: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(ami) as line:
        monkeypatch.setattr(lease_module, "FROZEN_S", 0.0)
        answers: list[Headers | None] = []
        line.act("Hangup", (("Channel", "PJSIP/x"),), answers.append)
        monkeypatch.undo()
        await until(lambda: bool(answers))
        assert not any(one["Action"] == "Hangup" for one in ami.actions)
        await until(lambda: line.up and ami.logins == 2)


async def test_what_is_done_for_callers_is_written_together_and_a_ring_ahead_of_it(
    ami: FakeAmi,
) -> None:
    async with connected(ami) as line:
        writes: list[bytes] = []
        wire = line._line
        assert wire is not None
        write = wire.write

        def written(data: bytes) -> None:
            writes.append(data)
            write(data)

        wire.write = written  # type: ignore[method-assign]
        before = len(ami.actions)
        for n in range(5):
            line.act("Setvar", (("Channel", "PJSIP/x"), ("Variable", "V"), ("Value", str(n))))
        line.act("Originate", (("Channel", "PJSIP/anna"),))
        line.act("AGI", (("Channel", "PJSIP/x"), ("Command", "ANSWER"), ("CommandID", "a1")))
        await until(lambda: len(ami.actions) == before + 7)

        assert [one["Action"] for one in ami.actions[before:]] == [
            "Originate",
            *["Setvar"] * 5,
            "AGI",
        ]
        assert [
            one["Value"] for one in ami.actions if one["Action"] == "Setvar" and "Channel" in one
        ] == list("01234")
        assert len(writes) == 2


async def test_only_a_ring_overtakes(ami: FakeAmi) -> None:
    """A phone that is to be let go is told so before it is rung for the next."""
    async with connected(ami) as line:
        before = len(ami.actions)
        line.act("Setvar", (("Channel", "PJSIP/x"), ("Variable", "VORONKA_HELD"), ("Value", "0")))
        line.act("BridgeKick", (("Channel", "PJSIP/x"),))
        line.act("Setvar", (("Channel", "PJSIP/y"), ("Variable", "VORONKA_HELD"), ("Value", "1")))
        line.act("Hangup", (("Channel", "PJSIP/anna"),))
        line.act("Originate", (("Channel", "PJSIP/anna"),))
        await until(lambda: len(ami.actions) == before + 5)

    assert [one["Action"] for one in ami.actions[before : before + 5]] == [
        "Setvar", "BridgeKick", "Setvar", "Hangup", "Originate",
    ]  # fmt: skip


async def test_what_was_to_be_written_is_not_once_the_process_stood_still(
    ami: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(ami) as line:
        answers: list[Headers | None] = []
        line.act("Setvar", (("Channel", "PJSIP/x"), ("Variable", "V")), answers.append)
        monkeypatch.setattr(lease_module, "FROZEN_S", 0.0)
        await until(lambda: bool(answers))
        monkeypatch.undo()
        assert not any(one.get("Variable") == "V" for one in ami.actions)
        await until(lambda: line.up and ami.logins == 2)


async def test_a_flood_leaves_asterisk_waiting_rather_than_fill_memory(
    ami: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 100)
    most = 0
    seen: list[str] = []

    def take(headers: Headers) -> None:
        nonlocal most
        most = max(most, len(line._lanes))
        seen.append(headers["N"])

    async with connected(ami, take) as line:
        filler = "x" * 2000
        for n in range(20_000):
            ami.say(f"Event: Newstate\r\nN: {n}\r\nText: {filler}")
        await until(lambda: len(seen) == 20_000)
        assert line.up

    assert seen == [str(n) for n in range(20_000)]
    # One read brings 256 KiB at most.
    assert most <= 100 + 256 * 1024 // len(filler)


async def test_what_was_read_before_the_line_broke_is_taken(ami: FakeAmi) -> None:
    seen: list[str] = []
    async with connected(ami, lambda headers: seen.append(headers["N"])) as line:
        for n in range(500):
            ami.say(f"Event: Newstate\r\nN: {n}")
        for writer in ami._writers:
            writer.close()
        ami._writers.clear()
        await until(lambda: line.up and ami.logins == 2)

    assert seen == [str(n) for n in range(500)]


@pytest.mark.parametrize("refused", [False, True])
async def test_a_refusal_is_not_overtaken_and_a_success_of_which_nothing_follows_is(
    ami: FakeAmi, refused: bool
) -> None:
    told: list[str] = []

    def take(headers: Headers) -> None:
        told.append(headers["N"])

    async with connected(
        ami,
        take,
        about=lambda event: (event["N"],),
        hurries=lambda event: event["N"] == "free",
    ) as line:
        ami.mute = True
        line.act("Originate", (("Channel", "PJSIP/x"),), lambda reply: told.append("answer"))
        await until(lambda: ami.actions[-1]["Action"] == "Originate")
        response = "Error" if refused else "Success"
        ami.say(
            "Event: Newstate\r\nN: caller\r\n\r\n"
            f"Response: {response}\r\nActionID: {ami.actions[-1]['ActionID']}\r\n\r\n"
            "Event: Hangup\r\nN: free"
        )
        await until(lambda: len(told) == 3)
        ami.mute = False

    assert told == (["caller", "answer", "free"] if refused else ["free", "caller", "answer"])
