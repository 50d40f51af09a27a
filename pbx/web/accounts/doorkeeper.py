"""Lets in: by a password, by a session's cookie, by a token; and slows down who guesses."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

import structlog
from sqlalchemy import Engine

from pbx.errors import JournalError
from pbx.web.accounts.allowance import Allowance
from pbx.web.accounts.audit import (
    LOGIN_FAILED,
    LOGOUT,
    Actor,
    known_address,
    write_note,
)
from pbx.web.accounts.keys import digest, new_secret
from pbx.web.accounts.passwords import Crowded, Passwords
from pbx.web.accounts.sessions import (
    IDLE,
    Session,
    begin_session,
    clear_away,
    end_session,
    find_session,
    write_seen,
)
from pbx.web.accounts.throttle import Pace, Throttle
from pbx.web.accounts.tokens import Token, find_token, write_used
from pbx.web.accounts.users import User, find_user, plain_name, rehash
from pbx.web.principal import Kind

_log = structlog.get_logger(__name__)

NAME_PACE = Pace(free=5, first_s=1.0, longest_s=60.0, forget_s=3600.0)
"""After five failures a name is tried at most once a minute: 1,440 guesses a day."""
ADDRESS_PACE = Pace(free=20, first_s=1.0, longest_s=300.0, forget_s=3600.0)
"""A whole office may come from one address."""
STRANGERS_PACE = Pace(free=20, first_s=1.0, longest_s=60.0, forget_s=3600.0)
"""Of an address that shows tokens, or signatures, of nobody: nobody guesses one, but each asks the
database, or costs a digest of what it brings."""
_THE_CRM = "crm"
"""Whose allowance the messages are that the CRM signs; no token's digest is as short."""
KNOWN = timedelta(days=30)
"""From where somebody has come in by that name, strangers' failures don't slow it down."""
FAILURES_TOLD = 30
"""Failed logins that the audit log takes a minute; the rest is counted in the process's log."""
_LONGEST_SECRET = 200


class Why(StrEnum):
    """Why somebody was not let in."""

    WRONG = "wrong"
    """No such name, not its password, or disabled: nobody is told which."""
    SLOWED = "slowed"
    CROWDED = "crowded"


@dataclass(frozen=True, slots=True)
class Refused:
    """Not let in; ``wait_s``: when to try again."""

    why: Why
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LetIn:
    """Let in: what the browser's cookie is to hold."""

    secret: str


class TooOften(Exception):
    """A program asks more often than it may; ``wait_s``: when to ask again."""

    def __init__(self, wait_s: float, why: str = "this token asks too often") -> None:
        super().__init__(why)
        self.wait_s = wait_s


class InThread(Protocol):
    """Runs what asks the database beside the loop."""

    def __call__(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Awaitable[Any]:
        """The work's own result."""


class Doorkeeper:
    """One for the process."""

    def __init__(
        self,
        read: Engine,
        write: Engine,
        *,
        in_thread: InThread,
        now: Callable[[], datetime],
        seconds: Callable[[], float],
        passwords: Passwords | None = None,
        per_minute: int,
    ) -> None:
        """``per_minute``: requests of one token."""
        self._read = read
        self._write = write
        self._in_thread = in_thread
        self._now = now
        self._seconds = seconds
        self.passwords = passwords or Passwords()
        self._names = Throttle(NAME_PACE)
        self._addresses = Throttle(ADDRESS_PACE)
        self._inside = Throttle(NAME_PACE)
        self._allowance = Allowance(per_minute)
        self._strangers = Throttle(STRANGERS_PACE)
        # Digests of tokens that opened something: these wait for no stranger at their address.
        self._good: set[str] = set()
        self._seen: dict[str, datetime] = {}
        self._used: dict[str, datetime] = {}
        self._told_since = 0.0
        self._told = 0

    async def let_in(
        self, typed: str, password: str, *, address: str, browser: str, instead_of: str
    ) -> LetIn | Refused:
        """Who shows a user's password.  Raises JournalError."""
        name, place = plain_name(typed), _network(address)
        wait_s = await self._wait_s(name, place, address)
        if wait_s > 0:
            return Refused(Why.SLOWED, wait_s)
        now = self._seconds()
        self._names.begin(name, now)
        before = self._addresses.begin(place, now)
        found: tuple[User, str] | None = await self._in_thread(find_user, self._read, name)
        try:
            right = await self.passwords.right(found[1] if found else None, password)
        except Crowded:
            return Refused(Why.CROWDED)
        if right and found is not None and found[0].disabled_at is None:
            user, hashed = found
            secret = new_secret()
            begun = await self._in_thread(
                begin_session,
                self._write,
                user,
                hashed,
                secret,
                address=address,
                browser=browser,
                instead_of=instead_of,
                at=self._now(),
            )
            if begun:
                self._names.forgive(name)
                # The others' failures from there stay: or one's own account would wipe them out.
                self._addresses.take_back(place, before)
                await self._renew_hash(user, hashed, password)
                return LetIn(secret)
        await self._tell_failure(found[0] if found else None, address)
        return Refused(Why.WRONG)

    async def knows(self, name: str, password: str, address: str) -> Refused | None:
        """None when it is the user's password; slowed down like a login: who got at an open
        browser guesses no faster.

        Raises JournalError.
        """
        now = self._seconds()
        wait_s = self._inside.wait_s(name, now)
        if wait_s > 0:
            return Refused(Why.SLOWED, wait_s)
        self._inside.begin(name, now)
        found: tuple[User, str] | None = await self._in_thread(find_user, self._read, name)
        try:
            right = await self.passwords.right(found[1] if found else None, password)
        except Crowded:
            return Refused(Why.CROWDED)
        if not right:
            await self._tell_failure(found[0] if found else None, address)
            return Refused(Why.WRONG)
        self._inside.forgive(name)
        return None

    async def by_cookie(self, secret: str) -> tuple[User, Session] | None:
        """Whose session it is; None: nobody's, or it is over.  Raises JournalError."""
        if not secret or len(secret) > _LONGEST_SECRET:
            return None
        now = self._now()
        found: tuple[User, Session] | None = await self._in_thread(
            find_session, self._read, secret, now
        )
        if found is None:
            return None
        session = found[1]
        seen = max(session.seen_at, self._seen.get(session.session_id, session.seen_at))
        if now - seen >= IDLE:
            return None
        self._seen[session.session_id] = now
        return found

    async def asks(self, secret: str, address: str) -> Token | None:
        """A request with this token: which one it is; None: none, or it opens nothing any more.

        Raises TooOften and JournalError.
        """
        # Who is refused costs no question to the database; who is nobody is not remembered.
        key = digest(secret)
        if (wait_s := self._allowance.wait_s(key, self._seconds())) > 0:
            raise TooOften(wait_s)
        if key not in self._good:
            self.may_try(address)
        token = await self.by_token(secret)
        if token is None:
            self._good.discard(key)
            self._strangers.begin(_network(address), self._seconds())
            return None
        self._good.add(key)
        if (wait_s := self._allowance.take(key, self._seconds())) > 0:
            raise TooOften(wait_s)
        return token

    def may_try(self, address: str) -> None:
        """Whether a stranger may show something from there now.  Raises TooOften."""
        if (wait_s := self._strangers.wait_s(_network(address), self._seconds())) > 0:
            raise TooOften(wait_s, "too much from this address was of nobody whom we know")

    def heard(self, address: str, *, genuine: bool) -> None:
        """A message came that has the CRM's signature, or somebody's.  Raises TooOften where the
        CRM tells more than a token may ask."""
        now = self._seconds()
        if not genuine:
            self._strangers.begin(_network(address), now)
        elif (wait_s := self._allowance.take(_THE_CRM, now)) > 0:
            raise TooOften(wait_s, "these messages come too often")

    async def by_token(self, secret: str) -> Token | None:
        """The same, of one that has asked already.  Raises JournalError."""
        if not secret or len(secret) > _LONGEST_SECRET:
            return None
        now = self._now()
        token: Token | None = await self._in_thread(find_token, self._read, secret, now)
        if token is not None:
            self._used[token.token_id] = now
        return token

    async def let_out(self, user: str, secret: str, address: str) -> None:
        """The session of this cookie ends.  Raises JournalError."""
        await self._in_thread(
            end_session,
            self._write,
            digest(secret),
            user,
            by=Actor(Kind.USER, user, address),
            action=LOGOUT,
            at=self._now(),
        )

    def write_down(self) -> None:
        """When sessions and tokens were last used; in a thread, now and then.

        Raises JournalError.
        """
        seen, self._seen = self._seen, {}
        used, self._used = self._used, {}
        try:
            if seen:
                write_seen(self._write, seen)
            if used:
                write_used(self._write, used)
        except JournalError:
            self._seen = seen | self._seen
            self._used = used | self._used
            raise

    def clear_away(self) -> None:
        """Remove sessions that are over; in a thread, now and then.  Raises JournalError."""
        clear_away(self._write, self._now())

    async def _wait_s(self, name: str, place: str, address: str) -> float:
        now = self._seconds()
        wait_s = self._addresses.wait_s(place, now)
        if wait_s > 0:
            return wait_s
        wait_s = self._names.wait_s(name, now)
        if wait_s > 0 and await self._in_thread(
            known_address, self._read, name, address, self._now() - KNOWN
        ):
            return 0.0
        return wait_s

    async def _renew_hash(self, user: User, hashed: str, password: str) -> None:
        if self.passwords.needs_new_hash(hashed):
            try:
                newer = await self.passwords.hash(password)
            except Crowded:
                return  # the next login is soon enough
            await self._in_thread(rehash, self._write, user.name, hashed, newer)

    async def _tell_failure(self, user: User | None, address: str) -> None:
        now = self._seconds()
        if now - self._told_since >= 60.0:
            self._told_since, self._told = now, 0
        self._told += 1
        _log.warning("login_failed", user=user.name if user else "", address=address)
        if self._told > FAILURES_TOLD:
            return
        # What was typed for a name that is none may be a password: it is not kept.
        await self._in_thread(
            write_note,
            self._write,
            Actor(Kind.USER, user.name if user else "", address),
            LOGIN_FAILED,
            at=self._now(),
        )


def _network(address: str) -> str:
    """Who has one IPv6 address has 2**64 of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6:
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
