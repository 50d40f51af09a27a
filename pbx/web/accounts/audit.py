"""The log of who did what: written with what was done, read by pages, changed by nobody."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Column, Connection, Engine, delete, func, insert, select

from pbx.journal.change import text
from pbx.journal.database import told_as_ours
from pbx.journal.tables import audit
from pbx.web.principal import Principal

_LONGEST = 200
"""Of a subject, and of a name that nobody has."""
MAX_PAGE = 500

Action = Literal[
    "login",
    "login_failed",
    "logout",
    "session_ended",
    "user_added",
    "user_changed",
    "user_disabled",
    "user_enabled",
    "user_removed",
    "password_changed",
    "token_added",
    "token_revoked",
    "listened",
    "downloaded",
    "exported",
    "called",
    "paused",
    "unpaused",
    "missed_closed",
    "missed_reopened",
]
"""What is written down; its words stand in texts/*/audit.toml."""
LOGIN: Action = "login"
LOGIN_FAILED: Action = "login_failed"
LOGOUT: Action = "logout"
SESSION_ENDED: Action = "session_ended"
USER_COMMAND = "command"
"""The kind of who works with the command line."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a user, a token, or somebody at the command line."""

    kind: str
    name: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One line of the log."""

    audit_id: str
    at: datetime
    kind: str
    who: str
    address: str
    action: str
    subject: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which lines; ``before``: the id of the last line of the page before."""

    who: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: str = ""
    limit: int = 100


def actor_of(principal: Principal) -> Actor:
    """Who asks is who did it."""
    return Actor(principal.kind, principal.name, principal.address)


def note(
    connection: Connection,
    actor: Actor,
    action: Action,
    subject: str = "",
    details: Mapping[str, object] | None = None,
    *,
    at: datetime,
) -> None:
    """Write a line, in the transaction of what it tells of."""
    connection.execute(
        insert(audit).values(
            audit_id=_first_id(at) + secrets.token_hex(4),
            at=at,
            kind=actor.kind,
            who=text(actor.name[:_LONGEST]),
            address=text(actor.address[:_LONGEST]),
            action=action,
            subject=text(subject[:_LONGEST]),
            details={
                name: text(value) if isinstance(value, str) else value
                for name, value in (details or {}).items()
            },
        )
    )


def write_note(
    engine: Engine,
    actor: Actor,
    action: Action,
    subject: str = "",
    details: Mapping[str, object] | None = None,
    *,
    at: datetime,
) -> None:
    """Write a line of what changes nothing else.  Raises JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        note(connection, actor, action, subject, details, at=at)


def list_notes(engine: Engine, wanted: AuditFilter) -> list[AuditRow]:
    """The newest first.  Raises JournalError."""
    asked = select(audit).order_by(audit.c.audit_id.desc()).limit(min(wanted.limit, MAX_PAGE))
    if wanted.who:
        asked = asked.where(audit.c.who == wanted.who)
    if wanted.action:
        asked = asked.where(audit.c.action == wanted.action)
    if wanted.since is not None:
        asked = asked.where(audit.c.audit_id >= _first_id(wanted.since))
    if wanted.until is not None:
        asked = asked.where(audit.c.audit_id < _first_id(wanted.until))
    if wanted.before:
        asked = asked.where(audit.c.audit_id < wanted.before)
    with told_as_ours(engine), engine.connect() as connection:
        return [AuditRow(**row) for row in connection.execute(asked).mappings()]


def known_address(engine: Engine, who: str, address: str, since: datetime) -> bool:
    """Somebody has come in from there since.  Raises JournalError."""
    asked = (
        select(audit.c.audit_id)
        .where(
            audit.c.who == who,
            audit.c.address == address,
            audit.c.action == LOGIN,
            audit.c.audit_id >= _first_id(since),
        )
        .limit(1)
    )
    with told_as_ours(engine), engine.connect() as connection:
        return connection.execute(asked).first() is not None


def known_actions(engine: Engine) -> list[str]:
    """Those that stand in the log.  Raises JournalError."""
    return _different(engine, audit.c.action)


def known_actors(engine: Engine) -> list[str]:
    """Who stands in the log.  Raises JournalError."""
    return [one for one in _different(engine, audit.c.who) if one]


def _different(engine: Engine, column: Column[str]) -> list[str]:
    # From one value to the next by the column's index: a plain DISTINCT reads the whole log.
    found: list[str] = []
    with told_as_ours(engine), engine.connect() as connection:
        asked = select(func.min(column))
        value = connection.execute(asked).scalar()
        while value is not None and len(found) < MAX_PAGE:
            found.append(value)
            value = connection.execute(asked.where(column > value)).scalar()
    return found


def forget(connection: Connection, action: Action, before: datetime) -> None:
    """Remove lines of one action that are older."""
    old = (audit.c.action == action) & (audit.c.audit_id < _first_id(before))
    connection.execute(delete(audit).where(old))


def _first_id(at: datetime) -> str:
    """Below all ids of that microsecond and later, above all earlier ones."""
    return f"{max(0, round(at.timestamp() * 1_000_000)):014x}"
