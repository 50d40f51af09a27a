"""Users and tokens by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pbx.cli import main
from pbx.journal.database import migrate, open_for_reading, open_for_writing
from pbx.web.accounts.audit import AuditFilter, list_notes
from pbx.web.accounts.users import find_user

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery"
PLAN = str(Path("config").absolute())


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'log.db'}"
    engine = open_for_writing(url)
    migrate(engine)
    engine.dispose()
    return url


def run(database: str, *arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(main, [*arguments, "--db", database], input=given)


def add(database: str, *arguments: str, given: str = PASSWORD + "\n") -> Result:
    return run(database, "users", "add", *arguments, "--password-file", "-", given=given)


def test_the_first_admin_is_made_and_the_password_is_asked_twice(database: str) -> None:
    assert "pbx users add" in run(database, "users", "list").output

    twice = f"{PASSWORD}\n{PASSWORD}\n"
    done = run(database, "users", "add", "Root", "--role", "admin", given=twice)

    assert done.exit_code == 0, done.output
    assert PASSWORD not in done.output
    (user,) = json.loads(run(database, "users", "list", "--json").output)
    assert (user["name"], user["role"]) == ("root", "admin")
    assert "password" not in user
    different = run(
        database, "users", "add", "b", "--role", "admin", given=f"{PASSWORD}\nother\n" * 2
    )
    assert different.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "given", "why"),
    [
        (("root", "--role", "admin"), PASSWORD, "already"),
        (("Root", "--role", "admin"), PASSWORD, "already"),
        (("x", "--role", "admin"), "short", "at least 12"),
        (("x", "--role", "admin"), "", "at least 12"),
        (("x", "--role", "admin"), "aaaaaaaaaaaaaaaa", "different signs"),
        (("oleg", "--role", "admin"), "Oleg123456789", "user's name"),
        (("two words", "--role", "admin"), PASSWORD, "no user's name"),
        (("\x1b[31m", "--role", "admin"), PASSWORD, "no user's name"),
        (("x", "--role", "manager"), PASSWORD, "agent"),
        (("x", "--role", "supervisor"), PASSWORD, "department"),
        (("x", "--role", "manager", "--agent", "nobody", "--plan", PLAN), PASSWORD, "no manager"),
        (
            ("x", "--role", "supervisor", "--department", "none", "--plan", PLAN),
            PASSWORD,
            "no department",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    database: str, arguments: tuple[str, ...], given: str, why: str
) -> None:
    add(database, "root", "--role", "admin")

    refused = add(database, *arguments, given=given)

    assert refused.exit_code == 1
    assert why in refused.output
    assert len(refused.output.strip().splitlines()) == 1
    assert "\x1b" not in refused.output


def test_a_user_is_changed_and_every_change_is_told(database: str) -> None:
    add(database, "root", "--role", "admin")
    add(database, "maria", "--role", "supervisor", "--department", "*", "--plan", PLAN)
    other = "another horse battery\n"

    for command in (
        ("password", "maria", "--password-file", "-"),
        ("role", "maria", "--role", "manager", "--agent", "ivanov", "--plan", PLAN),
        ("disable", "maria"),
        ("enable", "maria"),
        ("remove", "maria"),
    ):
        assert run(database, "users", *command, given=other).exit_code == 0

    engine = open_for_reading(database)
    assert find_user(engine, "maria") is None
    notes = list_notes(engine, AuditFilter())[::-1]
    assert [one.action for one in notes] == [
        *("user_added", "user_added", "password_changed", "user_changed"),
        *("user_disabled", "user_enabled", "user_removed"),
    ]
    assert {one.kind for one in notes} == {"command"}
    assert run(database, "users", "disable", "maria").exit_code == 1


def test_the_last_admin_stays(database: str) -> None:
    add(database, "root", "--role", "admin")
    demoted = ("role", "root", "--role", "supervisor", "--department", "*")
    for command in (("disable", "root"), ("remove", "root"), demoted):
        refused = run(database, "users", *command)
        assert refused.exit_code == 1
        assert "last admin" in refused.output
    add(database, "second", "--role", "admin")
    assert run(database, "users", "disable", "root").exit_code == 0
    assert run(database, "users", "remove", "second").exit_code == 1


def test_a_token_is_shown_once(database: str) -> None:
    made = run(database, "tokens", "add", "crm", "--scope", "calls:read", "--days", "30", "--json")
    assert made.exit_code == 0, made.output
    token = json.loads(made.output)
    assert token["token"].startswith("vrk_")

    listed = run(database, "tokens", "list", "--json").output
    assert token["token"] not in listed
    assert json.loads(listed)[0]["scopes"] == ["calls:read"]
    assert token["token"][:10] in run(database, "tokens", "list").output
    assert run(database, "tokens", "revoke", token["id"]).exit_code == 0
    assert "revoked" in run(database, "tokens", "list").output
    assert run(database, "tokens", "revoke", "none").exit_code == 1
    wrong = run(database, "tokens", "add", "crm", "--scope", "all")
    assert wrong.exit_code == 2
    assert "calls:read" in wrong.output
