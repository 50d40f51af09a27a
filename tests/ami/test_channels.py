"""Numbers and names as Asterisk tells them."""

from __future__ import annotations

import pytest

from pbx.ami.channels import known, known_name


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("Мария Щукина", "Мария Щукина"),
        (r"O\'Hara\?", "O'Hara?"),
        (r"a\"> <b \\", 'a"> <b \\'),
        (r"\\n", r"\n"),
        (r"one\r\nAction: Logoff", "one  Action: Logoff"),
        ("<unknown>", ""),
        ("torn\\", "torn\\"),
    ],
)
def test_a_name_is_read_without_asterisks_escapes(told: str, name: str) -> None:
    assert known_name(told) == name


def test_no_number_is_empty() -> None:
    assert known("<unknown>") == ""
    assert known("+7916") == "+7916"
