"""Fixtures of the tests on a real Asterisk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.asterisk.running import PLAN


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What stands in this folder is not even read where there is no Asterisk (./run)."""
    for one in items:
        if one.path.is_relative_to(Path(__file__).parent):
            one.add_marker(pytest.mark.asterisk)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path
