"""The adapter alone on a real Asterisk: what it told, and a wire to it that a test can cut."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

from ivr import commands as ivr_commands
from ivr.nodes import Prompt, PromptKind
from lab.asterisk import AsteriskLab
from lab.engine import Quiet
from lab.wire import Wire
from pbx.ami.switch import AmiSettings, AsteriskSwitch
from pbx.ami.translate import MessageFolder
from pbx.recordings.keeper import Keeper
from pbx.switch import port
from routing.values import CallId, LegId

__all__ = ["Told", "Wire", "adapter", "collect", "sound", "until"]

T = TypeVar("T")


class Told:
    """A switch at work, and every event that it told."""

    def __init__(self, switch: AsteriskSwitch) -> None:
        self.switch = switch
        self.events: list[port.SwitchEvent] = []
        self._came = asyncio.Event()

    def take(self, event: port.SwitchEvent) -> None:
        self.events.append(event)
        self._came.set()

    def of(self, kind: type[T]) -> list[T]:
        return [one for one in self.events if isinstance(one, kind)]

    async def wait(self, kind: type[T], count: int = 1, deadline_s: float = 10.0) -> T:
        """The ``count``-th event of a kind."""
        try:
            async with asyncio.timeout(deadline_s):
                while len(self.of(kind)) < count:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__} ({count}) in {self.events}") from None
        return self.of(kind)[count - 1]

    async def held(self, music: str = "default") -> CallId:
        """The next caller, waiting in the holding bridge."""
        arrived = await self.wait(port.CallArrived)
        self.switch.send(port.Hold(arrived.call_id, music))
        await until(lambda: self.switch.channels.callers[arrived.call_id].held)
        return arrived.call_id

    def ring(self, call_id: CallId, name: str, ring_time_s: float = 20.0, leg: str = "") -> LegId:
        leg_id = LegId(leg or f"leg-{name.replace('/', '-')}")
        address = name if "/" in name else f"PJSIP/{name}"
        self.switch.send(port.Ring(leg_id, call_id, address, ring_time_s, "+79161234567", "Иван"))
        return leg_id


async def until(holds: Callable[[], bool], deadline_s: float = 10.0) -> None:
    """Waits for what no event tells."""
    async with asyncio.timeout(deadline_s):
        while not holds():  # noqa: ASYNC110 (the state is polled: nothing tells of it)
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def adapter(
    lab: AsteriskLab, addresses: Iterable[str] = (), *, ami_port: int = 0, me: str = "a"
) -> AsyncIterator[Told]:
    """An adapter without an engine.  ``ami_port``: through a wire.  ``me``: its name as leader."""
    folder = lab.recordings
    switch = AsteriskSwitch(
        AmiSettings(lab.ami_host, ami_port or lab.ami_port, lab.ami_user, lab.ami_secret),
        lambda prompt, language: prompt.name,
        messages=MessageFolder(folder.host, folder.asterisk),
        recorder=Keeper(lab.talks.host, lab.talks.asterisk, look_every_s=0.1),
        rng=random.Random(),
        addresses=addresses or [f"PJSIP/{name}" for name in lab.phones],
        watcher=Quiet(),
        command_prefix=me,
    )
    told = Told(switch)
    await switch.start(told.take)
    try:
        yield told
    finally:
        await switch.stop()


def sound(name: str) -> tuple[Prompt, ...]:
    """A sound of the switch."""
    return (Prompt(PromptKind.SOUND, name),)


def collect(
    *sounds: str, max_digits: int = 1, timeout_s: float = 5.0, barge_in: bool = True
) -> ivr_commands.Collect:
    """A question."""
    prompts = tuple(prompt for name in sounds for prompt in sound(name))
    return ivr_commands.Collect(prompts, "en", max_digits, timeout_s, 1.0, barge_in)
