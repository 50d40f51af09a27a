"""Pauses and missed calls as the control socket takes them: who asked is on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.control import Request
from pbx.errors import ControlError
from pbx.missed_by_hand import answer_missed
from pbx.pausing import answer_pause
from tests.pbx.test_control import asked, folder  # noqa: F401 (a fixture)


@pytest.mark.parametrize(
    ("by", "author"),
    [("мария", "мария (web)"), ("x" * 65, None), ("a\nb", None), ("", None), (7, None)],
)
async def test_who_is_signed_in_at_the_page_is_named(
    folder: Path,  # noqa: F811
    by: object,
    author: str | None,
) -> None:
    plain = (await asked(folder, {"command": "x"}))["by"]

    assert (await asked(folder, {"command": "x", "by": by}))["by"] == (author or plain)


@pytest.mark.parametrize(
    "request_",
    [
        {"command": "pause"},
        {"command": "pause", "agent": 1, "reason": "x"},
        {"command": "unpause", "agent": None},
    ],
)
def test_a_pause_needs_a_manager(request_: Request) -> None:
    with pytest.raises(ControlError, match="needs an agent"):
        answer_pause(None, request_, "me")
    with pytest.raises(ControlError, match="another engine leads"):
        answer_pause(None, {"command": "unpause", "agent": "anna"}, "me")


async def test_which_missed_call_is_needed() -> None:
    for request in ({}, {"task": 1}, {"task": "a", "reason": 2}):
        with pytest.raises(ControlError, match="which task"):
            await answer_missed(None, request, "me")  # type: ignore[arg-type]
