"""``pbx users``: who may open the page."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import click

from pbx.cli.accounts import (
    clock,
    joined,
    new_password,
    password_option,
    plan_option,
    staff_of_plan,
    who_types,
)
from pbx.cli.options import db_option, log_to_write, now_utc, open_log, tz_option, zone
from pbx.cli.output import as_json, shown, told

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from pbx.web.accounts.audit import Actor
    from pbx.web.accounts.users import Place

_json_option = click.option(
    "--json", "json_wanted", is_flag=True, help="Print JSON instead of words."
)
_role_option = click.option(
    "--role",
    type=click.Choice(["admin", "supervisor", "manager"]),
    required=True,
    help="What they are to the company.",
)
_department_option = click.option(
    "--department",
    "departments",
    multiple=True,
    metavar="NAME",
    help="A supervisor's; may be given several times; * for all.",
)
_agent_option = click.option("--agent", metavar="KEY", help="Which manager of the plan they are.")


@click.group()
def users() -> None:
    """List, make and change who may open the page: users, their roles and passwords.

    An admin sees and does everything, a supervisor what is of their departments, a manager what
    is their own (docs/access.md). All is written to the audit log; each command takes --json.

    Example: pbx users add maria --role supervisor --department sales
    """


@users.command("list")
@_json_option
@db_option
@tz_option
def list_them(json_wanted: bool, db: str | None, tz: str | None) -> None:
    """List all users.

    Example: pbx users list --json
    """
    from pbx.web.accounts.users import list_users  # here: slow to import

    found = list_users(open_log(db))
    if json_wanted:
        click.echo(as_json(found))
        return
    if not found:
        click.echo("no users: pbx users add NAME --role admin")
        return
    from rich import box
    from rich.table import Table

    from pbx.cli.tables import make_console

    local = zone(tz)
    table = Table("name", "role", "departments", "manager", "made", "", box=box.SIMPLE_HEAD)
    for user in found:
        table.add_row(
            shown(user.name),
            user.role.value,
            shown(joined(user.departments)),
            shown(user.agent or ""),
            clock(user.created_at, local),
            "disabled" if user.disabled_at else "",
        )
    make_console().print(table)


@users.command()
@click.argument("name")
@_role_option
@_department_option
@_agent_option
@password_option
@plan_option
@_json_option
@db_option
def add(
    name: str,
    role: str,
    departments: tuple[str, ...],
    agent: str | None,
    password_file: IO[str] | None,
    plan: Path | None,
    json_wanted: bool,
    db: str | None,
) -> None:
    """Make a user NAME; the password is asked for at the terminal, or read from a file.

    Example: pbx users add anna --role manager --agent anna --password-file -
    """
    from pbx.web.accounts.passwords import Passwords
    from pbx.web.accounts.users import add_user, check_name

    log = log_to_write(db)
    kept = check_name(name)
    place = _place(role, departments, agent, plan)
    password = new_password(password_file, kept)
    add_user(log, kept, place, Passwords().hash_now(password), by=who_types(), at=now_utc())
    told({"added": kept, "role": role}, f"{shown(kept)} is {role} now", json_wanted)


@users.command()
@click.argument("name")
@password_option
@_json_option
@db_option
def password(name: str, password_file: IO[str] | None, json_wanted: bool, db: str | None) -> None:
    """Give the user NAME another password; wherever they are signed in, they are no more.

    Example: pbx users password anna
    """
    from pbx.web.accounts.passwords import Passwords
    from pbx.web.accounts.users import find_user, plain_name, set_password

    log = log_to_write(db)
    kept = plain_name(name)
    if find_user(log, kept) is None:
        raise click.ClickException(f"there is no user {shown(kept)!r}")
    hashed = Passwords().hash_now(new_password(password_file, kept))
    set_password(log, kept, hashed, by=who_types(), at=now_utc())
    told({"password_of": kept}, f"{shown(kept)} has another password", json_wanted)


@users.command()
@click.argument("name")
@_role_option
@_department_option
@_agent_option
@plan_option
@_json_option
@db_option
def role(
    name: str,
    role: str,
    departments: tuple[str, ...],
    agent: str | None,
    plan: Path | None,
    json_wanted: bool,
    db: str | None,
) -> None:
    """Make the user NAME something else to the company; wherever they are signed in, they are no
    more.

    What is not given is taken away: departments, and which manager they are.

    Example: pbx users role anna --role supervisor --department sales --agent anna
    """
    from pbx.web.accounts.users import change_place, plain_name

    place = _place(role, departments, agent, plan)
    kept = plain_name(name)
    change_place(log_to_write(db), kept, place, by=who_types(), at=now_utc())
    told({"changed": kept, "role": role}, f"{shown(kept)} is {role} now", json_wanted)


@users.command()
@click.argument("name")
@_json_option
@db_option
def disable(name: str, json_wanted: bool, db: str | None) -> None:
    """Let the user NAME in no more, at once, until enabled.

    Example: pbx users disable anna
    """
    from pbx.web.accounts.users import disable_user

    _do(disable_user, "disabled", name, json_wanted, db)


@users.command()
@click.argument("name")
@_json_option
@db_option
def enable(name: str, json_wanted: bool, db: str | None) -> None:
    """Let the user NAME in again.

    Example: pbx users enable anna
    """
    from pbx.web.accounts.users import enable_user

    _do(enable_user, "enabled", name, json_wanted, db)


@users.command()
@click.argument("name")
@_json_option
@db_option
def remove(name: str, json_wanted: bool, db: str | None) -> None:
    """Remove the user NAME; what they did stays in the audit log.

    Example: pbx users remove anna
    """
    from pbx.web.accounts.users import remove_user

    _do(remove_user, "removed", name, json_wanted, db)


class _Change(Protocol):
    def __call__(self, engine: Engine, name: str, *, by: Actor, at: datetime) -> None: ...


def _do(change: _Change, done: str, name: str, json_wanted: bool, db: str | None) -> None:
    from pbx.web.accounts.users import plain_name

    kept = plain_name(name)
    change(log_to_write(db), kept, by=who_types(), at=now_utc())
    told({done: kept}, f"{shown(kept)} is {done}", json_wanted)


def _place(role: str, departments: tuple[str, ...], agent: str | None, plan: Path | None) -> Place:
    """Checked against the plan, where it says anything of it."""
    from pbx.web.accounts.users import Place, check_place
    from pbx.web.principal import Role

    known = staff_of_plan(plan) if departments or agent else None
    return check_place(Place(Role(role), departments, agent), known)
