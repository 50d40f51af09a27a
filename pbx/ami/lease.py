"""One engine leads an Asterisk, and Asterisk knows that it lives.

The lease is kept in Asterisk itself, by Asterisk's own clock: ``VORONKA_LEADER`` (who) and
``VORONKA_ALIVE`` (EPOCH of the last beat), two global variables.  So two engines that do not know
of each other, nor share a database, can't both lead.  It is taken in the dialplan
([voronka-lease]), under a lock: of two who try, one gets it.  New callers look at VORONKA_ALIVE
before they are led to the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from pbx.ami.actions import Fields, plain
from pbx.ami.channels import Act
from pbx.ami.protocol import LOST, Headers
from pbx.errors import ActionFailed, SwitchLost

_log = structlog.get_logger(__name__)

BEAT_S = 1.0
"""How often the leader shows that it lives, seconds.  [voronka-lease] holds a leader for dead who
has not for 3 s."""
TRY_S = 0.5
"""How often one that waits for its turn tries, seconds."""
FROZEN_S = 2.0
"""Longest pause of this process's event loop after which it may still believe to lead, seconds."""
LEADER, ALIVE = "VORONKA_LEADER", "VORONKA_ALIVE"


class Ask(Protocol):
    """Sends an action and waits for the answer."""

    def __call__(self, name: str, fields: Fields = ()) -> Awaitable[Headers]:
        """Raises ActionFailed."""


class Lease:
    """This engine's part in it.  ``me``: of this process alone.

    ``asterisk_restarted``: since we led before, by which all its variables are gone.
    """

    def __init__(self, me: str) -> None:
        self.me = plain(me)
        self.held_once = False
        self.asterisk_restarted = False
        self.deposed = asyncio.Event()
        self._ticked = time.monotonic()
        self._beaten = 0.0

    @property
    def frozen(self) -> bool:
        """The process stood still so long that another may lead by now."""
        return time.monotonic() - self._ticked > FROZEN_S

    async def take(self, ask: Ask) -> None:
        """Wait until we lead.

        Raises SwitchLost when the line breaks, and when we led before and another does now:
        what we know of the calls is not true any more, only a fresh start helps.
        """
        told = False
        while True:
            try:
                async with asyncio.timeout(TRY_S * 6):
                    leader = await self._try(ask)
            except (ActionFailed, TimeoutError) as error:
                raise SwitchLost(f"the lease could not be asked for: {error}") from error
            if leader == self.me:
                self.held_once = True
                self._ticked = time.monotonic()
                return
            if self.held_once:
                self.deposed.set()
                raise SwitchLost("another engine leads")
            if not told:
                told = True
                _log.warning("standby", leader=leader)
            await asyncio.sleep(TRY_S)

    async def _try(self, ask: Ask) -> str:
        """Who leads, after we have tried to."""
        leader = await _value(ask, LEADER)
        self.asterisk_restarted = self.held_once and not leader
        if leader != self.me:
            await ask(
                "Originate",
                (
                    ("Channel", "Local/take@voronka-lease/n"),
                    ("Context", "voronka-lease"),
                    ("Exten", "wait"),
                    ("Priority", "1"),
                    ("Timeout", "2000"),
                    ("Variable", f"VORONKA_ME={self.me}"),
                ),
            )
        return await _value(ask, LEADER)

    def tick(self, act: Act, lost: Callable[[str], None]) -> None:
        """Called at least twice a second while we lead; ``lost`` when another leads."""
        now = self._ticked = time.monotonic()
        if now - self._beaten < BEAT_S * 0.9:
            return
        self._beaten = now

        def leader_is(reply: Headers | None) -> None:
            if _answered(reply) and reply is not None and reply.get("Value", "") != self.me:
                lost("another engine leads")

        def epoch_is(reply: Headers | None) -> None:
            if _answered(reply) and reply is not None and reply.get("Value", "").isdigit():
                act("Setvar", (("Variable", ALIVE), ("Value", reply["Value"])))

        act("Getvar", (("Variable", LEADER),), leader_is)
        act("Getvar", (("Variable", "EPOCH"),), epoch_is)

    async def give_up(self, ask: Ask) -> None:
        """The next engine may lead at once.  VORONKA_ALIVE stays: at a restart callers wait for
        that engine, for some seconds."""
        with contextlib.suppress(ActionFailed, TimeoutError):
            async with asyncio.timeout(1.0):
                await ask("Setvar", (("Variable", LEADER), ("Value", "")))


def _answered(reply: Headers | None) -> bool:
    return reply is not None and reply is not LOST and reply.get("Response") == "Success"


async def _value(ask: Ask, name: str) -> str:
    """A global variable; "" when it is not set (Asterisk 22 answers Success with no value)."""
    return (await ask("Getvar", (("Variable", name),))).get("Value", "")
