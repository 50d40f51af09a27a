"""The log's database: SQLite by default, PostgreSQL by URL; opened, brought up to date, checked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from pbx.errors import JournalError

HEAD = "0014"
"""The newest migration; what this program reads and writes (a test compares)."""
BUSY_TIMEOUT_S = 5.0
"""How long SQLite waits for another process's lock, seconds."""
_STATEMENT_TIMEOUT_S = 30
_MIGRATION_LOCK = 0x766F726F6E6B61
"""PostgreSQL's advisory lock while tables are changed: "voronka" in ASCII."""


class NewerLog(JournalError):
    """A newer program has written it: waiting does not help."""


def open_for_writing(url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """An engine whose transactions take SQLite's write lock at once.

    Makes the folder of an SQLite file.  Raises JournalError for a URL that can't be used.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return _postgres(parsed)
    path = _sqlite_path(parsed)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"{path.parent}: can't be made: {error.strerror}") from error
    engine = create_engine(parsed, poolclass=NullPool, connect_args={"timeout": busy_timeout_s})
    event.listen(engine, "connect", _set_up_sqlite)
    # A transaction that starts by reading and then writes fails at once when another has
    # written in between, whatever the busy timeout: so the lock is taken first.
    event.listen(engine, "begin", _begin_immediate)
    return engine


def open_for_reading(url: str, *, checked: bool = True) -> Engine:
    """An engine that changes nothing and makes nothing.

    Raises JournalError when there is no log, or one of another version; with ``checked`` false only
    for a URL that can't be used.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        path = _sqlite_path(parsed)
        if checked and not path.is_file():
            raise JournalError(f"{path}: there is no log here (pbx run makes it)")
        engine = create_engine("sqlite://", creator=_read_only(path), poolclass=NullPool)
    else:
        engine = _postgres(parsed)
    if not checked:
        return engine
    with told_as_ours(engine), engine.connect() as connection:
        found = _version(connection)
    if found is None:
        raise JournalError(f"{shown(url)}: there is no log here (pbx run makes it)")
    if found != HEAD:
        _refuse_newer(found)
        raise JournalError(
            f"the log is of an older version ({found}; this program reads {HEAD}): "
            "pbx run brings it up to date"
        )
    return engine


def migrate(engine: Engine) -> None:
    """Bring the tables up to date.

    Raises JournalError when the database can't be had, or is newer than this program.
    """
    with told_as_ours(engine), engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Two engines that start at once must not both make the tables.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        found = _version(connection)
        if found == HEAD:
            return
        if found is not None:
            _refuse_newer(found)
        from alembic import command  # here: slow to import, and rarely needed

        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def told_as_ours(engine: Engine) -> Iterator[None]:
    """Turn a database's errors into JournalError of one line, without secrets."""
    try:
        yield
    except SQLAlchemyError as error:
        raise JournalError(f"{_where(engine)}: {first_line(error)}") from error


def which_file(engine: Engine) -> tuple[int, int] | None:
    """What tells an SQLite log's file from any other; None for PostgreSQL.

    Raises OSError when there is none.
    """
    if engine.dialect.name != "sqlite":
        return None
    found = _sqlite_path(engine.url).stat()
    return found.st_dev, found.st_ino


def first_line(error: Exception) -> str:
    """What went wrong, in one line: without the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return next((line.strip() for line in str(cause).splitlines() if line.strip()), repr(cause))


def shown(url: str) -> str:
    """A database URL without its password."""
    return _parsed(url).render_as_string(hide_password=True)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The text may hold a password: it is not repeated.
        raise JournalError(
            "the log's database is not a URL: sqlite:///path or postgresql://user@host/name"
        ) from None
    name = parsed.get_backend_name()
    if name == "sqlite":
        return parsed
    if name in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise JournalError(f"the log's database can't be {name}: sqlite or postgresql")


def _sqlite_path(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise JournalError("the log needs a file: sqlite:///path")
    return Path(url.database)


def _postgres(url: URL) -> Engine:
    return create_engine(
        url,
        poolclass=NullPool,
        connect_args={
            "connect_timeout": 5,
            # A server that is gone without a word is noticed within half a minute.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            "application_name": "voronka",
            "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_S}s -c lock_timeout=5s",
        },
    )


def _set_up_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver's own BEGIN comes too late and is never IMMEDIATE: ours is sent by an event.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _read_only(path: Path) -> Any:
    def connect() -> sqlite3.Connection:
        address = f"file:{quote(str(path.absolute()))}?mode=ro"
        return sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, check_same_thread=False)

    return connect


def _version(connection: Connection) -> str | None:
    """The migration the tables are at; None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _refuse_newer(found: str) -> None:
    from alembic.script import ScriptDirectory

    known = {
        one.revision for one in ScriptDirectory.from_config(_alembic_config()).walk_revisions()
    }
    if found not in known:
        raise NewerLog(
            f"the log is of a newer version ({found}) than this program knows ({HEAD}): "
            "use the newer program"
        )


def _alembic_config() -> Any:
    from alembic.config import Config

    config = Config()
    # A % in the path would be read as the config format's own sign.
    folder = str(Path(__file__).parent / "migrations").replace("%", "%%")
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "os")
    return config


def _where(engine: Engine) -> str:
    url = engine.url
    return f"the log ({url.render_as_string(hide_password=True)})" if url.database else "the log"
