"""Fixtures of the tests on a real Asterisk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.asterisk.running import PLAN


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path
