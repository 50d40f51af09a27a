"""A connection to AMI that is noticed to be dead, comes back, and sends nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from panoramisk.manager import Manager

from pbx.ami.actions import Fields, encode
from pbx.ami.lanes import About, Lanes
from pbx.ami.lease import Lease
from pbx.ami.protocol import LOST, Headers, WholeMessages
from pbx.errors import ActionFailed, LoginRefused, SwitchError, SwitchLost

_log = structlog.get_logger(__name__)

CONNECT_S = 3.0
"""Longest wait for the TCP connection and for the login's answer, seconds."""
ACTION_S = 10.0
"""Longest wait for an action's answer, seconds."""
PING_EVERY_S = 1.5
"""A silent line is asked whether it lives; with PING_S it is noticed dead within 5 s."""
PING_S = 3.0
BACK_OFF_S = (0.2, 5.0)
"""First and longest pause before connecting again, seconds; doubled each time, with jitter."""
START_TRIES = 5
"""How often a start tries an Asterisk that is there and does not answer as it should."""
MAX_PENDING = 20_000
"""Actions that may wait for answers; more is refused."""
MAX_WAITING = 2_000
"""Messages that may wait to be taken; with more Asterisk is not read until they are fewer."""
TOGETHER = 16
"""Actions that are written to the line together, at most."""
MAY_WAIT = frozenset({"AGI", "Setvar"})
"""What is done for callers is written together, at the end of the turn.  An Originate is written at
once, ahead of it: the phone's ring is what the caller waits for, and nothing in it depends on those
(the dialplan of who picks up waits for VORONKA_HELD).  Anything else keeps its place."""
NOTHING_FOLLOWS = frozenset({"AGI", "Hangup", "Originate", "Setvar"})
"""Actions of which nothing follows when they succeed."""

Answered = Callable[[Headers | None], None]


class Watcher(Protocol):
    """What the metrics want to know of AMI."""

    def ami_event(self, name: str) -> None:
        """An event came."""

    def ami_action(self, name: str, seconds: float, ok: bool) -> None:
        """An action was answered, refused or timed out."""

    def ami_connected(self, connected: bool) -> None:
        """The state of the connection changed."""


@dataclass(slots=True)
class _Pending:
    name: str
    sent_at: float
    deadline: float
    answered: Answered | None
    listing: list[Headers] | None = None
    lines: list[Headers] = field(default_factory=list)


def _anything(event: Headers) -> None:
    """What an event is about where nobody can tell."""


class AmiConnection(Manager):  # type: ignore[misc]
    """panoramisk's Manager with its own sending, dispatching, keep-alive and reconnecting.

    ``on_event`` gets every event, synchronously, in order but for those that hurry (pbx/ami/lanes);
    ``on_up`` is awaited after each login, ``on_down`` told when the line is lost.  ``about`` and
    ``hurries`` are asked of events only.
    """

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        secret: str,
        *,
        tls: ssl.SSLContext | None = None,
        rng: random.Random,
        on_event: Callable[[Headers], None],
        on_up: Callable[[], Awaitable[None]],
        on_down: Callable[[str], None],
        watcher: Watcher,
        lease: Lease,
        about: About = _anything,
        hurries: Callable[[Headers], bool] = lambda event: False,
    ) -> None:
        super().__init__(host=host, port=port, ping_delay=0, reconnect_timeout=0)
        self._user = user
        self._secret = secret
        self._tls = tls
        self._rng = rng
        self._on_event = on_event
        self._on_up = on_up
        self._on_down = on_down
        self._watcher = watcher
        self.lease = lease
        self._line: WholeMessages | None = None
        self._pending: dict[str, _Pending] = {}
        self._about_event = about
        self._event_hurries = hurries
        self._lanes = Lanes(self._take, about=self._about, hurries=self._hurries)
        self._taking: asyncio.Handle | None = None
        self._reading_paused = False
        self._unwritten: list[bytes] = []
        self._writing: asyncio.Handle | None = None
        self._ids = 0
        self._heard_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._lost = asyncio.Event()
        self._closing = False
        self._reached = False
        self.malformed = 0

    @property
    def up(self) -> bool:
        """Logged in and not known to be lost."""
        return self._line is not None and self.authenticated

    async def lead(self) -> None:
        """Connect, log in and wait until no other engine leads; no event is taken yet.

        Raises SwitchLost when there is nobody to connect to, LoginRefused when we are refused.
        """
        if not self._tasks:
            self._tasks.append(asyncio.create_task(self._watch(), name="ami-watch"))
        await self._patiently(self._log_in)

    async def open(self) -> None:
        """Take events, after ``lead``; from then on the connection keeps itself.

        A line that was lost since is made anew.  Raises SwitchLost, LoginRefused.
        """
        await self._patiently(lambda: self._begin() if self.up else self._connect())
        self._tasks.append(asyncio.create_task(self._keep(), name="ami-keep"))

    async def _patiently(self, step: Callable[[], Awaitable[None]]) -> None:
        """A step of the start: a machine that is short of time for seconds does not end it."""
        pause = BACK_OFF_S[0]
        tries = 0
        while True:
            tries += 1
            try:
                await step()
                return
            except SwitchLost as error:
                # Nobody there is a mistake in the settings, or a matter for who starts us again.
                if not self._reached or self.lease.deposed.is_set() or tries == START_TRIES:
                    raise
                _log.warning("ami_start_tried_again", reason=str(error))
            await asyncio.sleep(pause * self._rng.uniform(0.5, 1.5))
            pause = min(BACK_OFF_S[1], pause * 2)

    async def shut(self) -> None:
        """Disconnect for good."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self.up:
            await self.lease.give_up(self.ask)
        if (line := self._line) is not None:  # it may have broken meanwhile
            self._write()
            if self.authenticated:
                line.write(encode("Logoff", ()))
            line.transport.close()
        self._drop("closed")

    async def deposed(self) -> None:
        """Wait until another engine leads in our place."""
        await self.lease.deposed.wait()

    # Sending -----------------------------------------------------------------------------

    def act(self, name: str, fields: Fields, answered: Answered | None = None) -> None:
        """Send an action, in this turn of the event loop.  ``answered`` gets the response, LOST
        when the line broke after it was sent, or None when there will be no answer (not sent,
        timed out).

        Raises UnsafeValue; nothing is sent then.
        """
        if self.authenticated and self.lease.frozen:
            # Another engine may lead by now: ask before anything else is done.
            self._give_up_line("this process stood still")
        self._ids += 1
        action_id = f"v{self._ids}"
        data = encode(name, (("ActionID", action_id), *fields))
        if self._line is None or len(self._pending) >= MAX_PENDING:
            if answered is not None:
                asyncio.get_running_loop().call_soon(answered, None)
            return
        now = time.monotonic()
        self._pending[action_id] = _Pending(name, now, now + ACTION_S, answered)
        if name in MAY_WAIT:
            self._write_later(data)
        else:
            if name != "Originate":
                self._write()
            self._line.write(data)

    def _write_later(self, data: bytes) -> None:
        """Each write is a call into the kernel, which wakes Asterisk and gives Python's lock away,
        for half a millisecond when the log's writer wants it."""
        self._unwritten.append(data)
        if len(self._unwritten) >= TOGETHER:
            self._write()
        elif self._writing is None:
            self._writing = asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        """What is to be written together."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        data, self._unwritten = b"".join(self._unwritten), []
        if self._line is None or not data:
            return
        if self.authenticated and self.lease.frozen:
            self._give_up_line("this process stood still")
        else:
            self._line.write(data)

    async def ask(self, name: str, fields: Fields = ()) -> Headers:
        """Send an action and wait for its answer.  Raises ActionFailed."""
        future: asyncio.Future[Headers | None] = asyncio.get_running_loop().create_future()
        self.act(name, fields, _into(future))
        reply = await future
        if reply is None or reply.get("Response") != "Success":
            raise ActionFailed(f"{name}: {(reply or {}).get('Message', 'no answer')}")
        return reply

    async def listing(self, name: str, fields: Fields = ()) -> list[Headers]:
        """Send an action that answers with a list of events.  Raises ActionFailed."""
        future: asyncio.Future[Headers | None] = asyncio.get_running_loop().create_future()
        self.act(name, fields, _into(future))
        found: list[Headers] = []
        if pending := self._pending.get(f"v{self._ids}"):
            pending.listing = found
        end = await future
        if end is None or end.get("Response", "Success") != "Success":
            raise ActionFailed(f"{name}: {(end or {}).get('Message', 'no answer')}")
        return found

    # Receiving ---------------------------------------------------------------------------

    def _message(self, headers: Headers) -> None:
        """A message was read."""
        self._heard_at = time.monotonic()
        self._lanes.put(headers)

    def _all_read(self) -> None:
        """All messages that have come were read: take some, then look for more."""
        if self._taking is None:
            self._take_some()

    def _take_some(self) -> None:
        self._taking = None
        try:
            self._lanes.work()
        finally:
            self._write()
            left = len(self._lanes)
            if left and self._taking is None:
                self._taking = asyncio.get_running_loop().call_soon(self._take_some)
            line = self._line
            if line is not None and (left > MAX_WAITING) is not self._reading_paused:
                self._reading_paused = not self._reading_paused
                if self._reading_paused:
                    line.transport.pause_reading()
                else:
                    line.transport.resume_reading()

    def _hurries(self, headers: Headers) -> bool:
        return "Event" in headers and self._event_hurries(headers)

    def _about(self, headers: Headers) -> Collection[str] | None:
        pending = self._pending.get(headers.get("ActionID", ""))
        if "Event" in headers:
            return self._about_event(headers) if pending is None else None
        if pending is not None and pending.name in NOTHING_FOLLOWS and _succeeded(headers):
            return ()
        return None

    def _take(self, headers: Headers) -> None:
        action_id = headers.get("ActionID")
        pending = self._pending.get(action_id) if action_id else None
        event = headers.get("Event")
        if event is None:
            if "Response" not in headers:
                self.malformed += 1
            elif pending is not None and action_id is not None:
                self._answer(action_id, pending, headers)
            return
        if pending is not None and pending.listing is not None and action_id is not None:
            if event.endswith("Complete"):
                del self._pending[action_id]
                self._finish(pending, headers)
            else:
                pending.listing.append(headers)
            return
        self._watcher.ami_event(event)
        try:
            self._on_event(headers)
        except Exception:
            _log.exception("ami_event_failed", event_name=event)

    def _answer(self, action_id: str, pending: _Pending, headers: Headers) -> None:
        if pending.listing is not None and headers["Response"] == "Success":
            return  # the list follows
        del self._pending[action_id]
        self._finish(pending, headers)

    def _finish(self, pending: _Pending, headers: Headers | None) -> None:
        ok = headers is not None and _succeeded(headers)
        self._watcher.ami_action(pending.name, time.monotonic() - pending.sent_at, ok)
        if pending.answered is not None:
            pending.answered(headers)

    def _garbage(self) -> None:
        self.malformed += 1

    # The line ----------------------------------------------------------------------------

    async def _connect(self) -> None:
        await self._log_in()
        await self._begin()

    async def _log_in(self) -> None:
        loop = asyncio.get_running_loop()
        line: WholeMessages | None = None
        lost = self._lost = asyncio.Event()

        def read(headers: Headers) -> None:
            if self._line is line:
                self._message(headers)

        def gone(error: Exception | None) -> None:
            # Of this line only: one that was given up may end late.
            if self._line is line:
                self._lanes.work(len(self._lanes))
            if self._line is line:
                self._drop(str(error or "connection closed"))
            lost.set()

        try:
            async with asyncio.timeout(CONNECT_S):
                _, line = await loop.create_connection(
                    lambda: WholeMessages(read, gone, self._garbage, self._all_read),
                    self.config["host"],
                    self.config["port"],
                    ssl=self._tls,
                )
        except (OSError, TimeoutError) as error:
            raise SwitchLost(
                f"AMI at {self.config['host']}:{self.config['port']}: {error or 'no answer'}"
            ) from error
        self._line = line
        self._reached = True
        self._heard_at = time.monotonic()
        try:
            async with asyncio.timeout(CONNECT_S):
                await self.ask(
                    "Login", (("Username", self._user), ("Secret", self._secret), ("Events", "off"))
                )
        except ActionFailed as error:
            was_refused = not lost.is_set() or "Authentication" in str(error)
            self._drop("login refused")
            line.abort()
            kind = LoginRefused if was_refused else SwitchLost
            raise kind(f"AMI login of {self._user}: {error}") from error
        except TimeoutError as error:
            self._drop("login timed out")
            line.abort()
            raise SwitchLost("AMI login: no answer") from error
        try:
            await self.lease.take(self.ask)
        except BaseException:
            self._drop("no lease")
            line.abort()
            raise
        self.authenticated = True
        self._watcher.ami_connected(True)

    async def _begin(self) -> None:
        try:
            await self.ask("Events", (("EventMask", "on"),))
            await self._on_up()
        except BaseException as error:
            # Not knowing what there is, we do not go on: the next login reads it again.
            self._give_up_line("the state could not be read")
            if isinstance(error, ActionFailed):
                raise SwitchLost(str(error)) from error
            raise

    def _drop(self, reason: str) -> None:
        """The line is lost: nothing that was sent is sent again, who waits is told."""
        line, self._line = self._line, None
        was_up, self.authenticated = self.authenticated, False
        pending, self._pending = self._pending, {}
        self._lanes.clear()
        self._unwritten.clear()
        self._reading_paused = False
        for one in pending.values():
            self._finish(one, LOST)
        if line is not None and was_up:
            self._watcher.ami_connected(False)
            if not self._closing:
                self._on_down(reason)
        self._lost.set()

    def _give_up_line(self, reason: str) -> None:
        line = self._line
        self._drop(reason)
        if line is not None:
            line.abort()

    async def _keep(self) -> None:
        """Comes back whenever the line is lost."""
        while True:
            await self._lost.wait()
            pause = BACK_OFF_S[0]
            while not self.up:
                await asyncio.sleep(pause * self._rng.uniform(0.5, 1.5))
                try:
                    await self._connect()
                except SwitchError as error:
                    _log.warning("ami_not_connected", reason=str(error))
                    if self.lease.deposed.is_set():
                        return
                except Exception:
                    _log.exception("ami_not_connected")
                pause = min(BACK_OFF_S[1], pause * 2)

    async def _watch(self) -> None:
        """Asks a silent line whether it lives; lets go of actions that got no answer."""
        asked_at: float | None = None
        while True:
            await asyncio.sleep(0.5)
            now = time.monotonic()
            for action_id, pending in list(self._pending.items()):
                if pending.deadline < now:
                    del self._pending[action_id]
                    self._finish(pending, None)
            line = self._line
            if line is None or not self.authenticated:
                asked_at = None
                continue
            self.lease.tick(self.act, self._give_up_line)
            if asked_at is not None and self._heard_at >= asked_at:
                asked_at = None
            if asked_at is None and now - self._heard_at >= PING_EVERY_S:
                asked_at = now
                self.act("Ping", ())
            elif asked_at is not None and now - asked_at >= PING_S:
                asked_at = None
                _log.warning("ami_silent", seconds=round(now - self._heard_at, 1))
                self._give_up_line("the line is silent")


def _succeeded(headers: Headers) -> bool:
    return headers.get("Response", "Success") == "Success"


def _into(future: asyncio.Future[Headers | None]) -> Answered:
    def answered(reply: Headers | None) -> None:
        if not future.done():
            future.set_result(reply)

    return answered
