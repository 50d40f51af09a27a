"""Places and waits as sentences: right forms in both languages."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ivr import phrases

RU = {
    1: "минута",
    2: "минуты",
    4: "минуты",
    5: "минут",
    11: "минут",
    12: "минут",
    14: "минут",
    20: "минут",
    21: "минута",
    22: "минуты",
    25: "минут",
    101: "минута",
    111: "минут",
    112: "минут",
}


@pytest.mark.parametrize(("count", "form"), RU.items())
def test_russian_nouns_follow_their_number(count: int, form: str) -> None:
    assert phrases.plural_ru(count, "минута", "минуты", "минут") == form


@pytest.mark.parametrize(
    ("number", "ru", "en"),
    [
        (1, "Вы первый в очереди.", "You are first in line."),
        (3, "Вы третий в очереди.", "You are third in line."),
        (20, "Вы двадцатый в очереди.", "You are twentieth in line."),
        (
            21,
            "Перед вами в очереди больше двадцати человек.",
            "There are more than twenty callers before you.",
        ),
    ],
)
def test_a_place_is_told_as_people_say_it(number: int, ru: str, en: str) -> None:
    assert phrases.position(number).text == {"ru": ru, "en": en}


@pytest.mark.parametrize(
    ("seconds", "ru", "en"),
    [
        (0, "Ожидание: меньше минуты.", "The wait is less than a minute."),
        (59.9, "Ожидание: меньше минуты.", "The wait is less than a minute."),
        (60, "Ожидание: примерно одна минута.", "The wait is about one minute."),
        (89, "Ожидание: примерно одна минута.", "The wait is about one minute."),
        (91, "Ожидание: примерно две минуты.", "The wait is about two minutes."),
        (5 * 60, "Ожидание: примерно пять минут.", "The wait is about five minutes."),
        (11 * 60, "Ожидание: примерно пятнадцать минут.", "The wait is about fifteen minutes."),
        (
            24 * 60,
            "Ожидание: примерно двадцать пять минут.",
            "The wait is about twenty-five minutes.",
        ),
        (3600, "Ожидание: около часа или больше.", "The wait is an hour or more."),
        (1e12, "Ожидание: около часа или больше.", "The wait is an hour or more."),
    ],
)
def test_a_wait_is_told_roundly(seconds: float, ru: str, en: str) -> None:
    assert phrases.estimate(seconds).text == {"ru": ru, "en": en}


@given(st.integers(-10, 10_000), st.floats(0, allow_nan=False))
def test_whatever_is_told_is_among_the_sentences_spoken_at_load(number: int, s: float) -> None:
    assert phrases.position(number) in phrases.positions()
    assert phrases.estimate(s) in phrases.estimates()


def test_all_sentences_differ_in_name_and_in_words() -> None:
    every = (*phrases.positions(), *phrases.estimates())
    assert len({one.name for one in every}) == len(every)
    for language in phrases.LANGUAGES:
        assert len({one.text[language] for one in every}) == len(every)
