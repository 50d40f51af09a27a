"""Users: who may come in by name and password, and as what.

House rules: whatever ends a user's rights (another password, another role, disabling, removing)
ends their sessions in the same transaction, and is told to the audit log there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from pbx.errors import AccountError
from pbx.journal.database import told_as_ours
from pbx.journal.tables import sessions, users
from pbx.web.accounts.audit import Actor, note
from pbx.web.principal import SCOPES, Kind, Principal, Role, Staff

_NAME = re.compile(r"\w[\w.@-]{0,63}")


@dataclass(frozen=True, slots=True)
class Place:
    """What a user is to the company: ``departments`` a supervisor's, ``agent`` whose page theirs
    is."""

    role: Role
    departments: tuple[str, ...] = ()
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """One user, without the password's hash."""

    name: str
    role: Role
    departments: tuple[str, ...]
    agent: str | None
    created_at: datetime
    password_at: datetime
    disabled_at: datetime | None

    @property
    def place(self) -> Place:
        """What they are to the company."""
        return Place(self.role, self.departments, self.agent)

    def principal(self, staff: Staff, address: str = "") -> Principal:
        """They ask."""
        return Principal(
            kind=Kind.USER,
            name=self.name,
            role=self.role,
            departments=frozenset(self.departments),
            agent_id=self.agent,
            scopes=SCOPES[self.role],
            staff=staff,
            address=address,
        )


def plain_name(text: str) -> str:
    """A name as it is kept: small letters, one form for each, nothing that is not shown.  It may
    be none at all."""
    shown = "".join(sign for sign in text[:200] if sign.isprintable())
    return unicodedata.normalize("NFKC", shown).strip().casefold()


def check_name(text: str) -> str:
    """The name of a new user, as it is kept.  Raises AccountError."""
    name = plain_name(text)
    if not _NAME.fullmatch(name):
        raise AccountError(
            "name", f"{text!r} is no user's name: 1 to 64 letters, digits and . _ - @"
        )
    return name


def check_place(place: Place, staff: Staff | None = None) -> Place:
    """What does not fit together is refused, and who is not in the plan.  Raises AccountError."""
    departments: tuple[str, ...] = ()
    if place.role is Role.SUPERVISOR:
        departments = tuple(sorted(set(place.departments)))
        if not departments:
            raise AccountError("departments", "a supervisor has departments, or * for all")
    if place.role is Role.MANAGER and not place.agent:
        raise AccountError("agent", "a manager is one of the plan's: say which (agent)")
    if staff is not None:
        check_departments(departments, staff)
        if place.agent and place.agent not in staff.departments:
            raise AccountError("agent_unknown", f"the plan has no manager {place.agent!r}")
    return Place(place.role, departments, place.agent or None)


def check_departments(departments: Iterable[str], staff: Staff) -> None:
    """Raises AccountError for one that the plan has not."""
    for one in departments:
        if one != "*" and one not in staff.departments.values():
            raise AccountError("department_unknown", f"the plan has no department {one!r}")


def any_user(engine: Engine) -> bool:
    """Whether there is one at all.  Raises JournalError."""
    with told_as_ours(engine), engine.connect() as connection:
        return connection.execute(select(users.c.name).limit(1)).first() is not None


def list_users(engine: Engine) -> list[User]:
    """All, by name.  Raises JournalError."""
    with told_as_ours(engine), engine.connect() as connection:
        rows = connection.execute(select(users).order_by(users.c.name)).mappings()
        return [user_of(row) for row in rows]


def find_user(engine: Engine, name: str) -> tuple[User, str] | None:
    """A user and the password's hash; None: there is none.  Raises JournalError."""
    with told_as_ours(engine), engine.connect() as connection:
        row = connection.execute(select(users).where(users.c.name == name)).mappings().first()
        return None if row is None else (user_of(row), str(row["password"]))


def add_user(
    engine: Engine, name: str, place: Place, hashed: str, *, by: Actor, at: datetime
) -> None:
    """``name`` and ``place`` are checked.  Raises AccountError and JournalError."""
    with told_as_ours(engine):
        try:
            with engine.begin() as connection:
                connection.execute(
                    insert(users).values(
                        name=name,
                        password=hashed,
                        role=place.role.value,
                        departments=list(place.departments),
                        agent=place.agent,
                        created_at=at,
                        password_at=at,
                        disabled_at=None,
                    )
                )
                note(connection, by, "user_added", name, _told(place), at=at)
        except IntegrityError:
            raise AccountError("taken", f"there is a user {name!r} already") from None


def change_place(engine: Engine, name: str, place: Place, *, by: Actor, at: datetime) -> None:
    """``place`` is checked.  Raises AccountError and JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        if place.role is not Role.ADMIN:
            _not_the_last_admin(connection, name)
        before = _user(connection, name)
        if before.place == place:
            return
        values = {
            "role": place.role.value,
            "departments": list(place.departments),
            "agent": place.agent,
        }
        connection.execute(update(users).where(users.c.name == name).values(values))
        _end_sessions(connection, name)
        details = {"before": _told(before.place), "after": _told(place)}
        note(connection, by, "user_changed", name, details, at=at)


def set_password(
    engine: Engine, name: str, hashed: str, *, by: Actor, at: datetime, keep: str = ""
) -> None:
    """All of the user's sessions end but ``keep``.  Raises AccountError and JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        _user(connection, name)
        values = {"password": hashed, "password_at": at}
        connection.execute(update(users).where(users.c.name == name).values(values))
        _end_sessions(connection, name, keep)
        note(connection, by, "password_changed", name, at=at)


def rehash(engine: Engine, name: str, before: str, hashed: str) -> None:
    """The same password, hashed with today's effort.  Raises JournalError."""
    same = (users.c.name == name) & (users.c.password == before)
    with told_as_ours(engine), engine.begin() as connection:
        connection.execute(update(users).where(same).values(password=hashed))


def disable_user(engine: Engine, name: str, *, by: Actor, at: datetime) -> None:
    """Nobody comes in by that name.  Raises AccountError and JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        _not_the_last_admin(connection, name)
        if _user(connection, name).disabled_at is not None:
            return
        connection.execute(update(users).where(users.c.name == name).values(disabled_at=at))
        _end_sessions(connection, name)
        note(connection, by, "user_disabled", name, at=at)


def enable_user(engine: Engine, name: str, *, by: Actor, at: datetime) -> None:
    """They may come in again.  Raises AccountError and JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        if _user(connection, name).disabled_at is None:
            return
        connection.execute(update(users).where(users.c.name == name).values(disabled_at=None))
        note(connection, by, "user_enabled", name, at=at)


def remove_user(engine: Engine, name: str, *, by: Actor, at: datetime) -> None:
    """What they did stays in the audit log.  Raises AccountError and JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        _not_the_last_admin(connection, name)
        user = _user(connection, name)
        _end_sessions(connection, name)
        connection.execute(delete(users).where(users.c.name == name))
        note(connection, by, "user_removed", name, _told(user.place), at=at)


def user_of(row: RowMapping) -> User:
    """A row of the table."""
    return User(
        name=row["name"],
        role=Role(row["role"]),
        departments=tuple(row["departments"]),
        agent=row["agent"],
        created_at=row["created_at"],
        password_at=row["password_at"],
        disabled_at=row["disabled_at"],
    )


def _user(connection: Connection, name: str) -> User:
    row = connection.execute(select(users).where(users.c.name == name).with_for_update()).mappings()
    found = row.first()
    if found is None:
        raise AccountError("unknown", f"there is no user {name!r}")
    return user_of(found)


def _not_the_last_admin(connection: Connection, name: str) -> None:
    # All rows, in one order: two admins who take each other's rights away wait for each other.
    asked = select(users).order_by(users.c.name).with_for_update()
    everybody = [user_of(row) for row in connection.execute(asked).mappings()]
    admins = [one.name for one in everybody if one.role is Role.ADMIN and not one.disabled_at]
    if admins == [name]:
        raise AccountError("last_admin", f"{name!r} is the last admin: make another one first")


def _end_sessions(connection: Connection, name: str, keep: str = "") -> None:
    theirs = (sessions.c.user_name == name) & (sessions.c.session_id != keep)
    connection.execute(delete(sessions).where(theirs))


def _told(place: Place) -> dict[str, Any]:
    return {
        "role": place.role.value,
        "departments": list(place.departments),
        "agent": place.agent,
    }
