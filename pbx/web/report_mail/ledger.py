"""Which mails were due, and what became of each: in the log's database, so that a start sends none
twice and forgets none.

House rules: a row is written before the first attempt; who tries holds it by ``next_at`` till then,
so that of two processes one sends.  What was due before a mail was first known is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pbx.journal.database import told_as_ours
from pbx.journal.tables import report_mails

HELD_FOR = timedelta(minutes=10)
"""Longer than any attempt takes: whoever holds it for so long is dead."""
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""After a failure; the last again and again."""
GIVEN_UP_AFTER = timedelta(hours=24)
_KEPT_FOR = timedelta(days=400)
_OPEN, _SENT, _REFUSED, _GIVEN_UP, _PASSED = "open", "sent", "refused", "given-up", "passed"


@dataclass(frozen=True, slots=True)
class Due:
    """A mail to be sent now, held by us.  ``settled``: who is not to be asked again."""

    mail_id: str
    due_at: datetime
    tries: int
    settled: tuple[str, ...]


def take(engine: Engine, name: str, due_at: datetime, now: datetime) -> Due | None:
    """The mail that was due then, to be tried now; None when it is not to be.  Raises
    JournalError."""
    mail_id = f"{name} {due_at.astimezone(UTC):%Y-%m-%dT%H:%M}"
    mails = report_mails.c
    with told_as_ours(engine), engine.begin() as connection:
        known = connection.execute(
            select(func.count()).select_from(report_mails).where(mails.name == name)
        ).scalar_one()
        dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
        row = {
            "mail_id": mail_id,
            "name": name,
            "due_at": due_at,
            "state": _OPEN if known else _PASSED,
            "tries": 0,
            "next_at": due_at,
            "settled": [],
            "error": "",
        }
        connection.execute(dialect.insert(report_mails).values(row).on_conflict_do_nothing())
        held = connection.execute(
            update(report_mails)
            .where(mails.mail_id == mail_id, mails.state == _OPEN, mails.next_at <= now)
            .values(next_at=now + HELD_FOR, tries=mails.tries + 1)
        )
        if not held.rowcount:
            return None
        # An older one that is still open is overtaken by this one.
        connection.execute(
            update(report_mails)
            .where(mails.name == name, mails.state == _OPEN, mails.due_at < due_at)
            .values(state=_GIVEN_UP)
        )
        connection.execute(
            delete(report_mails).where(mails.name == name, mails.due_at < now - _KEPT_FOR)
        )
        found = connection.execute(
            select(mails.tries, mails.settled).where(mails.mail_id == mail_id)
        ).one()
    return Due(mail_id, due_at, found.tries, tuple(found.settled))


def sent(engine: Engine, due: Due, refused: Sequence[str] = ()) -> None:
    """Everybody has it but those whose servers never will take it.  Raises JournalError."""
    _told(engine, due, _SENT, error=f"refused: {', '.join(refused)}" if refused else "")


def refused(engine: Engine, due: Due, error: str) -> None:
    """No server ever will take it.  Raises JournalError."""
    _told(engine, due, _REFUSED, error=error)


def failed(
    engine: Engine, due: Due, error: str, now: datetime, settled: Sequence[str] = ()
) -> bool:
    """Try again later, without those who are settled; gives whether it will be.  Raises
    JournalError."""
    if now - due.due_at > GIVEN_UP_AFTER:
        _told(engine, due, _GIVEN_UP, error=error)
        return False
    pause = PAUSES[min(due.tries, len(PAUSES)) - 1]
    with told_as_ours(engine), engine.begin() as connection:
        connection.execute(
            update(report_mails)
            .where(report_mails.c.mail_id == due.mail_id)
            .values(next_at=now + pause, settled=[*due.settled, *settled], error=error)
        )
    return True


def _told(engine: Engine, due: Due, state: str, *, error: str) -> None:
    with told_as_ours(engine), engine.begin() as connection:
        connection.execute(
            update(report_mails)
            .where(report_mails.c.mail_id == due.mail_id)
            .values(state=state, error=error)
        )
