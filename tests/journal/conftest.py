"""The databases that the log's promises are tried on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from pbx.journal.database import open_for_writing
from tests.journal.databases import NoPostgres, Server, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    try:
        with postgres() as started:
            yield started
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'log.db'}"
    server: Server = request.getfixturevalue("server")
    engine = open_for_writing(server.url)
    with engine.begin() as connection:
        connection.execute(text("drop schema public cascade"))
        connection.execute(text("create schema public"))
    engine.dispose()
    return server.url
