"""What the commands about users and tokens share."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from pbx.cli.times import in_zone

if TYPE_CHECKING:
    from pbx.web.accounts.audit import Actor
    from pbx.web.principal import Staff

_LONGEST_FILE = 4096

plan_option = click.option(
    "--plan", type=click.Path(path_type=Path), help="The plan (default: $VORONKA_PLAN)."
)
password_option = click.option(
    "--password-file",
    type=click.File("r", encoding="utf-8"),
    metavar="FILE",
    help="Read the password from FILE's first line, - for standard input (default: asked).",
)


def who_types() -> Actor:
    """For the audit log: the machine's user at the command line."""
    from pbx.web.accounts.audit import USER_COMMAND, Actor

    return Actor(USER_COMMAND, getpass.getuser())


def staff_of_plan(plan: Path | None) -> Staff:
    """Who is in which department.  Raises PlanError."""
    from pbx.plan.load import load
    from pbx.settings import plan_path
    from pbx.web.principal import Staff

    return Staff.of(load(plan or plan_path()))


def new_password(file: IO[str] | None, name: str) -> str:
    """Of the file, or asked twice; never an argument: others of the machine see those.

    Raises AccountError.
    """
    from pbx.web.accounts.passwords import check_new

    if file is not None:
        line = file.read(_LONGEST_FILE).split("\n", 1)[0].rstrip("\r")
    else:
        line = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    check_new(name, line)
    return str(line)


def clock(at: datetime | None, local: tzinfo | None) -> str:
    """A moment in a table."""
    return f"{in_zone(at, local):%Y-%m-%d %H:%M}" if at is not None else ""


def joined(words: Sequence[str]) -> str:
    """A list in a table."""
    return ", ".join(words)
