"""YAML as a plan takes it: what is written is what is meant, and nothing blows up."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.plan.faults import PlanError
from pbx.plan.source import MAX_BYTES, MAX_DEPTH, MAX_NODES, Faults, NodeBudget, plain, read_text

FILE = Path("plan.yaml")


def values(text: str | bytes) -> object:
    """The plain values of a text; raises PlanError."""
    faults = Faults()
    data = text if isinstance(text, bytes) else text.encode()
    node = read_text(FILE, data, faults, NodeBudget())
    faults.stop()
    return None if node is None else plain(node)


def mistakes(text: str | bytes) -> str:
    with pytest.raises(PlanError) as caught:
        values(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        *("9:00", "22:00-06:00", "+78005553535", "0123", "0x1F", "0o17", "1_000", "1e3", ".inf"),
        *("no", "yes", "on", "off", "n", "Y", "True", "FALSE", "Null", "NULL", "2026-05-09"),
        *("1.10", "=", "007", "12:30:45", "<<"),
    ],
)
def test_plain_values_stay_as_they_are_written(written: str) -> None:
    assert values(f"key: {written}") == {"key": written}


def test_only_true_false_and_nothing_are_more_than_text() -> None:
    text = "a: true\nb: false\nc:\nd: ~\ne: null\nf: 'true'\ng: '~'\nh: !!str true\ni: !!bool true"
    assert values(text) == {
        "a": True,
        "b": False,
        **dict.fromkeys("cde"),
        "f": "true",
        "g": "~",
        "h": "true",
        "i": True,
    }


def test_keys_are_text_too() -> None:
    assert values("1: a\n0101: b\n+7800: c\ntrue: d\nno: e") == dict(
        zip(["1", "0101", "+7800", "true", "no"], "abcde", strict=True)
    )


def test_a_byte_order_mark_at_the_start_is_no_mistake() -> None:
    assert values(b"\xef\xbb\xbfkey: 1\r\nother: 2\r\n") == {"key": "1", "other": "2"}


def test_aliases_repeat_what_they_name() -> None:
    assert values("a: &x [1, {b: 2}]\nc: *x") == {
        "a": ["1", {"b": "2"}],
        "c": ["1", {"b": "2"}],
    }


def test_an_empty_text_is_nothing() -> None:
    assert values("") is None
    assert values("# only words\n---\n") is None


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_nesting_without_end_is_refused_at_once(opening: str) -> None:
    assert f"nested deeper than {MAX_DEPTH} levels" in mistakes(opening * 200_000)


def test_aliases_that_multiply_are_refused_before_they_do() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert f"more than {MAX_NODES:,} values" in mistakes("\n".join(lines))


@pytest.mark.slow
def test_more_values_than_any_plan_needs_are_refused() -> None:
    assert f"more than {MAX_NODES:,} values" in mistakes("- a\n" * (MAX_NODES + 1))


def test_a_file_too_large_is_refused_unread() -> None:
    assert "larger than 10 MB" in mistakes(b"#" * (MAX_BYTES + 1))


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    told = mistakes('a: 1\na: 2\nb: !x 3\n[c]: 4\n~: 5\nd: "\\0"\n')
    assert told.endswith("5 errors, nothing was loaded")


def test_many_mistakes_are_counted_and_the_first_shown() -> None:
    told = mistakes("a: 1\n" * 1_001)
    assert "... and 500 more" in told
    assert told.endswith("1000 errors, nothing was loaded")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ключ: [1\n", "plan.yaml:1:7"),
        ("a: 'ю' b\n", "plan.yaml:1:8"),
        ("日本: 1\n日本: 2\n", "plan.yaml:2:1"),
        ("a: 1\r\nb: 2\r\nb: 3\r\n", "plan.yaml:3:1"),
        ("a: 1\rb: 2\rb: 3\r", "plan.yaml:3:1"),
    ],
)
def test_places_count_letters_not_bytes(text: str, place: str) -> None:
    assert mistakes(text).startswith(f"{place}: ")


def test_a_caret_stands_below_what_is_meant_in_wide_letters_too() -> None:
    lines = mistakes("日本: 1\nх: {日本: 1, b: 2, b: 3}\n").splitlines()
    assert lines[2].index("^") == lines[1].index("b: 3") + 2


def test_a_very_long_line_is_cut_around_its_mistake() -> None:
    told = mistakes("a: {" + ", ".join(f"k{n}: {n}" for n in range(5_000)) + ", k0: 1}")
    assert all(len(line) < 130 for line in told.splitlines())
    assert "k0: 1" in told
