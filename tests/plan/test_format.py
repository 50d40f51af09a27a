"""pbx fmt changes the style and never the meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.plan.format import formatted
from pbx.plan.load import load

CONFIG = Path(__file__).parent.parent.parent / "config"


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda one: one.name)
def test_the_shipped_example_is_in_style(path: Path) -> None:
    assert formatted(path, path.read_bytes()).encode() == path.read_bytes()


def test_comments_order_and_odd_texts_stay(tmp_path: Path) -> None:
    good = Path(__file__).parent.parent / "plans" / "good" / "everything.yaml"
    ugly = good.read_text(encoding="utf-8").replace(
        "\n  ring_time: 12s", "\n\n\n\n  ring_time: 12s # why"
    )
    path = tmp_path / "plan.yaml"
    path.write_text(ugly, encoding="utf-8")
    before = load(path)
    path.write_text(formatted(path, path.read_bytes()), encoding="utf-8")

    after = load(path)
    text = path.read_text(encoding="utf-8")
    assert (after.tree, after.routing, after.numbers) == (
        before.tree,
        before.routing,
        before.numbers,
    )
    assert "# why" in text
    assert "\n\n\n" not in text
    assert "extension: 0101" in text
