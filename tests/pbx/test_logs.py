"""Nothing secret is ever logged."""

from __future__ import annotations

import contextlib
import sys

import hypothesis.strategies as st
import pytest
import structlog
from hypothesis import given

from pbx.logs import MASK, mask, set_up_logs

CARD = "4111111111111111"


def masked(**event: object) -> dict[str, object]:
    return dict(mask(None, "info", event))


@pytest.mark.parametrize("text", [CARD, "4111 1111 1111 1111", "pressed 4111-1111-1111-1111#"])
def test_card_numbers_are_hidden_wherever_they_stand(text: str) -> None:
    assert MASK in str(masked(digits=text)["digits"])
    assert MASK in str(masked(call={"steps": [{"digits": text}]})["call"])


def test_any_sixteen_digits_are_hidden() -> None:
    assert masked(digits="1234567890123456")["digits"] == MASK


@pytest.mark.parametrize("number", ["+79161234567", "88005553535", "+442071234567", "112"])
def test_telephone_numbers_stay(number: str) -> None:
    assert masked(number=number)["number"] == number


@given(st.sampled_from(["secret", "ami_secret", "Password", "auth_token"]), st.text(min_size=1))
def test_secrets_are_hidden_by_name(name: str, value: str) -> None:
    assert masked(**{name: value}) == {name: MASK}
    assert masked(settings={name: value})["settings"] == {name: MASK}


def test_a_full_disk_costs_the_line_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.suppress(OSError), open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stderr", full)
        set_up_logs("json", "info")
        try:
            structlog.get_logger("x").error("journal_write_failed", reason="disk full")
            structlog.get_logger("x").exception("event_failed")
        finally:
            structlog.reset_defaults()
