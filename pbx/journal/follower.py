"""Who keeps tables that follow from the log's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from pbx.journal.port import Stamped


class Follower(Protocol):
    """Writes what follows from entries, together with them."""

    @property
    def wants(self) -> tuple[type, ...]:
        """The kinds of entries that matter to it."""

    def follow(self, connection: Connection, entries: Sequence[Stamped]) -> None:
        """These entries' rows have just been written, in this transaction.

        In the writer's thread.  May be called again with entries of before: after a crash, or
        where the database did not say whether it had taken them.
        """
