"""Sessions: a browser that has shown a user's password.  It holds a secret in a cookie; we hold the
secret's digest, so that who reads the table can't come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, func, insert, select, update

from pbx.journal.database import told_as_ours
from pbx.journal.tables import UtcTime, sessions, users
from pbx.web.accounts.audit import LOGIN, LOGIN_FAILED, SESSION_ENDED, Action, Actor, forget, note
from pbx.web.accounts.keys import digest
from pbx.web.accounts.users import User, user_of
from pbx.web.principal import Kind

IDLE = timedelta(hours=12)
"""A session that nobody uses for so long ends: a working day with its evening."""
LONGEST = timedelta(days=14)
"""Every session ends so long after it began."""
MOST = 50
"""Of one user: the oldest ends when one more begins."""
FAILED_KEPT = timedelta(days=90)
"""How long failed logins stay in the audit log; all else stays."""
_BROWSER = 200


@dataclass(frozen=True, slots=True)
class Session:
    """One browser of a user."""

    session_id: str
    began_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    browser: str


def begin_session(
    engine: Engine,
    user: User,
    hashed: str,
    secret: str,
    *,
    address: str,
    browser: str,
    instead_of: str,
    at: datetime,
) -> bool:
    """Of who showed the password of ``hashed``.  False: it has changed since, or the user may not
    come in any more.  The browser's session before, if any, ends.  Raises JournalError."""
    still = select(users.c.name).where(
        users.c.name == user.name, users.c.password == hashed, users.c.disabled_at.is_(None)
    )
    with told_as_ours(engine), engine.begin() as connection:
        if connection.execute(still.with_for_update()).first() is None:
            return False
        connection.execute(delete(sessions).where(sessions.c.session_id == digest(instead_of)))
        older = (
            select(sessions.c.session_id)
            .where(sessions.c.user_name == user.name)
            .order_by(sessions.c.seen_at.desc())
            .offset(MOST - 1)
            .limit(1000)
        )
        gone = [row[0] for row in connection.execute(older)]
        connection.execute(delete(sessions).where(sessions.c.session_id.in_(gone)))
        connection.execute(
            insert(sessions).values(
                session_id=digest(secret),
                user_name=user.name,
                began_at=at,
                seen_at=at,
                expires_at=at + LONGEST,
                address=address,
                browser=browser[:_BROWSER],
            )
        )
        note(connection, Actor(Kind.USER, user.name, address), LOGIN, at=at)
    return True


def find_session(engine: Engine, secret: str, at: datetime) -> tuple[User, Session] | None:
    """Whose it is; None: no such session, or it is over.  Raises JournalError."""
    asked = (
        select(users, *(sessions.c[one] for one in _COLUMNS))
        .join(sessions, sessions.c.user_name == users.c.name)
        .where(
            sessions.c.session_id == digest(secret),
            sessions.c.expires_at > at,
            users.c.disabled_at.is_(None),
        )
    )
    with told_as_ours(engine), engine.connect() as connection:
        row = connection.execute(asked).mappings().first()
        if row is None:
            return None
        return user_of(row), Session(**{name: row[name] for name in _COLUMNS})


def sessions_of(engine: Engine, name: str, at: datetime) -> list[Session]:
    """A user's, the last used first.  Raises JournalError."""
    asked = (
        select(*(sessions.c[one] for one in _COLUMNS))
        .where(
            sessions.c.user_name == name,
            sessions.c.expires_at > at,
            sessions.c.seen_at > at - IDLE,
        )
        .order_by(sessions.c.seen_at.desc())
    )
    with told_as_ours(engine), engine.connect() as connection:
        return [Session(**row) for row in connection.execute(asked).mappings()]


def end_session(
    engine: Engine, session_id: str, name: str, *, by: Actor, action: Action, at: datetime
) -> None:
    """One of a user's.  Raises JournalError."""
    theirs = (sessions.c.session_id == session_id) & (sessions.c.user_name == name)
    with told_as_ours(engine), engine.begin() as connection:
        if connection.execute(delete(sessions).where(theirs)).rowcount:
            note(connection, by, action, at=at)


def end_all(engine: Engine, name: str, *, by: Actor, at: datetime) -> None:
    """All of a user's.  Raises JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        gone = connection.execute(delete(sessions).where(sessions.c.user_name == name)).rowcount
        if gone:
            note(connection, by, SESSION_ENDED, name, {"sessions": gone}, at=at)


def last_seen(engine: Engine) -> dict[str, datetime]:
    """When each user who is signed in was last seen.  Raises JournalError."""
    latest = func.max(sessions.c.seen_at, type_=UtcTime)
    asked = select(sessions.c.user_name, latest).group_by(sessions.c.user_name)
    with told_as_ours(engine), engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(asked)}


def write_seen(engine: Engine, seen: Mapping[str, datetime]) -> None:
    """When each was last used.  Raises JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        for session_id, at in seen.items():
            connection.execute(
                update(sessions).where(sessions.c.session_id == session_id).values(seen_at=at)
            )


def clear_away(engine: Engine, at: datetime) -> None:
    """Remove what is over.  Raises JournalError."""
    over = (sessions.c.expires_at <= at) | (sessions.c.seen_at <= at - IDLE)
    with told_as_ours(engine), engine.begin() as connection:
        connection.execute(delete(sessions).where(over))
        forget(connection, LOGIN_FAILED, at - FAILED_KEPT)


_COLUMNS = tuple(Session.__dataclass_fields__)
