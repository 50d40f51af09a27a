"""The page makes what makes reports quick before anybody asks, and says how far it is."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from pbx.web.access import Role
from pbx.web.copying import Copying
from pbx.web.state import TooLong, WebState
from tests.web.seeded import seed
from tests.web.viewers import let_in, somebody

FIRST = datetime(2026, 10, 25, 21, tzinfo=UTC)


def files(state: WebState) -> list[str]:
    folder = state.settings.state_dir / "columns"
    return sorted(one.name for one in folder.rglob("*") if one.suffix in (".columns", ".block"))


async def test_a_start_makes_the_files_of_all_days(state: WebState) -> None:
    seed(state.write, {"anna": "sales"}, ("sales",), FIRST, 4, 10, random.Random(1))
    copying = Copying(state.read, state.columns, state.in_thread, rest=0.0)

    await copying.look()

    made = files(state)
    assert {one.split("-")[0] for one in made} == {"calls", "parts", "states", "passages"}
    assert (copying.made, copying.wanted, copying.share) == (len(made), len(made), None)
    await copying.look()
    assert copying.wanted == 0


async def test_a_folder_that_cant_be_written_to_is_told_and_not_tried_without_end(
    state: WebState, tmp_path: Path
) -> None:
    seed(state.write, {"anna": "sales"}, ("sales",), FIRST, 2, 10, random.Random(1))
    (tmp_path / "file").write_text("")
    store = type(state.columns)(tmp_path / "file" / "columns")
    copying = Copying(state.read, store, state.in_thread, rest=0.0)
    with pytest.raises(OSError, match="directory"):
        await copying.look()
    assert copying.made == 0


@pytest.mark.parametrize("path", ["/reports", "/funnel"])
async def test_who_waits_too_long_meanwhile_is_told_how_far_it_is(
    app: FastAPI,
    state: WebState,
    browser: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
) -> None:
    async def slowly(*_: Any) -> None:
        raise TooLong("too long")

    let_in(app, somebody(Role.ADMIN))
    monkeypatch.setattr(state, "slowly", slowly)
    # Not the one that runs: when its first look is over, it has nothing to make.
    state.copying = Copying(state.read, state.columns, state.in_thread)
    assert "Ответ занял больше 20 секунд" in (await browser.get(path, follow_redirects=True)).text
    state.copying.made, state.copying.wanted = 1, 4
    page = await browser.get(path, follow_redirects=True)
    assert page.status_code == 503
    assert "готово 25" in page.text
    by_api = await browser.get(f"/api/v1{path}")
    assert "25% are ready" in by_api.json()["detail"]
