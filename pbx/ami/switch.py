"""Asterisk as a ``Switch``: the outside of pbx/ami."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from pbx.ami import reconcile
from pbx.ami.actions import keep_rescue
from pbx.ami.channels import Recorder
from pbx.ami.connection import AmiConnection, Watcher
from pbx.ami.housekeeping import HouseKeeping
from pbx.ami.lease import Lease
from pbx.ami.limits import RenewalRound
from pbx.ami.protocol import Headers
from pbx.ami.translate import Channels, MessageFolder
from pbx.errors import SwitchError, UnsafeValue
from pbx.plan.model import Rescue
from pbx.switch.port import Phones, PromptResolver, SwitchCommand, SwitchDown, SwitchEvent

_log = structlog.get_logger(__name__)

CHECK_EVERY_S = 10.0
"""How often what we know is compared with the channels that there are, seconds: what is gone is
cleaned within 30 s, also where it takes a second look."""
RENEW_PAUSE_S = 0.05
"""Between two times at which callers' limits in the dialplan are set anew, at least, seconds."""


@dataclass(frozen=True, slots=True)
class AmiSettings:
    """Where AMI is and who we are there; with ``tls`` the line is encrypted, the host proven."""

    host: str
    port: int
    user: str
    secret: str
    tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        """Without the secret."""
        return f"AmiSettings({self.user}@{self.host}:{self.port})"


class AsteriskSwitch:
    """Drives Asterisk over AMI; keeps the promises of pbx.switch.port.

    ``addresses``: the devices of the plan, whose reachability and own calls are told.
    ``recorder``: of talks.  ``command_prefix``: of this run only (see Channels).  ``rescue``: what
    Asterisk is to do while no engine runs; None leaves it as it is.
    """

    def __init__(
        self,
        settings: AmiSettings,
        resolve: PromptResolver,
        *,
        messages: MessageFolder,
        recorder: Recorder,
        rng: random.Random,
        addresses: Iterable[str],
        watcher: Watcher,
        command_prefix: str = "a",
        rescue: Rescue | None = None,
    ) -> None:
        self._on_event: Callable[[SwitchEvent], None] = _nobody
        self.connection = AmiConnection(
            settings.host,
            settings.port,
            settings.user,
            settings.secret,
            tls=settings.tls,
            rng=rng,
            on_event=self._event,
            on_up=self._up,
            on_down=self._down,
            watcher=watcher,
            lease=Lease(command_prefix),
            about=lambda event: self.channels.about(event),
            hurries=lambda event: self.channels.hurries(event),
        )
        self.channels = Channels(
            act=self.connection.act,
            tell=self._tell,
            resolve=resolve,
            messages=messages,
            recorder=recorder,
            addresses=frozenset(addresses),
            command_prefix=command_prefix,
        )
        self._recorder = recorder
        self.housekeeping = HouseKeeping(self.connection, self.channels)
        self._rescue = rescue
        self._messages = messages.on_switch
        self._house: list[asyncio.Task[None]] = []

    async def lead(self) -> None:
        """Connect, and wait until no other engine leads.  Raises SwitchLost or LoginRefused."""
        await self.connection.lead()

    async def start(self, on_event: Callable[[SwitchEvent], None]) -> None:
        """Deliver events; ``lead`` first, where that has not been done.

        Raises SwitchLost or LoginRefused.
        """
        self._on_event = on_event
        self._recorder.start(self._tell)
        if not self.connection.up:
            await self.connection.lead()
        await self.connection.open()
        self._house = [
            asyncio.create_task(self._check(), name="ami-check"),
            asyncio.create_task(self._renew(), name="ami-renew"),
        ]

    def send(self, command: SwitchCommand) -> None:
        """Carry out a command; a failure comes back as an event."""
        self.channels.carry_out(command)

    async def stop(self) -> None:
        """Disconnect; Asterisk goes on with the calls it has."""
        for task in self._house:
            task.cancel()
        for task in self._house:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._recorder.stop()
        await self.connection.shut()
        self._on_event = _nobody

    def phones(self) -> Phones:
        """What is known of all phones, those that no plan names too."""
        return Phones(frozenset(self.channels.unreachable), dict(self.channels.own_calls))

    def watch(self, addresses: Iterable[str], rescue: Rescue) -> None:
        """A new plan: other devices are to be watched, others serve without us."""
        before, self.channels.addresses = self.channels.addresses, frozenset(addresses)
        self._rescue = rescue
        if self.connection.up:
            self._keep_rescue()
            if fresh := self.channels.addresses - before:
                self._house.append(asyncio.create_task(self._look_at(fresh), name="ami-phones"))

    async def _look_at(self, addresses: frozenset[str]) -> None:
        with contextlib.suppress(SwitchError):  # the line is lost: all is read again after it
            await reconcile.new_phones(self.connection, self.channels, addresses)
        self._house = [task for task in self._house if not task.done()]

    def _keep_rescue(self) -> None:
        if self._rescue is None:
            return
        messages = self._messages if self._rescue.voicemail else ""
        try:
            fields = keep_rescue(self._rescue.addresses, self._rescue.ring_time_s, messages)
            self.connection.act("Originate", fields, _rescue_kept)
        except UnsafeValue as error:
            _log.error("rescue_not_kept", reason=str(error))

    def _event(self, headers: dict[str, str]) -> None:
        self.channels.take(headers)

    def _tell(self, event: SwitchEvent) -> None:
        self._on_event(event)

    async def _up(self) -> None:
        await reconcile.after_login(self.connection, self.channels)
        self._keep_rescue()

    def _down(self, reason: str) -> None:
        self._tell(SwitchDown(reason))

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            if self.connection.up:
                with contextlib.suppress(SwitchError):
                    await self.housekeeping.look()

    async def _renew(self) -> None:
        clock = asyncio.get_running_loop().time
        leading = self.channels.leading
        while True:
            turns = RenewalRound(leading.with_limit(), clock())
            while not turns.over:
                for call_id in turns.due(clock()):
                    leading.renew_limit(call_id)
                await asyncio.sleep(max(RENEW_PAUSE_S, turns.next_at - clock()))
            await asyncio.sleep(max(RENEW_PAUSE_S, turns.next_at - clock()))


def _rescue_kept(reply: Headers | None) -> None:
    if reply is None or reply.get("Response") != "Success":
        _log.error("rescue_not_kept", reason=(reply or {}).get("Message", "no answer"))


def _nobody(event: SwitchEvent) -> None:
    """Before the start and after the stop nobody listens."""
