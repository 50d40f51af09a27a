"""README and docs point at what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = [Path("README.md"), *sorted(Path("docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)

    assert [one for one in targets if not (page.parent / one).exists()] == []


def test_the_way_of_a_call_is_five_files_that_exist() -> None:
    files = re.findall(r"^\d\. \[`([^`]+)`\]", Path("README.md").read_text(), re.MULTILINE)

    assert len(files) == 5
    assert all(Path(one).is_file() for one in files)
