"""What a CRM answers may be anything: what is good of it holds, the rest is named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.lookup.answer import LONGEST, read_answer
from pbx.lookup.port import Failed, Known, Result


def answered(content: object, status: int = 200) -> Known | Failed:
    return read_answer(status, json.dumps(content).encode())


def test_each_key_is_read_and_each_may_be_absent() -> None:
    said = {"manager": "ivanov", "vip": True, "name": "Ромашка", "language": "en"}
    assert answered(said) == Known("ivanov", True, "Ромашка", "en")
    assert answered({"vip": False, "manager": None, "deals": [1]}) == Known()
    assert answered({}) == read_answer(204, b"") == Known()


def test_what_can_not_be_read_is_named_and_the_rest_holds() -> None:
    said = {"manager": 101, "vip": "yes", "name": "Ромашка", "language": ["en"]}

    assert answered(said) == Known(
        name="Ромашка",
        ignored=(
            "vip: expected true or false",
            "manager: expected a text",
            "language: expected a text",
        ),
    )


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (500, b'{"manager": "ivanov"}', "status 500"),
        (302, b"", "status 302"),
        (404, b"{}", "status 404"),
        (200, b"", "not JSON"),
        (200, b"<html>", "not JSON"),
        (200, b'{"vip": NaN}', "not JSON"),
        (200, b'{"name": "\xff"}', "not JSON"),
        (200, b"[" * 10_000, "not JSON"),
        (200, b"[]", "no JSON object"),
        (200, b'"ivanov"', "no JSON object"),
        (200, b" " * LONGEST + b"{}", "longer than"),
    ],
)
def test_what_is_no_answer_is_told_as_broken(status: int, body: bytes, why: str) -> None:
    said = read_answer(status, body)

    assert isinstance(said, Failed)
    assert said.result is Result.BROKEN
    assert why in said.why


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda one: st.one_of(st.lists(one, max_size=3), st.dictionaries(st.text(), one, max_size=3)),
    max_leaves=5,
)
KEYS = st.sampled_from(["manager", "vip", "name", "language", "more"])


@given(
    st.integers(100, 599),
    st.one_of(
        st.binary(max_size=200), st.dictionaries(KEYS, JSON).map(lambda d: json.dumps(d).encode())
    ),
)
def test_any_answer_is_read_or_told_as_broken(status: int, body: bytes) -> None:
    said = read_answer(status, body)

    if isinstance(said, Known):
        assert all(isinstance(one, str) for one in (said.manager, said.name, said.language))
        assert isinstance(said.vip, bool)
    else:
        assert said.result is Result.BROKEN
