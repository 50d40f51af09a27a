"""A log of a module's own, written once and copied for each test: it takes longer to write than
most questions to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.reports.randomlog import opened


@pytest.fixture
def log(tmp_path: Path, made_once: Path) -> Iterator[Engine]:
    """Of the module's ``made_once``: the file of a log."""
    shutil.copy(made_once, tmp_path)
    engine = opened(tmp_path)
    yield engine
    engine.dispose()
