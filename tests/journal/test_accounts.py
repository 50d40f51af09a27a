"""Users, sessions, tokens and the audit log keep their promises on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pbx.errors import AccountError
from pbx.journal.database import migrate, open_for_writing
from pbx.web.accounts.audit import (
    Actor,
    AuditFilter,
    known_actions,
    known_actors,
    known_address,
    list_notes,
    write_note,
)
from pbx.web.accounts.sessions import (
    IDLE,
    LONGEST,
    MOST,
    begin_session,
    clear_away,
    end_all,
    find_session,
    last_seen,
    sessions_of,
    write_seen,
)
from pbx.web.accounts.tokens import Paper, add_token, find_token, list_tokens, write_used
from pbx.web.accounts.users import (
    Place,
    add_user,
    change_place,
    disable_user,
    find_user,
    list_users,
    rehash,
    remove_user,
)
from pbx.web.principal import Role, Scope

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BY = Actor("user", "root", "192.0.2.1")
ADMIN = Place(Role.ADMIN)


@pytest.fixture
def engine(url: str, tmp_path: Path) -> Engine:
    engine = open_for_writing(url)
    migrate(engine)
    return engine


def come_in(engine: Engine, name: str, secret: str, at: datetime, instead_of: str = "") -> bool:
    found = find_user(engine, name)
    assert found is not None
    return begin_session(
        engine,
        *found,
        secret,
        address="192.0.2.1",
        browser="Firefox",
        instead_of=instead_of,
        at=at,
    )


def test_users_are_kept_as_they_were_given(engine: Engine) -> None:
    place = Place(Role.SUPERVISOR, ("sales", "Отдел"), "anna")
    add_user(engine, "мария", place, "hash", by=BY, at=AT)
    with pytest.raises(AccountError, match="already"):
        add_user(engine, "мария", ADMIN, "other", by=BY, at=AT)

    found = find_user(engine, "мария")
    assert found is not None
    assert (found[0].place, found[0].created_at, found[1]) == (place, AT, "hash")
    rehash(engine, "мария", "not this", "newer")
    rehash(engine, "мария", "hash", "new")
    found = find_user(engine, "мария")
    assert found is not None
    assert found[1] == "new"
    remove_user(engine, "мария", by=BY, at=AT)
    assert find_user(engine, "мария") is None


def test_two_admins_who_disable_each_other_at_once_leave_one(engine: Engine) -> None:
    for round_ in range(5):
        names = [f"one{round_}", f"two{round_}"]
        for name in names:
            add_user(engine, name, ADMIN, "hash", by=BY, at=AT)
        for one in list_users(engine):
            if one.name not in names:
                remove_user(engine, one.name, by=BY, at=AT)

        def disable(name: str) -> str:
            try:
                disable_user(engine, name, by=BY, at=AT)
            except AccountError as error:
                return error.kind
            return "done"

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(disable, names)) == ["done", "last_admin"]


def test_a_session_from_its_begin_to_its_end(engine: Engine) -> None:
    add_user(engine, "root", ADMIN, "hash", by=BY, at=AT)
    add_user(engine, "maria", ADMIN, "hash", by=BY, at=AT)
    assert come_in(engine, "maria", "first", AT)
    assert come_in(engine, "maria", "second", AT, instead_of="first")
    assert find_session(engine, "first", AT) is None
    found = find_session(engine, "second", AT)
    assert found is not None
    assert (found[0].name, found[1].expires_at) == ("maria", AT + LONGEST)
    write_seen(engine, {found[1].session_id: AT + IDLE})
    assert last_seen(engine) == {"maria": AT + IDLE}
    assert len(sessions_of(engine, "maria", AT + IDLE * 2 - timedelta(seconds=1))) == 1
    assert sessions_of(engine, "maria", AT + IDLE * 2) == []
    assert find_session(engine, "second", AT + LONGEST) is None
    clear_away(engine, AT + IDLE * 2)
    assert find_session(engine, "second", AT) is None

    for number in range(MOST + 5):
        assert come_in(engine, "maria", str(number), AT + timedelta(seconds=number))
    assert len(sessions_of(engine, "maria", AT)) == MOST
    assert find_session(engine, "4", AT) is None
    change_place(engine, "maria", Place(Role.SUPERVISOR, ("*",)), by=BY, at=AT)
    assert sessions_of(engine, "maria", AT) == []
    assert come_in(engine, "maria", "again", AT)
    end_all(engine, "maria", by=BY, at=AT)
    assert sessions_of(engine, "maria", AT) == []


def test_a_token_is_found_by_its_secret_alone(engine: Engine) -> None:
    paper = Paper("crm", frozenset({Scope.CALLS_READ, Scope.LIVE_READ}), ("sales",))
    token, secret = add_token(engine, paper, by=BY, at=AT)

    assert find_token(engine, secret, AT) == token
    assert find_token(engine, token.prefix, AT) is None
    write_used(engine, {token.token_id: AT})
    assert list_tokens(engine)[0].used_at == AT


def test_the_audit_log_is_read_by_who_what_and_when(engine: Engine) -> None:
    maria = Actor("user", "maria", "192.0.2.7")
    write_note(engine, maria, "login", at=AT)
    write_note(engine, maria, "login_failed", at=AT + timedelta(hours=1))
    write_note(engine, BY, "exported", "calls", {"rows": 3}, at=AT + timedelta(hours=2))

    def told(**asked: object) -> list[str]:
        return [one.action for one in list_notes(engine, AuditFilter(**asked))]  # type: ignore[arg-type]

    assert told() == ["exported", "login_failed", "login"]
    assert told(who="maria") == ["login_failed", "login"]
    assert told(action="exported") == ["exported"]
    assert told(since=AT + timedelta(hours=1)) == ["exported", "login_failed"]
    assert told(until=AT + timedelta(hours=1)) == ["login"]
    first = list_notes(engine, AuditFilter(limit=1))[0]
    assert first.details == {"rows": 3}
    assert told(before=first.audit_id) == ["login_failed", "login"]
    assert known_actions(engine) == ["exported", "login", "login_failed"]
    assert known_actors(engine) == ["maria", "root"]
    assert known_address(engine, "maria", "192.0.2.7", AT)
    assert not known_address(engine, "maria", "192.0.2.7", AT + timedelta(seconds=1))
    assert not known_address(engine, "maria", "192.0.2.8", AT)
    clear_away(engine, AT + timedelta(days=91))
    assert told() == ["exported", "login"]
