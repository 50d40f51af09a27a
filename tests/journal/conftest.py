"""One PostgreSQL for all tests of the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journal.databases import NoPostgres, Server, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    try:
        with postgres() as started:
            yield started
    except NoPostgres as error:
        pytest.skip(str(error))
