"""Tokens: how programs come in.  Shown once, when made; kept as a digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, RowMapping, insert, select, update

from pbx.errors import AccountError
from pbx.journal.database import told_as_ours
from pbx.journal.tables import tokens
from pbx.web.accounts.audit import Actor, note
from pbx.web.accounts.keys import SHOWN, TOKEN_PREFIX, digest, new_id, new_secret
from pbx.web.principal import Kind, Principal, Role, Scope, Staff

_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Token:
    """One token, without its secret."""

    token_id: str
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    departments: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None

    def good(self, at: datetime) -> bool:
        """It opens, at that time."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    def principal(self, staff: Staff, address: str = "") -> Principal:
        """A program asks: it sees what a supervisor of its departments sees, by its scopes."""
        return Principal(
            kind=Kind.TOKEN,
            name=self.name,
            role=Role.SUPERVISOR,
            departments=frozenset(self.departments),
            scopes=frozenset(self.scopes),
            staff=staff,
            address=address,
        )


@dataclass(frozen=True, slots=True)
class Paper:
    """What a new token is to allow."""

    name: str
    scopes: frozenset[Scope]
    departments: tuple[str, ...] = ("*",)
    expires_at: datetime | None = None


def check_paper(paper: Paper, at: datetime) -> None:
    """Raises AccountError."""
    if not paper.name.strip() or len(paper.name) > _LONGEST_NAME or not paper.name.isprintable():
        raise AccountError("token_name", f"a token's name has 1 to {_LONGEST_NAME} letters")
    if not paper.scopes:
        raise AccountError("scopes", "a token allows something: say which scopes")
    if not paper.departments:
        raise AccountError("departments", "a token is for departments, or * for all")
    if paper.expires_at is not None and paper.expires_at <= at:
        raise AccountError("expires", "the token would have expired already")


def add_token(engine: Engine, paper: Paper, *, by: Actor, at: datetime) -> tuple[Token, str]:
    """The token and its secret, which nobody can see again.  Raises AccountError and
    JournalError."""
    check_paper(paper, at)
    secret = TOKEN_PREFIX + new_secret()
    token = Token(
        token_id=new_id(),
        name=paper.name.strip(),
        prefix=secret[:SHOWN],
        scopes=tuple(sorted(paper.scopes)),
        departments=tuple(sorted(set(paper.departments))),
        created_by=by.name,
        created_at=at,
        expires_at=paper.expires_at,
        used_at=None,
        revoked_at=None,
    )
    row = {name: getattr(token, name) for name in Token.__dataclass_fields__} | {
        "digest": digest(secret),
        "scopes": [one.value for one in token.scopes],
        "departments": list(token.departments),
    }
    details = {
        "name": token.name,
        "scopes": row["scopes"],
        "departments": row["departments"],
        "expires_at": paper.expires_at.isoformat(timespec="minutes") if paper.expires_at else None,
    }
    with told_as_ours(engine), engine.begin() as connection:
        connection.execute(insert(tokens).values(row))
        note(connection, by, "token_added", token.prefix, details, at=at)
    return token, secret


def find_token(engine: Engine, secret: str, at: datetime) -> Token | None:
    """None: no such token, or it opens nothing any more.  Raises JournalError."""
    asked = select(tokens).where(tokens.c.digest == digest(secret))
    with told_as_ours(engine), engine.connect() as connection:
        row = connection.execute(asked).mappings().first()
    if row is None:
        return None
    token = _token(row)
    return token if token.good(at) else None


def list_tokens(engine: Engine) -> list[Token]:
    """All, the newest first.  Raises JournalError."""
    asked = select(tokens).order_by(tokens.c.created_at.desc(), tokens.c.token_id)
    with told_as_ours(engine), engine.connect() as connection:
        return [_token(row) for row in connection.execute(asked).mappings()]


def revoke_token(engine: Engine, which: str, *, by: Actor, at: datetime) -> Token:
    """By its id or by what is shown of it.  Raises AccountError and JournalError."""
    asked = select(tokens).where((tokens.c.token_id == which) | (tokens.c.prefix == which))
    with told_as_ours(engine), engine.begin() as connection:
        rows = connection.execute(asked.with_for_update()).mappings().all()
        if len(rows) != 1:
            raise AccountError("unknown", f"there is no token {which!r}: pbx tokens list")
        token = _token(rows[0])
        if token.revoked_at is None:
            this = tokens.c.token_id == token.token_id
            connection.execute(update(tokens).where(this).values(revoked_at=at))
            note(connection, by, "token_revoked", token.prefix, {"name": token.name}, at=at)
        return token


def write_used(engine: Engine, used: Mapping[str, datetime]) -> None:
    """When each was last used.  Raises JournalError."""
    with told_as_ours(engine), engine.begin() as connection:
        for token_id, at in used.items():
            this = tokens.c.token_id == token_id
            connection.execute(update(tokens).where(this).values(used_at=at))


def _token(row: RowMapping) -> Token:
    known = {name: row[name] for name in Token.__dataclass_fields__}
    # A scope of another version of the program opens nothing.
    scopes = tuple(Scope(one) for one in row["scopes"] if one in set(Scope))
    return Token(**{**known, "scopes": scopes, "departments": tuple(row["departments"])})
