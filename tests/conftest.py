"""What holds for all tests."""

from __future__ import annotations

import functools
import gc
import itertools
import sqlite3
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("voronka", deadline=None)
settings.load_profile("voronka")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take minutes begin first, or all would wait for them at the end.

    At the start xdist hands two tests to each process: so each has a short one behind it.
    """
    long = [one for one in items if one.get_closest_marker("long")]
    short = [one for one in items if not one.get_closest_marker("long")]
    behind = iter(short)
    items[:] = [one for first in long for one in (first, *itertools.islice(behind, 1))]
    items.extend(behind)


# What is imported stays: a third of the time until the first test would go into looking whether it
# might be garbage.
gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """From here on there is garbage; what has been imported is not looked through again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def packages_are_looked_through_once() -> Iterator[None]:
    """For strategies: none is installed while tests run, and there are a hundred packages."""
    from pbx.plan import strategies

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strategies, "entry_points", functools.cache(metadata.entry_points))
        yield


@pytest.fixture(scope="session", autouse=True)
def empty_logs_are_copies() -> Iterator[None]:
    """The migrations make the first one; they take longer than most tests.

    Only where SQLite has nothing yet: what is there already is always migrated.
    """
    from alembic import command
    from sqlalchemy import Connection, inspect

    migrations = command.upgrade
    first: tuple[str, ...] = ()

    def upgrade(config: Any, revision: str) -> None:
        nonlocal first
        to: Connection = config.attributes["connection"]
        empty = to.dialect.name == "sqlite" and not inspect(to).get_table_names()
        if revision != "head" or not empty:
            migrations(config, revision)
        elif first:
            for statement in first:
                to.exec_driver_sql(statement)
        else:
            migrations(config, revision)
            made = to.connection.driver_connection
            assert isinstance(made, sqlite3.Connection)
            _begin, *statements, _commit = made.iterdump()
            first = tuple(statements)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "upgrade", upgrade)
        yield
