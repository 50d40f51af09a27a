"""Passwords: what is asked of one, and argon2, slow on purpose: in threads, few at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pbx.errors import AccountError

MIN_LENGTH = 12
MAX_LENGTH = 256
"""Longer ones are refused unhashed."""
_FEWEST_SIGNS = 5
AT_ONCE = 2
"""Hashes at once: each takes 64 MiB and a core for a sixth of a second."""
WAITING = 20
"""Who waits for a hash; more are told to come again."""


P = ParamSpec("P")
T = TypeVar("T")


class Crowded(Exception):
    """More ask for a password to be checked than can be served."""


def check_new(name: str, password: str) -> None:
    """Raises AccountError for one that is easy to guess."""
    if len(password) < MIN_LENGTH:
        raise AccountError("password_short", f"a password has at least {MIN_LENGTH} characters")
    if len(password) > MAX_LENGTH:
        raise AccountError("password_long", f"a password has at most {MAX_LENGTH} characters")
    plain = password.casefold()
    if len(set(plain)) < _FEWEST_SIGNS or (len(name) > 3 and name.casefold() in plain):
        raise AccountError(
            "password_weak", "a password has at least five different signs and not the user's name"
        )


class Passwords:
    """Hashes and checks, without holding up the loop."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        # Checked where there is no such user, so that an answer takes as long.
        self._nobodys = self._hasher.hash("nobody's password")
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    def hash_now(self, password: str) -> str:
        """Of a new password; takes a while."""
        return self._hasher.hash(password)

    async def hash(self, password: str) -> str:
        """Likewise, in a thread.  Raises Crowded."""
        return await self._in_place(self._hasher.hash, password)

    async def right(self, hashed: str | None, password: str) -> bool:
        """Whether it is that password; None: there is no such user, and it takes as long.

        Raises Crowded.
        """
        return await self._in_place(self._verify, hashed, password)

    def needs_new_hash(self, hashed: str) -> bool:
        """It was made when argon2's usual effort was another."""
        return self._hasher.check_needs_rehash(hashed)

    def _verify(self, hashed: str | None, password: str) -> bool:
        try:
            found = self._hasher.verify(hashed or self._nobodys, password[:MAX_LENGTH])
        except (VerificationError, InvalidHashError):
            return False
        return found and hashed is not None and len(password) <= MAX_LENGTH

    async def _in_place(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= WAITING:
            raise Crowded
        self._waiting += 1
        try:
            async with self._places:
                return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._waiting -= 1
