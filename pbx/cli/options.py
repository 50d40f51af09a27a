"""Options that several commands share: which log, which time zone, how many processes."""

from __future__ import annotations

import os
import re
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from pbx.cli.times import moment
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

plan_tz_option = click.option(
    "--tz",
    metavar="ZONE",
    envvar="VORONKA_TZ",
    help="Time zone of what is shown and asked, as Europe/Moscow (default: the plan's).",
)
processes_option = click.option(
    "--processes",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Runs at once; the same comes out whatever it is (default: one for each processor).",
)


def open_log(db: str | None) -> Engine:
    """The log to read.  Raises JournalError and SettingsError."""
    from pbx.journal.database import open_for_reading  # here: slow to import

    return open_for_reading(database_url(db))


def log_to_write(db: str | None) -> Engine:
    """The log, known to be there and of our version, to be written.  Raises JournalError and
    SettingsError."""
    from pbx.journal.database import open_for_writing

    url = database_url(db)
    open_log(url).dispose()
    return open_for_writing(url)


def now_utc() -> datetime:
    """The time of the command."""
    from pbx.engine.clock import SystemClock

    clock = SystemClock()
    return clock.utc(clock.now())


def database_url(db: str | None) -> str:
    """The log's database: as asked for, or as set.  Raises SettingsError."""
    if db and _PASSWORD.match(db):
        raise click.BadParameter(
            "a command line is read by every user of the machine: a URL with a password belongs "
            "into VORONKA_DB_FILE",
            param_hint="--db",
        )
    url = db or read_secret(os.environ, "VORONKA_DB")
    return url or f"sqlite:///{os.environ.get('VORONKA_STATE_DIR', 'var')}/voronka.db"


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


def moment_option(option: str, text: str | None, local: tzinfo | None) -> datetime | None:
    """When the option's ``text`` means; ``--until`` a day includes it.  Raises BadParameter."""
    if text is None:
        return None
    try:
        return moment(text, now=now_utc(), zone=local, end_of_day=option == "--until")
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error), param_hint=option) from error
