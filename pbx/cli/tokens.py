"""``pbx tokens``: which programs may ask the API."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from pbx.cli.accounts import clock, joined, plan_option, staff_of_plan, who_types
from pbx.cli.options import db_option, log_to_write, now_utc, open_log, tz_option, zone
from pbx.cli.output import as_json, shown, told

_json_option = click.option(
    "--json", "json_wanted", is_flag=True, help="Print JSON instead of words."
)


@click.group()
def tokens() -> None:
    """List, make and revoke tokens: how programs ask the API.

    A token is shown once, when it is made; only its digest is kept (docs/access.md). Each
    command takes --json.

    Example: pbx tokens add crm --scope calls:read --scope click:write
    """


@tokens.command("list")
@_json_option
@db_option
@tz_option
def list_them(json_wanted: bool, db: str | None, tz: str | None) -> None:
    """List all tokens, the newest first.

    Example: pbx tokens list
    """
    from pbx.web.accounts.tokens import list_tokens  # here: slow to import

    found = list_tokens(open_log(db))
    if json_wanted:
        click.echo(as_json(found))
        return
    if not found:
        click.echo("no tokens")
        return
    from rich import box
    from rich.table import Table

    from pbx.cli.tables import make_console

    local, now = zone(tz), now_utc()
    table = Table(
        *("id", "name", "begins with", "scopes", "departments", "made", "last used", "expires", ""),
        box=box.SIMPLE_HEAD,
    )
    for token in found:
        table.add_row(
            token.token_id,
            shown(token.name),
            token.prefix,
            joined(token.scopes),
            shown(joined(token.departments)),
            clock(token.created_at, local),
            clock(token.used_at, local),
            clock(token.expires_at, local),
            "" if token.good(now) else "revoked" if token.revoked_at else "expired",
        )
    make_console().print(table)


@tokens.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    help="What it allows, as calls:read; may be given several times.",
)
@click.option(
    "--department",
    "departments",
    multiple=True,
    metavar="NAME",
    help="Of whom it tells (default: all); may be given several times.",
)
@click.option("--days", type=click.IntRange(1, 3650), help="How long it is good (default: ever).")
@plan_option
@_json_option
@db_option
def add(
    name: str,
    scopes: tuple[str, ...],
    departments: tuple[str, ...],
    days: int | None,
    plan: Path | None,
    json_wanted: bool,
    db: str | None,
) -> None:
    """Make a token for the program NAME, and show it: this once.

    Example: pbx tokens add crm --scope calls:read --scope recordings:read --days 365
    """
    from pbx.web.accounts.tokens import Paper, add_token
    from pbx.web.accounts.users import check_departments
    from pbx.web.principal import Scope

    unknown = [one for one in scopes if one not in set(Scope)]
    if unknown:
        raise click.BadParameter(
            f"{shown(unknown[0])!r} is none of {', '.join(Scope)}", param_hint="--scope"
        )
    if departments:
        check_departments(departments, staff_of_plan(plan))
    now = now_utc()
    paper = Paper(
        name,
        frozenset(Scope(one) for one in scopes),
        departments or ("*",),
        now + timedelta(days=days) if days else None,
    )
    token, secret = add_token(log_to_write(db), paper, by=who_types(), at=now)
    told(
        {"id": token.token_id, "name": token.name, "token": secret},
        f"{secret}\nNobody can see it again. As a header: Authorization: Bearer {token.prefix}...",
        json_wanted,
    )


@tokens.command()
@click.argument("token_id", metavar="ID")
@_json_option
@db_option
def revoke(token_id: str, json_wanted: bool, db: str | None) -> None:
    """Revoke the token ID, at once; what it begins with will do for ID, too.

    Example: pbx tokens revoke vrk_x7Kp2a
    """
    from pbx.web.accounts.tokens import revoke_token

    token = revoke_token(log_to_write(db), token_id, by=who_types(), at=now_utc())
    told({"revoked": token.token_id}, f"{shown(token.name)} is revoked", json_wanted)
