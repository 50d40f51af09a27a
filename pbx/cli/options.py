"""Options that several commands share: which log, which time zone."""

from __future__ import annotations

import os
import re
from datetime import tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from pbx.settings import read_secret

if TYPE_CHECKING:
    from sqlalchemy import Engine

_PASSWORD = re.compile(r"[^/]*//[^/@]*:[^/]+@|.*[?&]password=", re.IGNORECASE)

db_option = click.option(
    "--db",
    metavar="URL",
    help="The log's database (default: $VORONKA_DB, else var/voronka.db).",
)
tz_option = click.option(
    "--tz",
    metavar="ZONE",
    envvar="VORONKA_TZ",
    help="Time zone of what is shown and asked, as Europe/Moscow (default: this machine's).",
)


def open_log(db: str | None) -> Engine:
    """The log to read.  Raises JournalError and SettingsError."""
    from pbx.journal.database import open_for_reading  # here: slow to import

    if db and _PASSWORD.match(db):
        raise click.BadParameter(
            "a command line is read by every user of the machine: a URL with a password belongs "
            "into VORONKA_DB_FILE",
            param_hint="--db",
        )
    url = db or read_secret(os.environ, "VORONKA_DB")
    if not url:
        state = os.environ.get("VORONKA_STATE_DIR", "var")
        url = f"sqlite:///{state}/voronka.db"
    return open_for_reading(url)


def zone(name: str | None) -> tzinfo | None:
    """The zone of that name; None for this machine's own.  Raises BadParameter."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.BadParameter(
            f"{name!r} is not a time zone (as Europe/Moscow)", param_hint="--tz"
        ) from error
