"""Versions of the plan that were live: whole, bounded, and found again."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pbx.errors import VersionError
from pbx.plan import versions
from pbx.plan.load import Sources, read
from pbx.plan.versions import How, VersionStore

AT = datetime(2026, 11, 24, 6, 14, tzinfo=UTC)


def files(folder: Path, text: str) -> Sources:
    folder.mkdir(exist_ok=True)
    (folder / "a.yaml").write_text(text)
    (folder / "b.yml").write_text("# second")
    return read(folder)


def live(store: VersionStore, sources: Sources, **more: str) -> versions.Version:
    store.keep(sources)
    return store.note(sources.digest, at=AT, author="ivan", how=How.RELOAD, **more)


def test_a_version_comes_back_byte_for_byte(tmp_path: Path) -> None:
    store = VersionStore(tmp_path / "state" / "plans")
    first = files(tmp_path / "plan", "first")
    live(store, first)
    live(store, files(tmp_path / "plan", "second"))

    found = store.sources(store.find("1"), tmp_path / "plan")

    assert [(file.name, data) for file, data in found.contents] == [
        ("a.yaml", b"first"),
        ("b.yml", b"# second"),
    ]
    assert found.folder == tmp_path / "plan", "its recordings are looked for where they were"
    assert store.find(first.digest[:8]) == store.before_live() == store.all()[0]
    with pytest.raises(VersionError):
        store.find("3")
    with pytest.raises(VersionError):
        store.find(first.digest[:2])


def test_what_was_changed_behind_our_back_is_not_put_in_force(tmp_path: Path) -> None:
    store = VersionStore(tmp_path / "plans")
    version = live(store, files(tmp_path / "plan", "first"))
    (tmp_path / "plans" / version.digest / "a.yaml").write_text("forged")

    with pytest.raises(VersionError, match="changed"):
        store.sources(version, tmp_path)


def test_only_so_many_are_kept_and_a_torn_line_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "KEPT", 3)
    store = VersionStore(tmp_path / "plans")
    for number in range(5):
        live(store, files(tmp_path / "plan", f"number {number}"))

    assert [one.number for one in store.all()] == [3, 4, 5]
    assert len([one for one in (tmp_path / "plans").iterdir() if one.is_dir()]) == 3

    history = tmp_path / "plans" / "history.jsonl"
    lines = history.read_bytes().splitlines()
    history.write_bytes(b"\n".join((lines[0], b'{"number": 4, "at"', b"[]", lines[2])))
    assert [one.number for one in store.all()] == [3, 5]
